// Finding tor and judging its version. Starting it is tested inside the private network.
import assert from "node:assert/strict";
import { chmod, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Fault, faults, type FaultCode } from "../../src/fault.ts";
import { launchSystemTor, recentEnough } from "../../tor/launch.ts";
import { torSentence } from "../../tor/sentences.ts";

describe("tor launcher", () => {
  let dir: string;
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), "tacet-launch-"));
  });
  after(() => rm(dir, { recursive: true }));

  it("takes 0.4.8 and newer", () => {
    for (const version of ["0.4.8.0", "0.4.8.21", "0.4.9.11", "0.5.0.1", "1.0.0"])
      assert.ok(recentEnough(`Tor version ${version}.\nmore\n`), version);
    for (const version of ["0.4.7.16", "0.3.9.9", "0.0.9", "x"])
      assert.ok(!recentEnough(`Tor version ${version}.`), version);
    assert.ok(!recentEnough(""));
  });

  it("says when tor is missing or too old, and has touched nothing by then", async () => {
    const old = join(dir, "old-tor");
    await writeFile(old, "#!/bin/sh\necho 'Tor version 0.4.7.16.'\n");
    await chmod(old, 0o755);
    const dataDir = join(dir, "data");
    await assert.rejects(launchSystemTor({ dataDir, torBin: join(dir, "no-tor") }), new Fault("tor/missing"));
    await assert.rejects(launchSystemTor({ dataDir, torBin: old }), new Fault("tor/too-old"));
    assert.deepEqual(await readdir(dir), ["old-tor"]);
  });

  it("has one line for people for each of its faults, which says what to type where typing helps", () => {
    const codes = (Object.keys(faults) as FaultCode[]).filter((code) => code.startsWith("tor/"));
    for (const code of codes) assert.match(torSentence(code) ?? "", /^[A-Z][^\n]+\.$|^[A-Z][^\n]+\?$/, code);
    for (const code of ["tor/missing", "tor/too-old"] as const)
      assert.match(torSentence(code) ?? "", /apt-get install tor/);
    assert.equal(torSentence("queue/full"), undefined);
  });
});
