// Counts in two sections of a client state, saved together, and says each number once it is durable; killed by its test.
import { openState } from "../../src/client/state.ts";

const state = await openState(process.argv[2]!, Buffer.alloc(32, 7));
const count = Buffer.alloc(4096);
count.writeUInt32BE((await state.load("a"))?.readUInt32BE(0) ?? 0);
for (;;) {
  count.writeUInt32BE(count.readUInt32BE(0) + 1);
  await state.save({ a: count, b: count });
  process.stdout.write(`${count.readUInt32BE(0)}\n`);
}
