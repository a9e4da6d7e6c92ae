import assert from "node:assert/strict";
import {
  makeClientList,
  readClientList,
  signerWithin,
  userIdOf,
  type ClientList,
  type NewClientList,
} from "../../src/client/client-list.ts";
import { sign, signKeypair } from "../../src/crypto/sign.ts";

interface Keys {
  readonly publicKey: Buffer;
  readonly secretKey: Buffer;
}
const keys = (): Keys => {
  const pair = { publicKey: Buffer.alloc(32), secretKey: Buffer.alloc(64) };
  signKeypair(pair.publicKey, pair.secretKey);
  return pair;
};
const domain = Buffer.alloc(32, 1);
const [one, two, three, recovery, stranger] = [keys(), keys(), keys(), keys(), keys()];
const userId = userIdOf(domain, one.publicKey, recovery.publicKey);
const of = { domain, userId };

const make = (number: number, clients: Keys[], signer: Keys, previous?: Buffer, change: Partial<NewClientList> = {}) =>
  makeClientList(
    {
      domain,
      userId,
      number,
      previous,
      recoveryKey: recovery.publicKey,
      clients: clients.map(({ publicKey }) => publicKey),
      signer: signer.publicKey,
      ...change,
    },
    (out, purpose, ...parts) => sign(out, purpose, signer.secretKey, ...parts),
  );
const first = make(1, [one], one);
const second = make(2, [one, two], one, first);
const read = (document: Buffer): ClientList => readClientList(document, of);

describe("client/client-list", () => {
  it("takes a list that its signer signed for this user", () => {
    assert.deepEqual(read(first).clients, [one.publicKey]);
    assert.deepEqual(read(second).clients, [one.publicKey, two.publicKey]);
  });

  const refusals: Record<string, Buffer> = {
    "of another house": make(2, [one], one, first, { domain: Buffer.alloc(32, 2) }),
    "of another user": make(2, [one], one, first, { userId: Buffer.alloc(16, 2) }),
    "signed by another than it says": make(2, [one], one, first, { signer: two.publicKey }),
    "of nobody": make(2, [], one, first),
    "that names one twice": make(2, [one, one], one, first),
    "that has the recovery key for a client": make(2, [one, recovery], one, first),
    "that is the first of other keys than the user's id": make(1, [stranger], stranger),
    "that is the first of two": make(1, [one, two], one),
    "with a byte behind it": Buffer.concat([second, Buffer.alloc(1)]),
    "cut short": second.subarray(0, 80),
    "that is empty": Buffer.alloc(0),
  };
  for (const [what, document] of Object.entries(refusals)) {
    it(`refuses a list ${what}`, () => assert.throws(() => read(document), { code: "contact/unverified" }));
  }

  it("refuses every changed bit", () => {
    for (let i = 0; i < second.length; i++) {
      const changed = Buffer.from(second);
      changed[i]! ^= 1;
      assert.throws(() => read(changed), { code: "contact/unverified" });
    }
  });

  it("tells who of a known list signed a later one, and that nobody did", () => {
    const known = read(second);
    const within = (document: Buffer) => signerWithin(read(document), known);
    const other = make(2, [one, stranger], one, first);
    assert.equal(within(make(3, [two], two, second)), "client");
    assert.equal(within(make(5, [two, three], two, Buffer.alloc(9))), "client"); // lists in between were missed
    assert.equal(within(make(3, [three], recovery, second)), "recovery");
    assert.equal(within(make(3, [three], recovery, second, { recoveryKey: stranger.publicKey })), "recovery");
    for (const document of [
      make(3, [stranger], stranger, second), // the house's own
      make(3, [one, two, stranger], stranger, second),
      make(3, [one], one, other), // another branch
      make(3, [one], one, second, { recoveryKey: stranger.publicKey }), // a client takes the recovery key
      make(2, [one], one, first),
      first,
    ]) {
      assert.equal(within(document), undefined);
    }
  });
});
