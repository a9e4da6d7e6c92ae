import assert from "node:assert/strict";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import type { Houses, SeenOnDisk } from "../../src/cli/houses.ts";
import { run } from "../../src/cli/program.ts";
import { patiently } from "../../src/cli/terminal.ts";
import { readConfig } from "../../src/config/config.ts";
import { Fault, faults, type FaultCode } from "../../src/fault.ts";
import { onionAddress } from "../../tor/onion-address.ts";
import { sayFault } from "../../src/cli/sentences.ts";

const onion = `${"a".repeat(55)}d.onion`;

describe("cli/program", () => {
  let folder: string;
  let calls: string[];
  let out: string[];
  let err: string[];
  let houses: Houses;
  let ask: () => void;
  const tacet = (...args: string[]) =>
    run(args, {
      houses: async () => houses,
      terminal: (json) => ({ json, out: (line) => out.push(line), err: (line) => err.push(line) }),
      clock: () => 7,
      stopped: () => new Promise((resolve) => (ask = resolve)),
    });
  const config = () => join(folder, "tacet.toml");
  const init = (...more: string[]) => tacet("init", "--config", config(), "--data-dir", join(folder, "data"), ...more);

  let seen: SeenOnDisk;

  beforeEach(() => {
    seen = {
      files: 9,
      bytes: 1000,
      records: 7,
      lengths: [
        [104, 5],
        [120, 2],
      ],
      rows: 1,
      periods: 2,
      findings: [],
      planted: 4,
      plantedFound: 4,
    };
    folder = mkdtempSync(join(tmpdir(), "tacet-cli-"));
    calls = [];
    out = [];
    err = [];
    houses = {
      async auditHouse({ config: { dataDir } }) {
        calls.push(`audit ${dataDir}`);
        return seen;
      },
      async backUpHouse({ config: { dataDir }, to }) {
        calls.push(`back up ${dataDir} to ${to}`);
      },
      async acceptRolledBack({ config: { dataDir } }) {
        calls.push(`accept ${dataDir}`);
      },
      async createHouse({ config: { dataDir } }) {
        calls.push("create");
        return { onion, rootKeyPath: join(dataDir, "root.key") };
      },
      async openHouse({ clock, issuerOnly = false }) {
        calls.push(`open ${clock()}${issuerOnly ? " as an issuer" : ""}`);
        return {
          onion,
          start: async () => void calls.push("start"),
          stop: async () => void calls.push("stop"),
          snapshot: () => ({ served: 0, redeemed: 0, refused: {} }),
          invite: (count) => Array.from({ length: count }, (_, i) => `invitation-${i}`),
        };
      },
    };
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it("init writes a configuration only its owner reads, and says what was made", async () => {
    assert.equal(await init(), 0);
    assert.deepEqual(calls, ["create", "open 7", "stop"]);
    assert.equal(statSync(config()).mode & 0o777, 0o600);
    assert.equal(statSync(join(folder, "data")).mode & 0o777, 0o700);
    assert.equal(readConfig(config()).dataDir, join(folder, "data"));
    const text = out.join("\n");
    for (const part of [onion, join(folder, "data", "root.key"), "invitation-0", "invitation-2", "tacet start"]) {
      assert.ok(text.includes(part), part);
    }
    assert.ok(!text.includes("invitation-3"));
  });

  it("init prints one object with --json", async () => {
    assert.equal(await init("--json", "--invitations", "1"), 0);
    assert.equal(out.length, 1);
    const { ok, onion: said, invitations } = JSON.parse(out[0] ?? "") as Record<string, unknown>;
    assert.deepEqual({ ok, said, invitations }, { ok: true, said: onion, invitations: ["invitation-0"] });
  });

  it("init overwrites nothing", async () => {
    for (const [name, make] of [
      ["tacet.toml", (path: string) => writeFileSync(path, "mine")],
      ["tacet.key", (path: string) => writeFileSync(path, "mine")],
      ["data", (path: string) => (mkdirSync(path), writeFileSync(join(path, "file"), "mine"))],
    ] as const) {
      const path = join(folder, name);
      make(path);
      assert.equal(await init(), 2);
      assert.match(err.pop() ?? "", /^tacet: .*nothing was changed, choose another --/);
      assert.deepEqual(readdirSync(folder), [name]);
      rmSync(path, { recursive: true });
    }
    assert.deepEqual(calls, []);
  });

  it("init can be given again when the house could not be made", async () => {
    const { createHouse } = houses;
    houses.createHouse = async () => {
      throw new Fault("store/write");
    };
    assert.equal(await init(), 1);
    assert.ok(!existsSync(config()));
    houses.createHouse = createHouse;
    assert.equal(await init(), 0);
  });

  it("start runs until it is told to stop, and stops cleanly", async () => {
    await init("--invitations", "0");
    calls = [];
    const running = tacet("start", "--config", config());
    while (!calls.includes("start")) await pause(2);
    await pause(10);
    assert.deepEqual(calls, ["open 7", "start"]);
    assert.ok(out.at(-1)?.includes(onion));
    ask();
    assert.equal(await running, 0);
    assert.deepEqual(calls, ["open 7", "start", "stop"]);
  });

  it("issuer runs what only issues, once the configuration has a type that others can check", async () => {
    await init("--invitations", "0");
    calls = [];
    assert.equal(await tacet("issuer", "--config", config()), 2);
    assert.match(err.pop() ?? "", /^tacet: .*tokens\.types: lacks what other houses can check, write/);
    const text = readFileSync(config(), "utf8").replace(/^# types = .*$/m, 'types = ["0x0005", "0x0002"]');
    writeFileSync(config(), text);
    assert.equal(await tacet("config", "check", "--config", config()), 0);
    const running = tacet("issuer", "--config", config());
    while (!calls.includes("start")) await pause(2);
    await pause(10);
    ask();
    assert.equal(await running, 0);
    assert.deepEqual(calls, ["open 7 as an issuer", "start", "stop"]);
    writeFileSync(config(), `${text}[[external_issuers]]\nonion = "${onion}"\nclass = "deliver"\ndaily_budget = 1\n`);
    assert.equal(await tacet("issuer", "--config", config()), 2);
    assert.match(err.pop() ?? "", /external_issuers\.0\.onion: is mistyped/);
    const real = onionAddress(new Uint8Array(32).fill(7));
    writeFileSync(config(), readFileSync(config(), "utf8").replace(onion, real));
    assert.equal(await tacet("config", "check", "--config", config()), 0);
    assert.equal(await tacet("issuer", "--config", config()), 2);
    assert.match(err.pop() ?? "", /external_issuers: an issuer has nothing to take tokens for/);
  });

  it("start stops also while it is still starting, and after it could not", async () => {
    await init("--invitations", "0");
    const open = houses.openHouse;
    const startWith = (begin: () => Promise<void>) => {
      houses.openHouse = async (options) => ({ ...(await open(options)), start: begin });
      calls = [];
      return tacet("start", "--config", config());
    };
    const waiting = startWith(() => new Promise(() => undefined));
    await pause(20);
    ask();
    assert.equal(await waiting, 0);
    assert.equal(calls.at(-1), "stop");
    assert.equal(await startWith(() => Promise.reject(new Fault("tor/missing"))), 3);
    assert.equal(calls.at(-1), "stop");
    assert.match(err.at(-1) ?? "", /^tacet: the tor program was not found: type `apt-get install tor`$/);
  });

  it("start makes nothing where nothing is", async () => {
    assert.equal(await tacet("start", "--config", config()), 2);
    assert.match(err.at(-1) ?? "", /tacet init/);
    assert.deepEqual(readdirSync(folder), []);
  });

  it("invite draws while the house is stopped, and says so when it runs", async () => {
    await init("--invitations", "0");
    out = [];
    assert.equal(await tacet("invite", "2", "--config", config()), 0);
    assert.deepEqual(out, ["invitation-0", "invitation-1"]);
    houses.openHouse = async () => {
      throw new Fault("store/locked");
    };
    assert.equal(await tacet("invite", "--config", config(), "--json"), 4);
    assert.match(err.at(-1) ?? "", /^tacet: the house is running .*: stop it and try again$/);
    assert.equal((JSON.parse(out.at(-1) ?? "") as { error: string }).error, "store/locked");
  });

  it("audit says what was found in the files, and fails when it was anything, or when it is blind", async () => {
    await init("--invitations", "0");
    out = [];
    assert.equal(await tacet("audit", "--config", config()), 0);
    assert.equal(calls.at(-1), `audit ${join(folder, "data")}`);
    assert.match(out.join("\n"), /7 records of 2 lengths/);
    seen = { ...seen, findings: ["1 files hold readable text"] };
    assert.equal(await tacet("audit", "--config", config()), 1);
    assert.match(out.join("\n"), /FOUND +1 files hold readable text/);
    seen = { ...seen, findings: [], plantedFound: 3 };
    out = [];
    assert.equal(await tacet("audit", "--config", config(), "--json"), 1);
    const said = JSON.parse(out[0] ?? "") as { ok: boolean; lengths: unknown };
    assert.deepEqual([said.ok, said.lengths], [false, { "104": 5, "120": 2 }]);
    assert.equal(await tacet("audit", "--config", join(folder, "nowhere.toml")), 2);
  });

  it("explains itself and refuses what it does not know", async () => {
    for (const args of [
      ["--help"],
      ["init", "--help"],
      ["start", "--help"],
      ["invite", "--help"],
      ["audit", "--help"],
      ["config", "--help"],
    ]) {
      assert.equal(await tacet(...args), 0, args.join(" "));
      assert.match(out.pop() ?? out.join("\n"), /Usage|Exit/);
    }
    for (const args of [["nothing"], ["init", "--wrong"], ["invite", "-3"], ["init", "--invitations", "many"]]) {
      assert.equal(await tacet(...args), 2, args.join(" "));
    }
    assert.deepEqual(calls, []);
  });

  it("prints an example that it calls good", async () => {
    assert.equal(await tacet("config", "example"), 0);
    writeFileSync(config(), out.join("\n"));
    assert.equal(await tacet("config", "check", "--config", config()), 0);
    writeFileSync(config(), "wrong = 1");
    assert.equal(await tacet("config", "check", "--config", config()), 2);
    assert.match(err.at(-1) ?? "", /wrong: unknown key/);
  });

  it("never prints what an unexpected error says", async () => {
    houses.createHouse = async () => {
      throw new Error("secret");
    };
    assert.equal(await init(), 1);
    assert.ok(![...out, ...err].join("").includes("secret"));
  });

  it("has a line for every fault", () => {
    for (const code of Object.keys(faults) as FaultCode[]) {
      const { line, exit } = sayFault(code);
      assert.match(line, /^[a-z].*[^.]$/);
      assert.ok(exit > 0 && exit < 5);
      if (/^(store|http|tor)\//.test(code)) assert.ok(!line.includes(code), `${code} is met by operators`);
    }
  });

  it("is patient aloud", async function () {
    this.timeout(5000);
    const terminal = { json: false, out: () => undefined, err: (line: string) => void err.push(line) };
    await patiently(terminal, "quick", pause(10));
    await patiently(terminal, "waiting", pause(2100));
    assert.deepEqual(err, ["waiting (2 s)"]);
  });

  it("backup says where the copy is and how to end it; restore does nothing that was not said", async () => {
    await init();
    const copy = join(folder, "copy");
    assert.equal(await tacet("backup", copy, "--config", config()), 0);
    assert.match(out.at(-1) ?? "", /copy\/erasable$/);
    assert.equal(await tacet("restore", "--config", config()), 2);
    assert.equal(await tacet("restore", "--accept-rollback", "--config", config()), 0);
    assert.deepEqual(calls.slice(-2), [`back up ${join(folder, "data")} to ${copy}`, `accept ${join(folder, "data")}`]);
    assert.match(sayFault("store/rolled-back").line, /type tacet restore --accept-rollback/);
  });
});
