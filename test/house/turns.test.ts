import assert from "node:assert/strict";
import { startTurns } from "../../src/house/turns.ts";

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe("house/turns", () => {
  let now: number;
  let erased: number;
  let failures: number;
  let seconds: number;
  let fails: boolean;
  let hold: Promise<void> | undefined;
  beforeEach(() => {
    [now, erased, failures, seconds, fails, hold] = [1_000_000, 0, 0, 0, false, undefined];
  });
  const start = () =>
    startTurns({
      store: {
        async erase() {
          erased++;
          await hold;
          now += seconds;
          if (fails) throw new Error("no");
        },
      },
      clock: () => now,
      failed: () => failures++,
    });
  const tickAt = async (turns: ReturnType<typeof start>, at: number): Promise<number> => {
    now = at;
    turns.tick();
    await settle();
    return erased;
  };

  it("come once an hour, the first at once", async () => {
    const turns = start();
    assert.equal(await tickAt(turns, 1_000_000), 1);
    assert.equal(await tickAt(turns, 1_003_599), 1);
    assert.equal(await tickAt(turns, 1_003_600), 2);
    assert.equal(await tickAt(turns, 900_000), 3, "and not never, when the clock was ahead");
  });

  it("take at most a hundredth of the time", async () => {
    seconds = 60;
    const turns = start();
    await tickAt(turns, 1_000_000);
    assert.equal(await tickAt(turns, 1_005_999), 1);
    assert.equal(await tickAt(turns, 1_006_000), 2);
  });

  it("are tried again in a minute when they fail, and told of", async () => {
    fails = true;
    const turns = start();
    await tickAt(turns, 1_000_000);
    assert.equal(failures, 1);
    assert.equal(await tickAt(turns, 1_000_059), 1);
    assert.equal(await tickAt(turns, 1_000_060), 2);
  });

  it("come one at a time, and not after the end, of which nobody is told", async () => {
    let finish = (): void => {};
    hold = new Promise((resolve) => (finish = resolve));
    fails = true;
    const turns = start();
    await tickAt(turns, 1_000_000);
    assert.equal(await tickAt(turns, 1_010_000), 1);
    turns.stop();
    finish();
    await settle();
    assert.equal(failures, 0);
    assert.equal(await tickAt(turns, 1_020_000), 1);
  });
});
