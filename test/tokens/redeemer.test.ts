import assert from "node:assert/strict";
import { randomBytes, randomFill } from "../../src/crypto/random.ts";
import { GuardedKey } from "../../src/memory/guarded-key.ts";
import { isZero } from "../../src/memory/locked.ts";
import { allTokenClasses } from "../../tokens/classes.ts";
import { makeInvitation } from "../../tokens/invitation.ts";
import { Redeemer } from "../../tokens/redeemer.ts";
import { parseToken } from "../../tokens/token.ts";
import { DAY, drawTokens, makeSetting, MemorySpentSet, NOW, ORIGIN, type Setting } from "./setting.ts";

const requestId = (): Buffer => randomBytes(16);
const invalid = { code: "token/invalid" };
const unknown = { code: "token/unknown-key" };
const spentFault = { code: "token/spent" };

/** Works off one request the way a dispatcher does; resolves to the state, or the code of the refusal. */
async function redeem({ redeemer, spent }: Setting, token: Uint8Array, id: Uint8Array): Promise<string> {
  try {
    const reservation = await redeemer.reserve(token, id, "invite");
    try {
      if (reservation.state === "fresh") await spent.commit(reservation.epoch, reservation.name, reservation.binding);
      return reservation.state;
    } finally {
      reservation.release();
    }
  } catch (error) {
    return (error as Error).message;
  }
}

describe("tokens/token", () => {
  it("is cut into views of the very bytes", () => {
    const bytes = Buffer.from(Array.from({ length: 162 }, (_, i) => i)).fill(Buffer.from([0, 5]), 0, 2);
    const token = parseToken(bytes);
    assert.equal(token.keyId[0], 66);
    assert.equal(token.challengeDigest[31], 65);
    assert.equal(token.authenticator.length, 64);
    bytes.fill(1, 98);
    assert.equal(token.authenticator[0], 1);
    for (const bad of [
      bytes.subarray(1),
      bytes.subarray(0, -1),
      Buffer.concat([bytes, Buffer.alloc(1)]),
      Buffer.alloc(0),
    ])
      assert.throws(() => parseToken(bad), invalid);
  });
});

