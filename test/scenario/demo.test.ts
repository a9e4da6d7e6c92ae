import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { torPresent } from "../tor/tor-present.ts";

const root = join(import.meta.dirname, "..", "..");

/** Command lines of all processes that name a directory of a demo. */
function leftovers(): string[] {
  const lines = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, "latin1").replaceAll("\0", " ");
      } catch {
        return "";
      }
    });
  return lines.filter((line) => /\/tacet-\w{6}\/(tor|tacet\.toml)/.test(line));
}

describe("the whole path over a private Tor network", function () {
  this.timeout(240_000);

  it("[1-9] three people talk through the onion service, which holds no TCP port and leaves nothing readable", async function () {
    if (!(await torPresent())) this.skip(); // tor and tor-gencert are needed: apt-get install tor
    const before = leftovers();
    const demo = spawn(process.execPath, ["--import", "tsx", "src/cli/demo.ts", "--json"], {
      cwd: root,
      stdio: ["ignore", "pipe", "pipe"],
    });
    let out = "";
    let err = "";
    demo.stdout.on("data", (part: Buffer) => (out += part.toString()));
    demo.stderr.on("data", (part: Buffer) => (err += part.toString()));
    const [code] = (await once(demo, "close")) as [number];
    assert.equal(code, 0, `${out}\n${err}`);
    const result = JSON.parse(out.trim().split("\n").at(-1) ?? "") as Record<string, unknown>;
    const { onion, seconds, tokens_redeemed: redeemed, disk_control_hits: control, ...rest } = result;
    assert.deepEqual(rest, {
      ok: true,
      users: 3,
      messages_delivered: 11,
      tcp_listeners: 0,
      disk_plaintext_hits: 0,
    });
    assert.match(String(onion), /^[a-z2-7]{56}\.onion$/);
    assert.ok(Number(seconds) > 0 && Number(redeemed) > 20 && Number(control) > 50);
    assert.deepEqual(
      leftovers().filter((line) => !before.includes(line)),
      [],
    );
  });
});
