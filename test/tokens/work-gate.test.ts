import assert from "node:assert/strict";
import { randomBytes, randomFill } from "../../src/crypto/random.ts";
import { GuardedKey } from "../../src/memory/guarded-key.ts";
import { isZero } from "../../src/memory/locked.ts";
import { solve } from "../../tokens/work.ts";
import { WorkGate, type WorkGateOptions } from "../../tokens/work-gate.ts";
import { DAY, MemorySpentSet, NOW } from "./setting.ts";

const refused = { code: "token/work" };
const busy = { code: "server/busy" };
const secret = new GuardedKey(32, (memory) => void randomFill(memory));
const requestId = (): Buffer => randomBytes(16);

const makeGate = (options: Partial<WorkGateOptions> = {}) => {
  const spent = new MemorySpentSet();
  const all = { effort: 0, minEffort: 0, maxEffort: 12, perHour: 60, queue: 16, secret, spent, now: NOW, ...options };
  return { gate: new WorkGate(all), spent };
};

/** A slot for the terms that a gate publishes at `now`. */
const solved = async (gate: WorkGate, id: Uint8Array, now = NOW): Promise<Buffer> => {
  const seed = Buffer.alloc(32);
  const { effort } = gate.terms(seed, now);
  return solve(Buffer.alloc(354), seed, id, effort);
};

/** A slot that is worth nothing: its digest begins with a one. */
const worthless = async (id: Uint8Array): Promise<Buffer> => {
  const judge = makeGate({ effort: 1, minEffort: 1 }).gate;
  for (;;) {
    const slot = await solved(makeGate().gate, id);
    if (
      await judge.reserve(slot, id, NOW).then(
        (held) => held.release(),
        () => true,
      )
    )
      return slot;
  }
};

