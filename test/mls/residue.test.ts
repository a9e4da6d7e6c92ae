// After a commit was checked, accepted or refused, nothing of it is left in the server's memory.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdtempSync, openSync, readFileSync, readSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { newKeyPackage, now, World } from "./world.ts";

/** Canaries (each at least 16 bytes) found in the writable memory of `pid`; undefined where it may not be read. */
function search(pid: number, canaries: ReadonlyMap<string, Uint8Array>): string[] | undefined {
  const found = new Set<string>();
  // three pieces of 12 bytes as they are, the first also as text
  const needles = [...canaries].map(([name, bytes]) => {
    const piece = (at: number): Buffer => Buffer.from(bytes.subarray(at, at + 12));
    const raw = [piece(0), piece((bytes.length - 12) >> 1), piece(bytes.length - 12)];
    return [name, [...raw, Buffer.from(piece(0).toString("hex")), Buffer.from(piece(0).toString("base64"))]] as const;
  });
  let memory: number;
  try {
    memory = openSync(`/proc/${pid}/mem`, "r");
  } catch {
    return undefined;
  }
  for (const line of readFileSync(`/proc/${pid}/maps`, "latin1").split("\n")) {
    const match = /^([0-9a-f]+)-([0-9a-f]+) rw/.exec(line);
    if (match === null) continue;
    const start = parseInt(match[1]!, 16);
    const size = parseInt(match[2]!, 16) - start;
    const chunk = Buffer.alloc(Math.min(size, 16 << 20));
    for (let at = 0; at < size; at += chunk.length - 64) {
      let read = 0;
      try {
        read = readSync(memory, chunk, 0, Math.min(chunk.length, size - at), start + at);
      } catch {
        break; // a region that cannot be read
      }
      for (const [name, forms] of needles) {
        if (forms.some((form) => chunk.subarray(0, read).includes(form))) found.add(name);
      }
      if (read < chunk.length) break;
    }
  }
  closeSync(memory);
  return [...found];
}

describe("residue of a commit on the server", function () {
  this.timeout(60_000);
  let directory: string;
  let canaries: Map<string, Uint8Array>;

  before(async () => {
    const world = await World.create({ membersMayAdd: true, connection: false });
    await world.commit(world.clients[0]!, 6);
    await world.commit(world.clients[3]!);
    // a member takes in the removal of the admin, who leaves, and of one whom the house proposes to remove
    await world.leave(world.clients[0]!);
    await world.evict(2);
    const joiner = await newKeyPackage();
    const pending = await world.clients[3]!.commit({ add: [joiner.keyPackage], now });
    const state = Buffer.alloc(world.server.encodedLength);
    world.server.encodeInto(state);
    const { next } = world.server.validateCommit({ ...pending, now });
    directory = mkdtempSync(join(tmpdir(), "residue-"));
    const { commit, groupInfo, recovery } = pending;
    const files = { state, commit, groupInfo, welcome: pending.welcome!, recovery };
    for (const [name, bytes] of Object.entries(files)) writeFileSync(join(directory, name), bytes);
    canaries = new Map<string, Uint8Array>([
      ["groupId", world.server.groupId],
      ["treeHash", next.treeHash],
      ["transcript", next.confirmedTranscriptHash],
      ["ref", joiner.ref],
      ["path secret", pending.commit.subarray(-200, -150)],
      ["leave", world.server.pending[0]!.message.subarray(-60, -10)],
      ["proposal", world.server.pending[1]!.message.subarray(-50)],
      ["recovery", recovery.subarray(-60)],
      ["welcome", pending.welcome!.subarray(-100, -50)],
    ]);
    for (const m of pending.next.members().filter(({ leafIndex }) => [0, 1, 4].includes(leafIndex))) {
      canaries.set(`handle ${m.leafIndex}`, m.handle);
      canaries.set(`pseudonym ${m.leafIndex}`, m.pseudonym);
      canaries.set(`key ${m.leafIndex}`, m.signaturePublicKey);
    }
  });
  after(() => rmSync(directory, { recursive: true, force: true }));

  async function leftIn(leak: string): Promise<string[] | undefined> {
    const script = join(import.meta.dirname, "residue-child.ts");
    const child = spawn(process.execPath, ["--import", "tsx", script, directory, String(now), leak], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    try {
      await once(child.stdout, "data");
      return search(child.pid!, canaries);
    } finally {
      child.stdin.end();
      await once(child, "exit");
    }
  }

  it("is none", async function () {
    const left = await leftIn("");
    if (left === undefined) return this.skip(); // the system does not let one process read another's memory
    assert.deepEqual(left, []);
  });
  it("control: a copied handle is found", async function () {
    const left = await leftIn("copy");
    if (left === undefined) return this.skip(); // as above
    assert.ok(left.some((name) => name.startsWith("handle")));
  });
});
