// A queue that is full: made so by the house's own hand.
import type { Call } from "../../src/services/ports.ts";
import { QueueHandles } from "../../src/services/queue/handle.ts";
import { makeQueueService } from "../../src/services/queue/service.ts";
import { ITEM_MAX } from "../../src/wire/documents.ts";
import { operations } from "../../src/wire/operations.ts";
import type { TestHouse } from "../house.ts";
import type { Person } from "./people.ts";

/** Puts so much into somebody's queue that no message has room behind it; the client can read nothing of it. */
export async function fill(house: TestHouse, someone: Person): Promise<void> {
  const { domain, handleKey } = house.serving.house.identity;
  const queueId = someone.client.identifiers().find(({ what }) => what === "queue id")!.bytes;
  const arena = house.arenas.arena();
  try {
    const handles = new QueueHandles(handleKey, domain).mint(arena, queueId, 0, [Buffer.alloc(16)]);
    const count = Math.ceil(operations["qs.read"].limits.bytesPerQueue / ITEM_MAX);
    const fillers = Array.from({ length: count }, () => ({ handles, item: Buffer.alloc(ITEM_MAX, 0xff) }));
    const rest = Array.from({ length: 40 }, (_, i) => ({ handles, item: Buffer.alloc(ITEM_MAX >> (i / 4), 0xff) }));
    const { enqueue } = makeQueueService({ domain, handleKey });
    const as = (tx: Call["tx"]) => ({ tx, arena, now: house.now(), afterCommit: () => undefined }) as unknown as Call;
    for (const deliveries of [fillers, ...rest.map((one) => [one])]) {
      await house.store.transact(arena, (tx) => enqueue(as(tx), deliveries));
    }
  } finally {
    arena.close();
  }
}