describe("tokens/work-gate", () => {
  it("takes a solution once, tells a replay, and spends it under the day of its seed", async () => {
    const { gate, spent } = makeGate({ effort: 3 });
    const id = requestId();
    const slot = await solved(gate, id);
    const held = await gate.reserve(slot, id, NOW);
    assert.deepEqual([held.class, held.epoch, held.state], ["invite", NOW / DAY, "fresh"]);
    await assert.rejects(gate.reserve(Buffer.from(slot), id, NOW), busy);
    await spent.commit(held.epoch, held.name, held.binding);
    held.release();
    held.release();
    assert.ok(isZero(held.name) && isZero(held.binding));
    for (const now of [NOW, NOW + DAY]) {
      const again = await gate.reserve(slot, id, now);
      assert.equal(again.state, "replay");
      again.release();
    }
    assert.equal(gate.held, 0);
  });

  it("gives it back when nothing was committed", async () => {
    const { gate } = makeGate();
    const id = requestId();
    const slot = await solved(gate, id);
    for (let i = 0; i < 3; i++) {
      const held = await gate.reserve(slot, id, NOW);
      assert.equal(held.state, "fresh");
      held.release();
    }
  });

  it("takes it for no other request, nonce, house or day after tomorrow", async () => {
    const id = requestId();
    const easy = makeGate({ effort: 6, minEffort: 6 }).gate;
    const slot = await solved(easy, id);
    (await easy.reserve(slot, id, NOW)).release();
    (await easy.reserve(slot, id, NOW + DAY)).release();
    // 24 bits, so that what is no solution is not one by chance; the nonce is for the day of its last bit.
    const refuses = async (bytes: Uint8Array, other = id, now = NOW, key = secret): Promise<void> =>
      assert.rejects(makeGate({ minEffort: 24, maxEffort: 24, secret: key }).gate.reserve(bytes, other, now), refused);
    const bent = Buffer.from(slot);
    bent[3]! ^= 1;
    await refuses(slot, requestId());
    await refuses(bent);
    await refuses(slot, id, NOW, new GuardedKey(32, (memory) => void randomFill(memory)));
    await refuses(slot, id, NOW + 2 * DAY);
    await refuses(slot, id, NOW - DAY);
  });

  it("refuses what is worth too little, and takes what was enough when the search began", async () => {
    const { gate } = makeGate({ effort: 1, minEffort: 1, maxEffort: 24, perHour: 1 });
    const id = requestId();
    await assert.rejects(gate.reserve(await worthless(id), id, NOW), refused);
    const slot = await solved(gate, id);
    for (let i = 0; i < 100_000; i++) gate.registered(NOW);
    const seed = Buffer.alloc(32);
    assert.equal(gate.terms(seed, NOW).effort, 1);
    assert.equal(gate.terms(seed, NOW + 600).effort, 21);
    (await gate.reserve(slot, id, NOW + 600)).release();
    assert.equal(gate.terms(seed, NOW + 1200).effort, 20);
    await assert.rejects(gate.reserve(slot, id, NOW + 1200), refused);
    assert.equal(gate.held, 0);
  });

  it("hashes one at a time and lets no more wait than it says", async () => {
    const { gate } = makeGate({ queue: 4 });
    const ids = Array.from({ length: 12 }, requestId);
    const slots = await Promise.all(ids.map((id) => solved(gate, id)));
    const outcomes = await Promise.allSettled(ids.map((id, i) => gate.reserve(slots[i]!, id, NOW)));
    const held = outcomes.flatMap((outcome) => (outcome.status === "fulfilled" ? [outcome.value] : []));
    const errors = outcomes.flatMap((outcome) => (outcome.status === "rejected" ? [String(outcome.reason)] : []));
    assert.equal(held.length, 5);
    assert.deepEqual(new Set(errors), new Set(["Fault: server/busy"]));
    for (const reservation of held) reservation.release();
    assert.equal(gate.held, 0);
    (await gate.reserve(slots[11]!, ids[11]!, NOW)).release();
  });

  it("lets exactly one of two at once through", async () => {
    const { gate } = makeGate();
    for (let round = 0; round < 20; round++) {
      const id = requestId();
      const slot = await solved(gate, id);
      const outcomes = await Promise.allSettled([
        gate.reserve(slot, id, NOW),
        gate.reserve(Buffer.from(slot), id, NOW),
      ]);
      assert.deepEqual(outcomes.map((o) => o.status).toSorted(), ["fulfilled", "rejected"]);
      for (const outcome of outcomes) if (outcome.status === "fulfilled") outcome.value.release();
    }
  });

  it("control: without the hold both pass", async () => {
    const { gate } = makeGate();
    const id = requestId();
    const slot = await solved(gate, id);
    const unheld = makeGate().gate;
    const outcomes = await Promise.all([gate.reserve(slot, id, NOW), unheld.reserve(slot, id, NOW)]);
    assert.deepEqual(
      outcomes.map((o) => o.state),
      ["fresh", "fresh"],
    );
    for (const outcome of outcomes) outcome.release();
  });

  it("lets go when the lookup fails, and refuses malformed slots and request ids", async () => {
    const spent = { lookup: () => Promise.reject(new Error("disk")) };
    const { gate } = makeGate({ spent });
    const id = requestId();
    const slot = await solved(gate, id);
    await assert.rejects(gate.reserve(slot, id, NOW), /disk/);
    await assert.rejects(gate.reserve(slot, id.subarray(1), NOW), refused);
    await assert.rejects(gate.reserve(slot.subarray(1), id, NOW), refused);
    await assert.rejects(gate.reserve(Buffer.alloc(354), id, NOW), refused);
    assert.equal(gate.held, 0);
  });

  it("does not stall the event loop", async () => {
    const { gate } = makeGate();
    const ids = Array.from({ length: 8 }, requestId);
    const slots = await Promise.all(ids.map((id) => solved(gate, id)));
    let turns = 0;
    const counter = setInterval(() => turns++, 1);
    const held = await Promise.all(ids.map((id, i) => gate.reserve(slots[i]!, id, NOW)));
    clearInterval(counter);
    for (const reservation of held) reservation.release();
    assert.ok(turns >= 8, `${turns}`);
  });
});
