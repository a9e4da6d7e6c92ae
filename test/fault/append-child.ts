// A process that appends to queues until it is killed, and says what was answered: one line "writer sequence" each.
// argv: directory, "durable" (answers when the store does) or "early" (the control: answers before).
import { writeSync } from "node:fs";
import { openStore } from "../../src/store/store.ts";
import { key, withArena } from "../store/harness.ts";

const [dir, mode] = process.argv.slice(2);
const store = await openStore({ dir: dir!, masterKey: key(), reserveBytes: 0 });
const answer = (writer: number, sequence: number): void => void writeSync(1, `${writer} ${sequence}\n`);

async function append(writer: number): Promise<void> {
  await withArena(async (arena) => {
    const name = Buffer.of(writer);
    const sequence = await store.transact(arena, async (tx) => {
      await tx.lock("queue", name);
      const next = ((await tx.get("queue", name))?.readUInt32BE() ?? 0) + 1;
      const record = Buffer.alloc(4);
      record.writeUInt32BE(next);
      tx.put("queue", name, record);
      tx.putAt("queueItem", name, next, Buffer.alloc(1000, next % 251));
      if (mode === "early") answer(writer, next);
      return next;
    });
    if (mode === "durable") answer(writer, sequence);
  });
}
await Promise.all(
  Array.from({ length: 16 }, async (_, writer) => {
    for (;;) await append(writer);
  }),
);
