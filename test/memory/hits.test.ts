// A failing residue test must tell enough to be understood elsewhere, and not the secret itself.
import assert from "node:assert/strict";
import { describeHits } from "./hits.ts";
import { Scanner } from "./scanner.ts";

describe("memory/hits", () => {
  const region = { start: 0x1000, end: 0x3000, access: "rw-p", name: "[heap]" };
  const canary = Buffer.from("e1e2e3e4e5e6e7e8e9eaebecedeeeff0", "hex");

  it("names kind, form, length and place of a fragment, and shows what lies around it, but not itself", () => {
    const scanner = new Scanner([{ kind: "id", bytes: canary }]);
    const memory = Buffer.alloc(256, 0xcc);
    memory.set(canary.subarray(3), 100);
    scanner.scan(memory, 0x1100, region);
    const around = "cc ".repeat(32).trim();
    assert.deepEqual(describeHits(scanner.hits), [
      `id as raw: 13 of 16 bytes, from 3 on, in [heap] rw-p +0x164 (1000-3000): ${around} (13) ${around}`,
    ]);
  });
  it("hides every hit near by, stops at the edge of the memory, and counts what it does not list", () => {
    const scanner = new Scanner([{ kind: "id", bytes: canary }]);
    const memory = Buffer.concat(Array.from({ length: 50 }, () => Buffer.concat([canary, Buffer.from([0xcc])])));
    scanner.scan(memory, 0x1000, region);
    const lines = describeHits(scanner.hits);
    assert.equal(lines.length, 41);
    assert.equal(lines.at(-1), "and 10 more");
    assert.equal(lines[0]?.split(": ").at(-1), "(16) cc (16) cc (14)");
  });
});
