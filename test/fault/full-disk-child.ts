// A process that writes on a disk that fills up and is freed again, says what was acknowledged, and is then killed.
// argv: directory of the store, file that fills the disk, "store RESERVE" or "plain" (the control: LevelDB, no reopening).
import { unlinkSync } from "node:fs";
import { join } from "node:path";
import { Level } from "level";
import { Fault } from "../../src/fault.ts";
import { randomBytes } from "../../src/crypto/random.ts";
import { openStore } from "../../src/store/store.ts";
import { key, withArena } from "../store/harness.ts";

const [dir, filler, mode, reserve] = process.argv.slice(2) as [string, string, string, string];
const acknowledged: number[] = [];
const refusals: Record<string, number> = {};

async function plain(): Promise<(n: number) => Promise<void>> {
  const options = { keyEncoding: "buffer", valueEncoding: "buffer", compression: false, writeBufferSize: 16 << 20 };
  const database = new Level<Buffer, Buffer>(join(dir, "plain"), options);
  await database.open();
  return async (n) => {
    const name = Buffer.alloc(24);
    name.writeUInt32BE(n, 20);
    await database.batch().put(name, randomBytes(1000)).write({ sync: true });
  };
}

async function ours(): Promise<(n: number) => Promise<void>> {
  const store = await openStore({ dir, masterKey: key(), reserveBytes: Number(reserve) });
  const value = randomBytes(1000);
  return (n) =>
    withArena((arena) =>
      store.transact(arena, async (tx) => {
        const name = Buffer.alloc(4);
        name.writeUInt32BE(n);
        return Promise.resolve(tx.put("queue", name, value));
      }),
    );
}

const write = await (mode === "plain" ? plain() : ours());
let next = 0;
const round = (): Promise<unknown> =>
  Promise.all(
    Array.from({ length: 64 }, async () => {
      const n = next++;
      try {
        await write(n);
        acknowledged.push(n);
      } catch (error) {
        const code = error instanceof Fault ? error.code : "error";
        refusals[code] = (refusals[code] ?? 0) + 1;
      }
    }),
  );
for (let i = 0; i < 150; i++) await round();
unlinkSync(filler);
const whileFull = acknowledged.length;
for (let i = 0; i < 25; i++) await round();
console.log(JSON.stringify({ acknowledged, refusals, afterwards: acknowledged.length - whileFull }));
process.stdout.write("", () => process.kill(process.pid, "SIGKILL"));
