import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ITEM_OVERHEAD, openNext } from "../../../src/crypto/ratchet.ts";
import { queueRecord } from "../../../src/services/queue/records.ts";
import { decode } from "../../../src/wire/codec.ts";
import { openDeleted } from "../../store/deleted.ts";
import { Services } from "../services.ts";
import { TestQueue } from "./test-queue.ts";

describe("services/queue: the ratchet on the disk", () => {
  let services: Services;
  let base: string;
  beforeEach(async () => {
    services = await Services.open();
    base = mkdtempSync(join(tmpdir(), "tacet-chains-"));
  });
  afterEach(async () => {
    await services.close();
    rmSync(base, { recursive: true });
  });

  it("opens no item that came before the last turn, with the master key and every image of before; without turns it does", async () => {
    const queue = await TestQueue.create(services);
    await queue.enqueue("before the first image");
    const before = await services.image(base);
    for (let i = 1; i < 5; i++) await queue.enqueue(`item ${i}`);
    const { reply } = await queue.ask();
    const items = reply.items.map(({ sequence, sealed }) => ({ sequence, sealed: Buffer.from(sealed) }));
    const unturned = await services.image(base);

    /** How many items open with a chain that is found among what is no more. */
    const opened = async (now: string): Promise<number> => {
      const found = await openDeleted({
        images: [before, unturned, now],
        now,
        erasable: join(now, "erasable"),
        masterKey: services.masterKey,
      });
      const readable = new Set<number>();
      for (const { room, plain } of found) {
        if (room !== "queue") continue;
        const { chain, next } = decode(queueRecord, plain);
        const own = Buffer.from(chain);
        for (const { sequence, sealed } of items.filter((item) => item.sequence >= next)) {
          openNext(Buffer.alloc(sealed.length - ITEM_OVERHEAD), own, queue.queueId, sequence, sealed);
          readable.add(sequence);
        }
      }
      return readable.size;
    };
    assert.equal(await opened(unturned), 5, "the control");
    await services.store.erase();
    assert.equal(await opened(await services.image(base)), 0);
  });
});
