import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { measures } from "../../src/hardening/measures.ts";
import { hardened } from "../../src/hardening/launch.ts";

const path = (from: string): string => fileURLToPath(new URL(from, import.meta.url));
const tacet = path("../../src/cli/tacet.mjs");
/** The launcher cannot raise a limit that the system sets, nor drop other processes of this user. */
const beyond = new Set(["locked-memory", "neighbours"]);
const within = measures.map(({ name }) => name).filter((name) => !beyond.has(name));

interface Report {
  readonly pid: number;
  readonly held: Readonly<Record<string, boolean>>;
  readonly lines: readonly string[];
}
type Command = [command: string, args: string[]];
const bare = (args: readonly string[]): Command => [process.execPath, [...args]];

function run([command, args]: Command, env: NodeJS.ProcessEnv = {}) {
  const { status, stdout, stderr, pid } = spawnSync(command, args, {
    encoding: "utf8",
    env: { ...process.env, ...env },
  });
  return { status, stdout, stderr, pid };
}
function report(start: (args: readonly string[]) => Command, env?: NodeJS.ProcessEnv, flags: string[] = []): Report {
  const { stdout, stderr, pid } = run(start(["--import", "tsx", ...flags, path("./report-child.ts")]), env);
  assert.notEqual(stdout, "", stderr);
  const told = JSON.parse(stdout) as Report;
  assert.equal(told.pid, pid, "the launcher becomes the process");
  return told;
}
const missing = ({ held }: Report): string[] => within.filter((name) => held[name] !== true);

describe("hardening/measures", function () {
  this.timeout(60_000);

  it("all hold where `tacet` starts a command, and the exit code says so", () => {
    const { status, stdout } = run(hardened([tacet, "check", "--json"]), { NODE_OPTIONS: "--report-on-signal" });
    const { ok, measures: found } = JSON.parse(stdout) as {
      ok: boolean;
      measures: { name: string; holds: boolean; required: boolean; buys: string }[];
    };
    assert.deepEqual(
      found.filter(({ name, holds }) => !holds && within.includes(name)),
      [],
    );
    assert.equal(ok, found.find(({ name }) => name === "locked-memory")?.holds);
    assert.equal(status, ok ? 0 : 3);
    assert.deepEqual(
      found.map(({ name }) => name),
      measures.map(({ name }) => name),
    );
    assert.ok(found.every(({ buys }) => buys.length > 10));
  });
  it("each is missed where it is not, by `tacet check` and by a house at its start", () => {
    const plain = report(bare, { NODE_OPTIONS: "--report-on-signal", LD_BIND_NOW: "" });
    assert.deepEqual(missing(plain), within);
    assert.equal(plain.lines.length, within.length, plain.lines.join(""));
    const { status, stdout } = run(bare([tacet, "check"]));
    assert.equal(status, 3);
    assert.match(stdout, /^MISSING +freed-memory .*\n +to do: start the house by `tacet start`/m);
  });
  it("one alone is not enough to have memory overwritten when it is freed", () => {
    for (const tunable of ["perturb=165", "tcache_count=0"]) {
      assert.equal(report(bare, { GLIBC_TUNABLES: `glibc.malloc.${tunable}` }).held["freed-memory"], false, tunable);
    }
  });
  it("a flag for Node behind the launcher's shows", () => {
    const told = report(hardened, {}, ["--heapsnapshot-signal=SIGUSR2"]);
    // tsx is the test's own flag
    assert.deepEqual(missing(told), ["collection", "options"]);
  });
});

describe("hardening/launch", function () {
  this.timeout(60_000);

  const waiting = 'console.log("up"); setInterval(() => undefined, 1000)';
  const signalled = async ([command, args]: Command): Promise<string> => {
    const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"] });
    let said = "";
    child.stderr.on("data", (part: Buffer) => (said += part.toString()));
    const ended = once(child, "exit");
    await once(child.stdout, "data");
    child.kill("SIGUSR1");
    await new Promise((resolve) => setTimeout(resolve, 700));
    assert.equal(child.signalCode ?? child.exitCode, null, "it lives on");
    child.kill("SIGTERM");
    assert.deepEqual(await ended, [null, "SIGTERM"]);
    return said;
  };

  it("a signal opens no debugger, and one that ends the process ends Node itself", async () => {
    assert.equal(await signalled(hardened(["-e", waiting])), "");
    assert.match(await signalled(bare(["--inspect-port=0", "-e", waiting])), /Debugger listening/, "control");
  });
  it("arguments and exit code pass through, the surroundings' options for Node do not", () => {
    const script = "console.log(process.argv.slice(1).join('|'), process.env.NODE_OPTIONS); process.exit(7)";
    const { status, stdout } = run(hardened(["-e", script, "a b", "$c"]), { NODE_OPTIONS: "--trace-warnings" });
    assert.deepEqual({ status, stdout }, { status: 7, stdout: "a b|$c undefined\n" });
  });
  it("the command of that name is found through a link", () => {
    const folder = mkdtempSync(join(tmpdir(), "tacet-link-"));
    try {
      const link = join(folder, "tacet");
      symlinkSync(path("../../src/cli/tacet.sh"), link);
      const { status, stdout } = run([link, ["config", "example"]]);
      assert.equal(status, 0);
      assert.match(stdout, /data_dir/);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
