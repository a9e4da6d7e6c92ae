// kill -9 at any moment: what was answered is there, and the store opens without complaint. TACET_FAULT_SECONDS=600
// runs it longer.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { join } from "node:path";
import { createStore, openStore } from "../../src/store/store.ts";
import { key, temporary, withArena } from "../store/harness.ts";

const seconds = Number(process.env["TACET_FAULT_SECONDS"] ?? 10);

/** Lets the child run for `milliseconds` after its first answer, kills it, returns the last answer to each writer. */
async function killed(dir: string, mode: string, milliseconds: number): Promise<Map<number, number>> {
  const child = spawn(process.execPath, ["--import", "tsx", join(import.meta.dirname, "append-child.ts"), dir, mode], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    if (output === "") setTimeout(() => child.kill("SIGKILL"), milliseconds);
    output += text;
  });
  await new Promise((resolve) => child.once("close", resolve));
  const answered = new Map<number, number>();
  for (const line of output.split("\n").slice(0, -1)) {
    const [writer, sequence] = line.split(" ").map(Number);
    answered.set(writer!, Math.max(sequence!, answered.get(writer!) ?? 0));
  }
  return answered;
}

/** How many answered appends are not there; throws when a queue contradicts itself or the store does not open. */
async function lost(dir: string, answered: Map<number, number>): Promise<number> {
  const store = await openStore({ dir, masterKey: key(), reserveBytes: 0 });
  let missing = 0;
  try {
    for (const [writer, sequence] of answered)
      await withArena((arena) =>
        store.read(arena, async (view) => {
          const name = Buffer.of(writer);
          const last = (await view.get("queue", name))?.readUInt32BE() ?? 0;
          missing += Math.max(0, sequence - last);
          const row = await view.range("queueItem", name, Math.max(1, last - 200), Infinity, 1000);
          assert.equal(row.at(-1)?.sequence ?? 0, last);
          row.forEach(({ sequence: at, value }, i) => {
            assert.equal(at, Math.max(1, last - 200) + i);
            assert.ok(value.every((byte) => byte === at % 251));
          });
        }),
      );
  } finally {
    await store.close();
  }
  return missing;
}

describe("a killed process", () => {
  let dir: string;
  let remove: () => void;
  beforeEach(async () => {
    ({ dir, remove } = temporary());
    await createStore({ dir, masterKey: key() });
  });
  afterEach(() => remove());

  it("loses nothing that was answered", async function () {
    this.timeout(seconds * 2000 + 60_000);
    const end = performance.now() + seconds * 1000;
    let answers = 0;
    for (let rounds = 0; rounds < 3 || performance.now() < end; rounds++) {
      const answered = await killed(dir, "durable", 50 + Math.random() * 500);
      assert.ok(answered.size > 0);
      assert.equal(await lost(dir, answered), 0);
      answers = [...answered.values()].reduce((a, b) => a + b, 0);
    }
    assert.ok(answers > 100);
  });

  it("loses what was answered too early (so that the test above can fail)", async function () {
    this.timeout(60_000);
    let missing = 0;
    for (let rounds = 0; rounds < 5 && missing === 0; rounds++)
      missing += await lost(dir, await killed(dir, "early", 100 + Math.random() * 200));
    assert.ok(missing > 0);
  });
});