describe("tokens/redeemer", () => {
  let setting: Setting;
  let token: Buffer;
  const name = Buffer.alloc(32);
  before(async () => {
    setting = await makeSetting();
    [token] = (await drawTokens(setting, "deliver", 1)) as [Buffer];
  });
  afterEach(() => {
    setting.clock.now = NOW;
    assert.equal(setting.redeemer.held, 0);
  });

  it("accepts a drawn token of its class, and names it the same each time", () => {
    const checked = setting.redeemer.check(token, "deliver", name);
    assert.equal(checked.class, "deliver");
    assert.equal(checked.epoch, 700);
    assert.deepEqual(setting.redeemer.check(token, "deliver", Buffer.alloc(32)).spentName, name);
  });

  it("refuses every flipped bit, and trailing or missing bytes", () => {
    for (let bit = 0; bit < 162 * 8; bit++) {
      const bent = Buffer.from(token);
      bent[bit >> 3]! ^= 1 << (bit & 7);
      const inKeyId = bit >= 66 * 8 && bit < 98 * 8;
      assert.throws(() => setting.redeemer.check(bent, "deliver", name), inKeyId ? unknown : invalid, `${bit}`);
    }
    for (const bytes of [Buffer.concat([token, Buffer.alloc(1)]), token.subarray(1), token.subarray(0, 161)])
      assert.throws(() => setting.redeemer.check(bytes, "deliver", name), invalid);
    assert.throws(() => setting.redeemer.check(Buffer.alloc(162), "deliver", name), invalid);
  });

  it("refuses another class, another origin, another house's key", async () => {
    for (const other of allTokenClasses.filter((c) => c !== "deliver"))
      assert.throws(() => setting.redeemer.check(token, other, name), invalid);
    const secret = new GuardedKey(32, (memory) => void randomFill(memory));
    const { keys, spent } = setting;
    const elsewhere = new Redeemer({ keys, spent, secret, origin: ORIGIN.replace("a", "b"), now: () => NOW });
    assert.throws(() => elsewhere.check(token, "deliver", name), invalid);
    const stranger = await makeSetting();
    assert.throws(() => stranger.redeemer.check(token, "deliver", name), unknown);
  });

  it("accepts through the overlap, not before the window and not after it", async () => {
    setting.clock.now = NOW + 27 * DAY - 1;
    setting.redeemer.check(token, "deliver", name);
    setting.clock.now = NOW + 27 * DAY;
    assert.throws(() => setting.redeemer.check(token, "deliver", name), unknown);
    setting.clock.now = NOW - 10 * DAY;
    setting.redeemer.check(token, "deliver", name);
    setting.clock.now = NOW - 10 * DAY - 1;
    assert.throws(() => setting.redeemer.check(token, "deliver", name), unknown);
    await assert.rejects(setting.redeemer.reserve(token, requestId(), "deliver"), unknown);
  });

  it("names tokens under the server's key", () => {
    const secret = new GuardedKey(32, (memory) => void randomFill(memory));
    const { keys, spent } = setting;
    const other = new Redeemer({ keys, spent, secret, origin: ORIGIN, now: () => NOW });
    setting.redeemer.check(token, "deliver", name);
    assert.notDeepEqual(other.check(token, "deliver", Buffer.alloc(32)).spentName, name);
  });

  it("gives a token back when nothing was committed", async () => {
    for (let i = 0; i < 3; i++) {
      const reservation = await setting.redeemer.reserve(token, requestId(), "deliver");
      assert.equal(reservation.state, "fresh");
      assert.equal(setting.redeemer.held, 1);
      reservation.release();
      reservation.release();
      assert.ok(isZero(reservation.name) && isZero(reservation.binding));
    }
  });

  it("tells a replay of the spending request from any other use", async () => {
    const [fresh] = (await drawTokens(setting, "invite", 1).catch(() => [])) as Buffer[];
    assert.equal(fresh, undefined); // invitations are not drawn
    const invitation = makeInvitation(Buffer.alloc(162), setting.keys, ORIGIN, NOW);
    const id = requestId();
    assert.equal(await redeem(setting, invitation, id), "fresh");
    assert.equal(await redeem(setting, invitation, id), "replay");
    assert.equal(await redeem(setting, invitation, requestId()), "token/spent");
    assert.equal(await redeem(setting, invitation, id), "replay");
  });

  it("holds a token for one request at a time", async () => {
    const id = requestId();
    const first = await setting.redeemer.reserve(token, id, "deliver");
    await assert.rejects(setting.redeemer.reserve(token, requestId(), "deliver"), spentFault);
    await assert.rejects(setting.redeemer.reserve(token, id, "deliver"), { code: "server/busy" });
    assert.equal(setting.redeemer.held, 1);
    first.release();
    (await setting.redeemer.reserve(token, requestId(), "deliver")).release();
  });

  it("lets the token go when the lookup fails, and refuses a wrong request id", async () => {
    const secret = new GuardedKey(32, (memory) => void randomFill(memory));
    const spent = { lookup: () => Promise.reject(new Error("disk")) };
    const broken = new Redeemer({ keys: setting.keys, spent, secret, origin: ORIGIN, now: () => NOW });
    await assert.rejects(broken.reserve(token, requestId(), "deliver"), /disk/);
    assert.equal(broken.held, 0);
    for (const id of [Buffer.alloc(0), randomBytes(15), randomBytes(17)])
      await assert.rejects(setting.redeemer.reserve(token, id, "deliver"), invalid);
  });

  it("says busy when too many requests hold tokens, and recovers", async () => {
    const secret = new GuardedKey(32, (memory) => void randomFill(memory));
    let open = (): void => {};
    const gate = new Promise<undefined>((resolve) => (open = () => resolve(undefined)));
    const spent = { lookup: () => gate };
    const redeemer = new Redeemer({ keys: setting.keys, spent, secret, origin: ORIGIN, now: () => NOW });
    const token = (): Buffer => makeInvitation(Buffer.alloc(162), setting.keys, ORIGIN, NOW);
    const waiting = Array.from({ length: 2048 }, () => redeemer.reserve(token(), requestId(), "invite"));
    await assert.rejects(redeemer.reserve(token(), requestId(), "invite"), { code: "server/busy" });
    open();
    for (const reservation of await Promise.all(waiting)) reservation.release();
    assert.equal(redeemer.held, 0);
    (await redeemer.reserve(token(), requestId(), "invite")).release();
  });

  it("lets exactly one of two requests at once through, 1,000 times", async () => {
    for (let round = 0; round < 1000; round++) {
      const invitation = makeInvitation(Buffer.alloc(162), setting.keys, ORIGIN, NOW);
      const outcomes = await Promise.all([
        redeem(setting, invitation, requestId()),
        redeem(setting, Buffer.from(invitation), requestId()),
      ]);
      assert.deepEqual(outcomes.toSorted(), ["fresh", "token/spent"]);
    }
  });

  it("control: without the reservation both pass", async () => {
    const { redeemer } = setting;
    const spent = new MemorySpentSet();
    const unreserved = async (bytes: Uint8Array): Promise<boolean> => {
      const { epoch, spentName } = redeemer.check(bytes, "invite", Buffer.alloc(32));
      if ((await spent.lookup(epoch, spentName)) !== undefined) return false;
      await spent.commit(epoch, spentName, Buffer.alloc(16));
      return true;
    };
    const invitation = makeInvitation(Buffer.alloc(162), setting.keys, ORIGIN, NOW);
    assert.deepEqual(await Promise.all([unreserved(invitation), unreserved(invitation)]), [true, true]);
  });
});
