import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";
import { steadily } from "../../src/http/steady.ts";

const STEP = 20;
/** Timers count from when the event loop last looked at the clock: they may fire so many milliseconds early. */
const EARLY = 3;
const took = async (workMs: number, step: number): Promise<number> => {
  const began = performance.now();
  const due = steadily(Promise.resolve(), step);
  if (workMs > 0) await pause(workMs);
  await due();
  return performance.now() - began;
};

describe("http/steady", () => {
  it("lets a reply go at the end of the step in which its work was done", async () => {
    for (const [work, steps] of [
      [0, 1],
      [8, 1],
      [27, 2],
    ] as const) {
      const time = await took(work, STEP);
      // a machine that is busy may miss a step, but nothing leaves between two
      assert.ok(time >= steps * STEP - EARLY, `${work}: ${time}`);
    }
  });

  it("counts from when the request is whole", async () => {
    let come = (): void => undefined;
    const due = steadily(new Promise<void>((resolve) => (come = resolve)), STEP);
    await pause(STEP);
    const began = performance.now();
    come();
    await due();
    assert.ok(performance.now() - began >= STEP - EARLY);
  });

  it("control: without a step it does not wait", async () => {
    const times: number[] = [];
    for (let i = 0; i < 5; i++) times.push(await took(0, 0));
    assert.ok(Math.min(...times) < STEP / 4, times.join());
  });
});
