// What of "not dumpable" can be had without a system call that Node lacks: a node that may be run, but not read.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const NOBODY = 65534;

describe("hardening/neighbours", function () {
  this.timeout(30_000);
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "tacet-node-"));
    chmodSync(folder, 0o755);
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  /** What a process of the same user finds of one that runs a copy of node with this mode. */
  const seenBySibling = (mode: number): string => {
    const node = join(folder, `node-${mode}`);
    copyFileSync(process.execPath, node);
    chmodSync(node, mode);
    const script = `
      const { execFileSync } = require("node:child_process");
      const look = "head -c1 /proc/" + process.pid + "/maps >/dev/null 2>&1 && echo open || echo closed";
      process.stdout.write(execFileSync("/bin/sh", ["-c", look]));`;
    // the shell in between takes the rights of its user, as one that a service manager starts
    const { stdout, stderr } = spawnSync("/bin/sh", ["-c", `exec "$0" -e "$1"`, node, script], {
      encoding: "utf8",
      cwd: "/",
      ...(process.getuid?.() === 0 && { uid: NOBODY, gid: NOBODY }),
    });
    return stdout.trim() || stderr;
  };

  it("a node that its user may run but not read is closed to that user's other processes", function () {
    if (seenBySibling(0o755) !== "open") return this.skip(); // control: the system keeps them apart anyway
    assert.equal(seenBySibling(0o111), "closed");
  });
});
