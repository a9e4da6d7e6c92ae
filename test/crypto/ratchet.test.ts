import assert from "node:assert/strict";
import { derive } from "../../src/crypto/derive.ts";
import { sealInto } from "../../src/crypto/aead.ts";
import { randomBytes } from "../../src/crypto/random.ts";
import { ITEM_OVERHEAD, openNext, sealNext } from "../../src/crypto/ratchet.ts";

const queueId = randomBytes(16);
const sealed = (chain: Buffer, sequence: number, text: string): Buffer => {
  const item = Buffer.from(text);
  const out = Buffer.alloc(item.length + ITEM_OVERHEAD);
  sealNext(out, chain, queueId, sequence, item);
  return out;
};
const open = (chain: Buffer, sequence: number, item: Buffer, id = queueId): string => {
  const out = Buffer.alloc(item.length - ITEM_OVERHEAD);
  openNext(out, chain, id, sequence, item);
  return out.toString();
};

describe("crypto/ratchet", () => {
  it("opens on the owner's side what was sealed on the server's, one after the other", () => {
    const server = randomBytes(32);
    const owner = Buffer.from(server);
    const items = [1, 2, 3, 4].map((n) => sealed(server, n, `item ${n}`));
    items.forEach((item, i) => assert.equal(open(owner, i + 1, item), `item ${i + 1}`));
    assert.deepEqual(owner, server);
  });

  it("is the construction its first lines state", () => {
    const chain = randomBytes(32);
    const n = Buffer.from([0, 0, 0, 0, 0, 9]);
    const key = derive(Buffer.alloc(32), "ratchetMessage", chain, n);
    const after = derive(Buffer.alloc(32), "ratchetNext", chain, n);
    const item = sealInto(Buffer.alloc(3 + ITEM_OVERHEAD), Buffer.from("abc"), Buffer.concat([queueId, n]), key);
    assert.equal(open(chain, 9, item), "abc");
    assert.deepEqual(chain, after);
  });

  it("forgets: what is left after sealing opens nothing sealed before, but what comes next", () => {
    const server = randomBytes(32);
    const first = sealed(server, 1, "first");
    const seized = Buffer.from(server);
    const second = sealed(server, 2, "second");
    for (const sequence of [0, 1, 2]) {
      assert.throws(() => open(Buffer.from(seized), sequence, first), { code: "crypto/open" });
    }
    assert.equal(open(Buffer.from(seized), 2, second), "second"); // control: the seized value is a working one
  });

  it("refuses a wrong number, queue, byte or length and then stays where it was", () => {
    const server = randomBytes(32);
    const owner = Buffer.from(server);
    const item = sealed(server, 1, "item");
    const start = Buffer.from(owner);
    const changed = Buffer.from(item);
    changed[30] = changed[30]! ^ 1;
    for (const attempt of [
      () => open(owner, 2, item),
      () => open(owner, 1, item, randomBytes(16)),
      () => open(owner, 1, changed),
      () => openNext(Buffer.alloc(3), owner, queueId, 1, item),
      () => openNext(Buffer.alloc(0), owner, queueId, 1, item.subarray(0, 39)),
    ]) {
      assert.throws(attempt, { code: "crypto/open" });
      assert.deepEqual(owner, start);
    }
    assert.equal(open(owner, 1, item), "item");
  });
});
