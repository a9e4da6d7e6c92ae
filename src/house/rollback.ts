// What a house that was set back gives up, so that nothing of it is used twice: tokens, KeyPackages, ratchets.
import type { ArenaPool } from "../memory/arena.ts";
import { dropKeyPackages, stopQueue } from "../services/queue/rollback.ts";
import type { Change, RolledBack } from "../store/rollback.ts";
import type { Room } from "../store/store.ts";

// Spent tokens that were set back could be spent again: their keys go, and with them the record of who drew from them,
// so that everybody draws anew. KeyPackages and connection packages for one use may have been handed out since: they go,
// their owners are told to publish. A queue's chain has sealed other items since under the same keys: the queue stops
// until its owner gives it a new secret. The last resorts stay, which are not for one use.
const dropped: readonly Room[] = ["issuerKey", "issuance", "connectionPackage", "queueItem", "receipt"];

const change: Change = (room, plain, arena) => {
  const allocate = (size: number): Buffer => arena.take(size);
  if (dropped.includes(room)) return null;
  if (room === "keyPackage") return dropKeyPackages(plain, allocate);
  return room === "queue" ? stopQueue(plain, allocate) : undefined;
};

const NAME = Buffer.from("rollbacks");

/** Burns what is for one use and counts it, durably; then the store opens again. */
export async function acceptRollback(rolledBack: RolledBack, arenas: ArenaPool): Promise<void> {
  await rolledBack.changeAll(arenas, change);
  const arena = arenas.arena();
  try {
    await rolledBack.store.transact(arena, async (tx) => {
      await tx.lock("server", NAME);
      const count = arena.take(4);
      count.writeUInt32BE(((await tx.get("server", NAME))?.readUInt32BE() ?? 0) + 1);
      tx.put("server", NAME, count);
    });
  } finally {
    arena.close();
  }
  rolledBack.accept();
}
