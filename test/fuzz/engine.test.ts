// The fuzzer's own promises: a run can be repeated, a finding is made small, what is allowed is no finding.
import assert from "node:assert/strict";
import { Fault } from "../../src/fault.ts";
import { type Decoder, runCampaign } from "./engine.ts";
import { mutate } from "./mutate.ts";
import { seeded } from "./random.ts";

const after = (executions: number) => (state: { executions: number }) => state.executions >= executions;

const watched = (seen: string[], more: Partial<Decoder> = {}): Decoder => ({
  name: "watched",
  faults: ["wire/malformed"],
  corpus: [Buffer.alloc(40, 7), Buffer.from("another one")],
  reencode(input) {
    seen.push(input.toString("hex"));
    if (input.length > 40) throw new Fault("wire/malformed");
    return Buffer.from(input);
  },
  ...more,
});

describe("fuzz/engine", () => {
  it("gives a decoder the same inputs for the same seed, whatever else runs beside it", async () => {
    const [alone, beside, other]: string[][] = [[], [], []];
    await runCampaign({ decoders: [watched(alone!)], seed: 1, over: after(500) });
    const decoders = [watched([], { name: "first" }), watched(beside!)];
    await runCampaign({ decoders, seed: 1, over: () => beside!.length >= 500 });
    await runCampaign({ decoders: [watched(other!)], seed: 2, over: after(500) });
    assert.deepEqual(alone!.slice(0, 500), beside!.slice(0, 500));
    assert.notDeepEqual(alone!.slice(0, 500), other!.slice(0, 500));
  });

  it("begins with the corpus, and goes where lengths are zero, short and long", () => {
    const random = seeded(5, "mutations");
    const valid = Buffer.alloc(100, 3);
    const lengths = Array.from({ length: 2000 }, () => mutate(valid, [valid], random).length);
    assert.ok(lengths.includes(0) && lengths.includes(99) && lengths.includes(101) && Math.max(...lengths) > 200);
    assert.deepEqual(valid, Buffer.alloc(100, 3));
  });

  it("makes what it finds as small as it goes", async () => {
    const decoder = watched([], {
      reencode(input) {
        if (input.includes(0xff)) throw new TypeError("a bug");
        return undefined;
      },
    });
    const { findings } = await runCampaign({ decoders: [decoder], seed: 3, over: (s) => s.findings.length > 0 });
    assert.deepEqual(findings, [{ decoder: "watched", kind: "error", detail: "TypeError", input: "ff" }]);
  });

  it("takes an allowed refusal for no finding, and any other for one", async () => {
    const refusing = (code: "wire/malformed" | "store/corrupt"): Decoder =>
      watched([], {
        reencode(input) {
          if (input[0] !== 7 && input[0] !== 0x61) throw new Fault(code);
          return undefined;
        },
      });
    const allowed = await runCampaign({ decoders: [refusing("wire/malformed")], seed: 4, over: after(3000) });
    assert.deepEqual(allowed.findings, []);
    const { findings } = await runCampaign({ decoders: [refusing("store/corrupt")], seed: 4, over: after(3000) });
    assert.deepEqual(
      findings.map(({ kind, detail }) => [kind, detail]),
      [["fault", "store/corrupt"]],
    );
  });
});
