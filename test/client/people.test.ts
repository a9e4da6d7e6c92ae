import assert from "node:assert/strict";
import type { Account } from "../../src/client/account.ts";
import { makeClientList, userIdOf } from "../../src/client/client-list.ts";
import { EventLog, eventKinds } from "../../src/client/events.ts";
import { People } from "../../src/client/people.ts";
import type { Session } from "../../src/client/session.ts";
import { randomBytes } from "../../src/crypto/random.ts";
import { sign, signKeypair } from "../../src/crypto/sign.ts";

describe("client/people", () => {
  const KNOWN = 8192;
  const who = (n: number) => ({ name: `${"a".repeat(24)}.${n}`, userId: randomBytes(16), clientKey: randomBytes(32) });

  it("forgets nobody to make room, and fits what a client saves at once", function () {
    this.timeout(20_000);
    const people = new People({} as Session, { registered: false } as Account);
    const events = new EventLog({} as Session);
    const known = Array.from({ length: KNOWN }, (_, i) => who(i));
    for (const one of known) assert.ok(people.meet(one, events));
    // Who is new now stays unverified, and cannot be asked.
    assert.equal(people.meet(who(KNOWN), events), false);
    assert.throws(() => people.pin(who(KNOWN)), { code: "contact/limit" });
    assert.deepEqual(events.give(), []);
    // Far more than are kept come under names of others; each is refused, and the known stay known.
    for (let i = 0; i < 2000; i++) assert.equal(people.meet(who(i % 7), events), false);
    assert.ok(events.give().length === 2000 && known.every((one) => people.agrees(one)));
    assert.ok(people.entry().write!(Buffer.alloc).length <= 1 << 20);
    people.forget(known[0]!.name);
    assert.ok(people.meet(who(KNOWN), events));
  });

  describe("keys of a known user", () => {
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
    const [one, two, recovery, house] = [keys(), keys(), keys(), keys()];
    const userId = userIdOf(domain, one.publicKey, recovery.publicKey);
    const make = (number: number, clients: Keys[], signer: Keys, previous?: Buffer, root = recovery): Buffer =>
      makeClientList(
        {
          domain,
          userId,
          number,
          previous,
          recoveryKey: root.publicKey,
          clients: clients.map(({ publicKey }) => publicKey),
          signer: signer.publicKey,
        },
        (out, purpose, ...parts) => sign(out, purpose, signer.secretKey, ...parts),
      );
    const as = ({ publicKey: clientKey }: Keys) => ({ name: "alice", userId, clientKey });
    const first = make(1, [one], one);
    const both = make(2, [one, two], one, first);
    const taken = make(2, [one, house], house, first);
    const reset = make(2, [two], recovery, first);
    /** Somebody to whom `one` is alice, with the list it came with; and what was told. */
    const knowing = (list?: Buffer) => {
      const people = new People({ domain } as unknown as Session, { registered: false } as Account);
      const events = new EventLog({} as Session);
      people.pin(as(one), list);
      const told = () => events.give().map(({ kind }) => Object.entries(eventKinds).find(([, n]) => n === kind)?.[0]);
      return { people, events, told };
    };

    for (const list of [first, undefined]) {
      const how = list === undefined ? "where no list is known" : "where the list before is known";
      it(`are more when one of them says so (${how})`, () => {
        const { people, events, told } = knowing(list);
        assert.ok(!people.agrees(as(two)));
        assert.ok(people.meet(as(two), events, both));
        assert.ok(people.knows(as(one)) && people.knows(as(two)));
        assert.deepEqual(told(), ["devicesChanged"]);
        people.learn(as(one), first, events);
        assert.ok(people.knows(as(two)), "an older list takes nothing back");
      });

      it(`are not when the house says so (${how})`, () => {
        const { people, events, told } = knowing(list);
        people.learn(as(one), taken, events, false);
        assert.equal(people.meet(as(house), events, taken), false);
        assert.ok(people.knows(as(one)) && !people.knows(as(house)));
        assert.deepEqual(told(), ["identityChanged"]);
      });

      it(`are others after a reset by the recovery key, which is told (${how})`, () => {
        const { people, events, told } = knowing(list);
        assert.ok(people.meet(as(two), events, reset));
        assert.ok(!people.knows(as(one)) && people.knows(as(two)));
        assert.deepEqual(told(), ["contactReset"]);
      });

      it(`are not after a reset by another recovery key (${how})`, () => {
        const { people, events } = knowing(list);
        const false1 = make(2, [house], house, first, keys());
        const root = keys();
        const false2 = make(2, [house], root, first, root);
        for (const document of [false1, false2]) assert.equal(people.meet(as(house), events, document), false);
        assert.ok(people.knows(as(one)));
      });
    }

    it("are told of a rename only by one of them, and not to a name that is another's", () => {
      const { people, events, told } = knowing(first);
      assert.ok(!people.rename({ ...as(house), name: "alicia" }, events));
      people.pin({ name: "bob", userId: randomBytes(16), clientKey: randomBytes(32) });
      assert.ok(!people.rename({ ...as(one), name: "bob" }, events));
      assert.ok(people.rename({ ...as(one), name: "alicia" }, events));
      assert.equal(people.nameOf(userId), "alicia");
      assert.deepEqual(told(), ["contactRenamed"]);
    });
  });
});
