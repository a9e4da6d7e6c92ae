import assert from "node:assert/strict";
import fc from "fast-check";
import { adjustEffort, EFFORT_WINDOW, startEffort, type EffortState } from "../../tokens/effort.ts";

const bounds = { minEffort: 2, maxEffort: 12, perHour: 60 };
const NOW = 1_800_000_000;
const seen = (state: EffortState, count: number): EffortState => ({ ...state, count });
const later = (state: EffortState, windows: number): EffortState =>
  adjustEffort(state, bounds, (state.window + windows) * EFFORT_WINDOW);

describe("tokens/effort", () => {
  const start = startEffort(4, bounds, NOW);

  it("starts within its bounds", () => {
    assert.equal(start.effort, 4);
    assert.equal(startEffort(0, bounds, NOW).effort, 2);
    assert.equal(startEffort(20, bounds, NOW).effort, 12);
  });

  it("changes nothing inside a window", () => {
    const end = (start.window + 1) * EFFORT_WINDOW;
    assert.equal(adjustEffort(seen(start, 1000), bounds, end - 1).effort, 4);
    assert.equal(adjustEffort(seen(start, 1000), bounds, end).effort, 11);
  });

  it("doubles the work for each doubling over its share of ten, halves it under five", () => {
    const steps = [0, 4, 5, 10, 11, 20, 21, 40, 41].map((count) => later(seen(start, count), 1).effort - 4);
    assert.deepEqual(steps, [-1, -1, 0, 0, 1, 1, 2, 2, 3]);
  });

  it("remembers what was asked for a window ago", () => {
    const raised = later(seen(start, 40), 1);
    assert.deepEqual([raised.effort, raised.previous, raised.count], [6, 4, 0]);
    const next = later(seen(raised, 10), 1);
    assert.deepEqual([next.effort, next.previous], [6, 6]);
  });

  it("falls by one for each empty window, to the lowest", () => {
    const high = startEffort(9, bounds, NOW);
    assert.deepEqual(
      [1, 2, 3, 100].map((windows) => [later(high, windows).effort, later(high, windows).previous]),
      [
        [8, 9],
        [7, 8],
        [6, 7],
        [2, 2],
      ],
    );
  });

  it("is the same however often it is asked, and stays within its bounds", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(3), fc.nat(5000)), { maxLength: 20 }), (events) => {
        let [often, now] = [start, NOW];
        let rarely = start;
        for (const [windows, count] of events) {
          for (let i = 0; i <= windows * 4; i++) often = adjustEffort(often, bounds, now + (i * EFFORT_WINDOW) / 4);
          now += windows * EFFORT_WINDOW;
          rarely = adjustEffort(rarely, bounds, now);
          assert.deepEqual(often, rarely);
          assert.ok(often.effort >= 2 && often.effort <= 12 && often.previous >= 2 && often.previous <= 12);
          [often, rarely] = [seen(often, count), seen(rarely, count)];
        }
      }),
    );
  });

  it("settles where one core's flood is what the house expects", () => {
    // 100 hashes a second for hours: at 2^effort hashes a registration, 60 an hour are 2^12.55.
    const wide = { ...bounds, maxEffort: 16 };
    let state = startEffort(2, wide, NOW);
    for (let i = 0; i < 30; i++)
      state = adjustEffort(
        { ...state, count: Math.floor((100 * EFFORT_WINDOW) / 2 ** state.effort) },
        wide,
        (state.window + 1) * EFFORT_WINDOW,
      );
    assert.equal(state.effort, 13);
  });

  it("survives a clock set back", () => {
    const back = adjustEffort(seen(start, 50), bounds, NOW - 86400);
    assert.deepEqual([back.effort, back.count], [4, 0]);
    assert.equal(later(seen(back, 20), 1).effort, 5);
  });
});
