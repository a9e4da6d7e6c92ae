import assert from "node:assert/strict";
import { openParts } from "../../src/client/open.ts";
import { EPOCH_DAYS, epochOf } from "../../tokens/epochs.ts";
import { startTestHouse, type TestHouse } from "../house.ts";
import { flaky, type Flaky } from "./flaky-transport.ts";
import { befriend, person, settled, texts, type Person } from "./people.ts";

const EPOCH = EPOCH_DAYS * 86400;
const [SOON, LATER] = [300, 3600];

describe("client/schedule", function () {
  this.timeout(60_000);
  let house: TestHouse;
  let wire: Flaky;
  let alice: Person;

  beforeEach(async () => {
    house = await startTestHouse();
    alice = await person(house, (transport) => (wire = flaky(transport)));
    await alice.client.register(house.invite()[0]!, "alice");
  });
  afterEach(async () => {
    await alice.stop();
    assert.equal(house.arenas.open, 0);
    await house.stop();
  });

  const drawn = (): number => wire.posts.filter(({ circuit }) => circuit === "issuance").length;
  const startOf = (epoch: number): number => epoch * EPOCH;
  const next = (): number => alice.client.nextDraw();
  const assertEarlyIn = (epoch: number): void =>
    assert.ok(next() >= startOf(epoch) && next() < startOf(epoch) + EPOCH / 10, String(next()));
  const assertSoon = (from: number): void =>
    assert.ok(next() >= from + SOON && next() <= house.now() + LATER, String(next() - from));
  /** To `seconds` from the moment; the house's clock runs on by itself meanwhile, so not to the second. */
  const goTo = (seconds: number): Promise<void> => house.advance(next() + seconds - house.now());

  it("chooses the moment of an epoch before it begins, draws when it has passed, and spends the old meanwhile", async () => {
    const first = epochOf(house.now());
    await alice.client.drawTokens();
    await alice.client.createInbox();
    assert.equal(drawn(), 4);
    const bob = await settled(house, "bob");
    assertEarlyIn(first + 1);
    const moment = next();
    assert.notEqual(moment, bob.client.nextDraw());
    await alice.restart();
    assert.equal(next(), moment);

    await goTo(-900);
    await alice.sync();
    await alice.client.drawTokens();
    assert.equal(next(), moment);
    assert.equal(drawn(), 4);
    await befriend(alice, bob);
    await alice.group.send("with a token of the old epoch");

    await goTo(1);
    await alice.sync();
    assert.equal(drawn(), 8);
    assertEarlyIn(first + 2);
    await alice.sync();
    await alice.client.drawTokens();
    assert.equal(drawn(), 8);

    // The old ones are over: what is spent now was drawn now.
    await house.advance(startOf(first + 1) + 8 * 86400 - house.now());
    await alice.group.send("with a token of the new");
    assert.deepEqual(texts(await bob.sync()), [
      "alice: with a token of the old epoch",
      "alice: with a token of the new",
    ]);
    await bob.stop();
  });

  it("draws a newcomer's within the hour, and at once when it is asked to", async () => {
    const from = house.now();
    assertSoon(from - 60);
    await alice.sync();
    assert.equal(drawn(), 0);
    await goTo(1);
    await alice.sync();
    assert.equal(drawn(), 4);
    await alice.client.createInbox();
    const bob = await settled(house, "bob");
    assert.ok(bob.client.nextDraw() >= startOf(epochOf(from) + 1));
    await bob.stop();
    // Who was away for an epoch and more is a newcomer again.
    await house.advance(2 * EPOCH);
    const back = house.now();
    await alice.sync();
    assert.equal(drawn(), 4);
    assertSoon(back);
  });

  it("tries again a random while after a failure, and meanwhile lets everything else go on", async () => {
    await alice.client.drawTokens();
    await goTo(1);
    wire.loss = "tor/closed";
    wire.plan = () => (wire.posts.at(-1)!.circuit === "issuance" ? "lose-request" : "pass");
    const from = house.now();
    await alice.sync();
    assert.equal(drawn(), 5);
    assertSoon(from);
    wire.plan = () => "pass";
    await alice.sync();
    assert.equal(drawn(), 5);
    await goTo(1);
    await alice.sync();
    assert.equal(drawn(), 9);
    assertEarlyIn(epochOf(house.now()) + 1);
  });

  it("draws the same batch after a crash between request and answer", async () => {
    await alice.client.drawTokens();
    await goTo(1);
    // What the house has answered, and nobody read; no word of it is written down, as the process ends there.
    wire.loss = "tor/closed";
    wire.plan = () => {
      if (wire.posts.at(-1)!.circuit !== "issuance" || drawn() < 6) return "pass";
      void alice.client.close();
      return "lose-reply";
    };
    await alice.client.sync().catch(() => undefined);
    wire.plan = () => "pass";
    await alice.restart();
    await house.advance(LATER);
    await alice.sync();
    // The second of four was asked for again; another request would have been refused (token/conflict).
    assert.equal(drawn(), 4 + 2 + 3);
    assertEarlyIn(epochOf(house.now()) + 1);
    await alice.client.createInbox();
  });

  it("draws nothing because tokens run out", async () => {
    await alice.client.drawTokens();
    const [before, moment] = [drawn(), next()];
    await alice.client.close();
    const { transport, statePath, deviceKey } = alice;
    const { parts, state } = await openParts({ transport, onion: house.onion, statePath, deviceKey, clock: house.now });
    while (parts.tokens.count("connect") > 0) await parts.tokens.spend("as.connect", async () => undefined);
    await assert.rejects(
      parts.tokens.spend("as.connect", async () => undefined),
      { code: "client/no-tokens" },
    );
    await parts.tokens.refill(parts.account);
    await parts.tokens.draw(parts.account);
    assert.equal(parts.tokens.nextDraw, moment);
    await parts.tokens.close();
    await state.close();
    await alice.restart();
    await alice.sync();
    assert.equal(drawn(), before);
  });
});
