// The short form of `npm run fuzz -- groups`: fixed seeds, so that what fails here fails again.
import assert from "node:assert/strict";
import { runInChild as fuzzDecoders } from "./campaign.ts";
import { decoders } from "./groups.ts";
import { runControls, runInChild } from "./groups/campaign.ts";
import { controls } from "./groups/controls.ts";
import { kinds } from "./groups/finding.ts";
import { seeded } from "./random.ts";

const SEED = 51;

describe("fuzz: groups", function () {
  this.timeout(120_000);

  it("histories: all agree after each step, whatever was planted is refused, and a seed gives the same again", async () => {
    const [told, again] = await Promise.all([0, 0].map(() => runInChild({ seed: SEED, epochs: 80 })));
    assert.ok(told !== undefined && again !== undefined);
    for (const kind of kinds) assert.equal(told[kind], 0, told.details.join("\n"));
    assert.deepEqual(told.undone, {});
    assert.ok(told.epochs >= 80 && told.joins > 5);
    assert.ok(Object.keys(told.attacks).length > 10);
    assert.equal(told.history, again.history);
    const other = await runInChild({ seed: SEED + 1, epochs: 5 });
    assert.notEqual(told.history, other.history);
  });

  it("control: the library as published forks or keeps joiners out, and a house without a rule is found out", async () => {
    const chosen = controls.filter(({ quick }) => quick === true);
    assert.ok(chosen.length >= 3);
    for (const { name, told, found } of await runControls(SEED, chosen)) {
      assert.ok(found, `${name}: ${told?.details.join("\n")}`);
    }
  });

  it("decoders: finds nothing in four seconds", async () => {
    const { executions, findings } = await fuzzDecoders("target", { target: "groups", seed: SEED, seconds: 4 });
    assert.deepEqual(findings, []);
    assert.ok(executions > 500, `${executions}`);
  });

  it("decoders: each has a name, and accepts its corpus", async () => {
    const all = await decoders(seeded(SEED, "corpus"));
    assert.equal(new Set(all.map(({ name }) => name)).size, all.length);
    for (const { name, corpus, reencode } of all) {
      assert.ok(corpus.length > 0, name);
      for (const valid of corpus) {
        const out = await reencode(Buffer.from(valid));
        if (out !== undefined) assert.deepEqual(Buffer.from(out), Buffer.from(valid), name);
      }
    }
  });
});
