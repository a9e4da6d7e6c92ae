import assert from "node:assert/strict";
import type { Account } from "../../src/client/account.ts";
import { EventLog } from "../../src/client/events.ts";
import { People } from "../../src/client/people.ts";
import type { Session } from "../../src/client/session.ts";
import { randomBytes } from "../../src/crypto/random.ts";

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
});
