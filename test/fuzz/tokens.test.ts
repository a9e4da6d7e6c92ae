// The short form of `npm run fuzz -- tokens`: a fixed seed, so that what fails here fails again.
import assert from "node:assert/strict";
import { runControls, runInChild } from "./campaign.ts";
import { decoders } from "./tokens.ts";
import { seeded } from "./random.ts";

const SEED = 20261120;

describe("fuzz: tokens and wire", function () {
  this.timeout(120_000);

  it("finds nothing in four seconds", async () => {
    const { executions, findings } = await runInChild("target", { target: "tokens", seed: SEED, seconds: 4 });
    assert.deepEqual(findings, []);
    assert.ok(executions > 2000, `${executions}`);
  });

  it("control: finds every planted bug, also memory that grows and an input that never ends", async () => {
    const { missed, findings } = await runControls({ target: "tokens", seed: SEED, seconds: 0 });
    assert.deepEqual(missed, []);
    assert.ok(findings.some(({ kind, input }) => kind === "hang" && input.includes("ff")));
    const trusting = findings.find(({ decoder }) => decoder === "planted: trusts a length");
    assert.ok(trusting !== undefined && trusting.input.length <= 12, trusting?.input);
  });

  it("has a name for each decoder, and accepts each one's corpus", async () => {
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
