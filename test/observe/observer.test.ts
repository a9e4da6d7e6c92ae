import assert from "node:assert/strict";
import { events } from "../../src/observe/names.ts";
import { makeObserver } from "../../src/observe/observer.ts";

describe("observe/observer", () => {
  it("prints one line an event, the same whatever happened", () => {
    const lines: string[] = [];
    const observe = makeObserver((line) => lines.push(line));
    for (const name of Object.keys(events) as (keyof typeof events)[]) observe.event(name);
    assert.equal(lines.length, Object.keys(events).length);
    for (const line of lines) assert.match(line, /^tacet: [a-z-]+: [a-z][a-z0-9 ,:'-]+\n$/);
  });

  it("counts totals and nothing else", () => {
    const observe = makeObserver(() => assert.fail("a count prints nothing"));
    observe.served();
    observe.served();
    observe.redeemed();
    observe.refused("token/spent");
    observe.refused("token/spent");
    assert.deepEqual(observe.snapshot(), { served: 2, redeemed: 1, refused: { "token/spent": 2 } });
    const before = observe.snapshot();
    observe.served();
    assert.equal(before.served, 2, "a snapshot does not change");
  });
});
