import assert from "node:assert/strict";
import { randomBytes } from "../../src/crypto/random.ts";
import { failures, forensics, short, type Report } from "./forensics.ts";
import { memoryReason } from "./memory.ts";
import { compare, differs } from "./timing.ts";
import { unshared } from "./unshared.ts";

describe("forensics", () => {
  let report: Report;
  let reason: string | undefined;
  before(async function () {
    this.timeout(300_000);
    reason = await memoryReason();
    if (reason === undefined) report = await forensics(short);
  });
  beforeEach(function () {
    if (reason === undefined) return;
    this.currentTest!.title += ` [${reason}]`;
    this.skip(); // the reason is in the title: this process may not read that memory
  });

  const of = (part: string): string[] => failures(report).filter((sentence) => sentence.startsWith(`${part}:`));

  it("memory: nothing of any operation is left, and all of it is found in a house that keeps copies", () => {
    assert.deepEqual([of("memory"), report.memory.where], [[], []]);
    assert.equal(report.memory.control_found, report.memory.operations);
    assert.ok(report.memory.canaries > 1000 && report.memory.requests > 500 && report.memory.load.requests > 0);
  });

  it("disk: nothing of any operation is in the files, and what is planted is found", () => {
    assert.deepEqual(of("disk"), []);
    assert.ok(report.disk.audit.records > 100);
  });

  it("disk: what was deleted opens no more, and all of it with the erasable keys of then", () => {
    const { deleted, deleted_opened: opened, deleted_control_opened: control } = report.disk;
    assert.ok(deleted > 10 && control === deleted, `${control} of ${deleted}`);
    assert.equal(opened, 0, JSON.stringify(report.disk.opened));
  });

  it("wire: five shapes, one path, one set of headers, no circuit of two; time tells nothing", () => {
    assert.deepEqual(of("wire"), []);
    assert.ok(report.wire.exchanges > 400 && report.wire.circuits > 50);
  });

  it("linkability: the matcher gets nowhere, and everywhere with fixed ids", () => {
    assert.deepEqual(of("linkability"), []);
    assert.equal(report.linkability.relations.length, 4);
  });
});

describe("forensics: its own tools", () => {
  const numbers = (count: number, from: number): number[] =>
    Array.from({ length: count }, (_, i) => from + ((i * 7) % 50));

  it("tells two kinds of times apart only where they differ", () => {
    assert.equal(differs(compare(numbers(100, 0), numbers(100, 0))), false);
    assert.equal(differs(compare(numbers(100, 0), numbers(100, 25))), true);
    assert.equal(compare(numbers(100, 0), numbers(100, 60)).advantage, 1);
  });

  it("takes out of a field what another walk has too", () => {
    const [own, other, common] = [randomBytes(40), randomBytes(40), randomBytes(40)];
    const field = (bytes: Buffer) => [{ operation: "as.discover", what: "request.name", bytes }];
    const left = unshared([field(Buffer.concat([common, own])), field(Buffer.concat([common, other]))]);
    assert.deepEqual(
      left.map(({ kind, bytes }) => [kind, bytes]),
      [
        ["as.discover request.name", own],
        ["as.discover request.name", other],
      ],
    );
  });
});
