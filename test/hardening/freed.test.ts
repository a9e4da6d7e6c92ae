import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { randomBytes } from "../../src/crypto/random.ts";
import { hardened } from "../../src/hardening/launch.ts";
import { cannotRead, scanProcess } from "../memory/process-memory.ts";
import { describeHits } from "../memory/hits.ts";
import { Scanner, type Hit } from "../memory/scanner.ts";
import { patternAt, SIZES } from "./pattern.ts";

const script = fileURLToPath(new URL("./freed-child.ts", import.meta.url));
const bare = (args: string[]): [string, string[]] => [process.execPath, args];

/** glibc leaves the last word of a block as it is, which already belongs to the next one (free_perturb in malloc.c). */
const TAIL = 8;

/** What of the forgotten buffers is found; a text where it cannot be searched for. */
async function found(start: typeof bare, env: NodeJS.ProcessEnv = {}): Promise<readonly Hit[] | string> {
  const seed = randomBytes(4).readUInt32LE();
  const child = spawn(...start(["--import", "tsx", script, String(seed)]), {
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const gone = once(child, "exit");
  try {
    await Promise.race([once(child.stdout, "data"), gone]);
    const pid = child.pid ?? 0;
    const reason = cannotRead(pid);
    if (reason !== undefined) return reason;
    process.kill(pid, "SIGSTOP");
    const longest = Math.max(...SIZES);
    const scanner = new Scanner([
      { kind: "freed", bytes: Buffer.from(Array.from({ length: longest }, (_, i) => patternAt(seed, i))) },
    ]);
    scanProcess(pid, scanner);
    return scanner.hits;
  } finally {
    child.kill("SIGKILL");
    await gone;
  }
}

describe("hardening/freed", function () {
  this.timeout(60_000);

  it("a buffer that was forgotten unwiped is overwritten when it is freed", async function () {
    const hits = await found(hardened);
    if (typeof hits === "string") return this.skip(); // this process may not read that memory
    assert.deepEqual(describeHits(hits.filter(({ length }) => length > TAIL)), []);
  });
  it("control: without the launcher it is found, and with the caches of threads the smaller ones", async function () {
    const plain = await found(bare);
    if (typeof plain === "string") return this.skip(); // as above
    assert.ok(
      plain.some(({ length }) => length > TAIL),
      describeHits(plain).join("\n"),
    );
    const cached = await found(bare, { GLIBC_TUNABLES: "glibc.malloc.perturb=165" });
    assert.ok(typeof cached !== "string");
    assert.ok(
      cached.some(({ length }) => length > TAIL) && cached.every(({ length }) => length <= 600),
      describeHits(cached).join("\n"),
    );
  });
});
