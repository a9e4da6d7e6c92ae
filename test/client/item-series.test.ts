import assert from "node:assert/strict";
import fc from "fast-check";
import { ItemSeries } from "../../src/client/item-series.ts";
import type { Session } from "../../src/client/session.ts";
import { randomBytes } from "../../src/crypto/random.ts";
import { ArenaPool } from "../../src/memory/arena.ts";
import { cut } from "../../src/services/queue/cut.ts";
import { decode, encode } from "../../src/wire/codec.ts";
import { ITEM_MAX, itemKinds, itemPart, MESSAGE_MAX, queueItem } from "../../src/wire/documents.ts";

describe("client/item-series", () => {
  const pool = new ArenaPool([[1 << 20, 4]]);
  /** The messages of the parts that the queuing service makes of a message of this length; and what they make again. */
  const partsOf = (length: number): { whole: Buffer; parts: Buffer[] } => {
    const arena = pool.arena();
    try {
      const whole = encode(queueItem, { kind: itemKinds.commit, message: randomBytes(length) }, Buffer.alloc);
      const parts = cut(arena, whole).map((item) => {
        const { kind, message } = decode(queueItem, item);
        assert.equal(kind, itemKinds.part);
        return Buffer.from(message);
      });
      return { whole, parts };
    } finally {
      arena.close();
    }
  };
  const series = (): ItemSeries => new ItemSeries({} as Session);
  const part = (index: number, count: number, bytes = Buffer.of(index)): Buffer =>
    encode(itemPart, { index, count, bytes }, Buffer.alloc);

  it("puts together what the queuing service cuts, up to the longest message, also over a restart", async () => {
    for (const length of [ITEM_MAX, 2 * ITEM_MAX, MESSAGE_MAX]) {
      const { whole, parts } = partsOf(length);
      let one = series();
      for (const [i, message] of parts.entries()) {
        const taken = one.take(message);
        assert.equal(taken.broken, false);
        assert.equal(one.waiting, i < parts.length - 1);
        assert.deepEqual(taken.whole, i < parts.length - 1 ? undefined : whole);
        const saved = one.entry().write?.(Buffer.alloc);
        const load = async (_: string, codec: never) => (saved === undefined ? undefined : decode(codec, saved));
        one = new ItemSeries({ sections: { load } } as unknown as Session);
        await one.load();
      }
    }
  });

  it("tells of every gap, and begins anew with the first part of the next message", () => {
    const cases: [messages: Buffer[], wholes: number, gaps: number][] = [
      [[part(0, 2), part(1, 2)], 1, 0],
      [[part(1, 2)], 0, 1],
      [[part(0, 3), part(2, 3), part(0, 2), part(1, 2)], 1, 1],
      [[part(0, 2), part(0, 2), part(1, 2)], 1, 1],
      [[part(0, 3), part(1, 2), part(0, 1)], 1, 1],
      [[Buffer.from("nonsense"), part(0, 1)], 1, 1],
      [[part(3, 2), part(0, 255)], 0, 2],
    ];
    for (const [i, [messages, wholes, gaps]] of cases.entries()) {
      const one = series();
      const taken = messages.map((message) => one.take(message));
      assert.equal(taken.filter(({ whole }) => whole !== undefined).length, wholes, `wholes of ${i}`);
      assert.equal(taken.filter(({ broken }) => broken).length, gaps, `gaps of ${i}`);
    }
  });

  it("never keeps more than one message, whatever comes", () => {
    const message = fc.oneof(
      fc.uint8Array({ maxLength: 64 }),
      fc.tuple(fc.nat(20), fc.nat(20)).map(([index, count]) => part(index, count)),
    );
    fc.assert(
      fc.property(fc.array(message, { maxLength: 40 }), (messages) => {
        const one = series();
        for (const each of messages) one.take(each);
        assert.ok((one.entry().write?.(Buffer.alloc).length ?? 0) < 2 * MESSAGE_MAX);
        const put = one.snapshot();
        one.drop();
        assert.ok(!one.waiting);
        put();
      }),
    );
  });
});
