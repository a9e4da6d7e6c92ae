// One commit on the server, alone in a process: reads its input into locked memory, works, wipes, then waits to be searched.
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { flushNativeTraces } from "../../src/crypto/flush.ts";
import { lockedAlloc, wipe } from "../../src/memory/locked.ts";
import { PublicGroup } from "../../src/mls/public-group.ts";

const [directory = "", now = "0", leak = ""] = process.argv.slice(2);
const kept: Uint8Array[] = [];
const names = ["state", "commit", "groupInfo", "welcome", "recovery"];

function read(name: string): Buffer {
  const file = openSync(`${directory}/${name}`, "r");
  const bytes = lockedAlloc(fstatSync(file).size);
  readSync(file, bytes, 0, bytes.length, 0);
  closeSync(file);
  return bytes;
}

for (let round = 0; round < 20; round++) {
  const inputs = names.map(read);
  const [state, commit, groupInfo, welcome, recovery] = inputs as [Buffer, Buffer, Buffer, Buffer, Buffer];
  const group = PublicGroup.decode(state);
  const staged = group.validateCommit({ commit, groupInfo, welcome, recovery, now: Number(now) });
  const { next: proposed } = staged.next.proposeRemoval(4, (signature) => signature.fill(7));
  const next = proposed.withHandle(1, commit.subarray(0, 88)).withMonth(4, 1);
  const out = lockedAlloc(next.encodedLength);
  next.encodeInto(out);
  for (const [, handle] of next.handles()) if (leak === "copy") kept.push(Uint8Array.from(handle));
  if (next.treeBytes.length === 0) process.exit(1);
  for (const made of [next, proposed, staged.next, group]) made.wipe();
  wipe(...inputs, out);
  // a refused commit must leave no more than an accepted one
  const again = names.map(read);
  const [state2, commit2, info2, welcome2, recovery2] = again as [Buffer, Buffer, Buffer, Buffer, Buffer];
  commit2[commit2.length - 60]! ^= 1;
  const second = PublicGroup.decode(state2);
  try {
    second.validateCommit({
      commit: commit2,
      groupInfo: info2,
      welcome: welcome2,
      recovery: recovery2,
      now: Number(now),
    });
    process.exit(1);
  } catch {
    second.wipe();
    wipe(...again);
  }
}
flushNativeTraces();
process.stdout.write("ready\n");
process.stdin.resume();
process.stdin.on("end", () => process.exit(kept.length > 1e9 ? 1 : 0));
