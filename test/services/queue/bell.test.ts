import assert from "node:assert/strict";
import { randomBytes } from "../../../src/crypto/random.ts";
import { Bell } from "../../../src/services/queue/bell.ts";

const state = async (wake: Promise<void> | undefined): Promise<string> =>
  wake === undefined
    ? "none"
    : Promise.race([wake.then(() => "rung"), new Promise<string>((r) => setImmediate(r, "silent"))]);

describe("services/queue/bell", () => {
  it("wakes all readers of a queue, once, and nobody else", async () => {
    const bell = new Bell(25, 4);
    const [mine, other] = [randomBytes(16), randomBytes(16)];
    const waits = [bell.wait(mine, 0), bell.wait(mine, 1), bell.wait(other, 1)];
    bell.ring(mine);
    assert.deepEqual(await Promise.all(waits.map(state)), ["rung", "rung", "silent"]);
    assert.equal(bell.size, 1);
    bell.ring(mine);
    assert.equal(await state(bell.wait(mine, 2)), "silent");
  });

  it("takes as many queues as it has room for, and more when waits are over", async () => {
    const bell = new Bell(25, 2);
    const ids = [randomBytes(16), randomBytes(16), randomBytes(16)] as const;
    assert.ok(bell.wait(ids[0], 100));
    assert.ok(bell.wait(ids[1], 110));
    assert.equal(bell.wait(ids[2], 124), undefined);
    assert.ok(bell.wait(ids[0], 124)); // known: lasts longer now
    assert.equal(bell.wait(ids[2], 134), undefined);
    assert.ok(bell.wait(ids[2], 135));
    assert.equal(bell.size, 2);
  });

  it("an old reader that waits again does not shorten the wait of a new one", async () => {
    const bell = new Bell(25, 4);
    const id = randomBytes(16);
    const wake = bell.wait(id, 21);
    void bell.wait(id, 0);
    void bell.wait(randomBytes(16), 30);
    bell.ring(id);
    assert.equal(await state(wake), "rung");
  });

  it("forgets a reader that left, not the others", async () => {
    const bell = new Bell(25, 2);
    const id = randomBytes(16);
    const wake = bell.wait(id, 0);
    void bell.wait(id, 0);
    bell.leave(id);
    assert.equal(bell.size, 1);
    bell.ring(id);
    assert.equal(await state(wake), "rung");
    bell.leave(id);
    assert.equal(bell.size, 0);
  });
});
