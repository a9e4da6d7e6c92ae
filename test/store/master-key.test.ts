import assert from "node:assert/strict";
import { chmodSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { GuardedKey } from "../../src/memory/guarded-key.ts";
import { isZero } from "../../src/memory/locked.ts";
import { createKeyFile, loadKeyFile } from "../../src/store/master-key.ts";
import { bytes, temporary } from "./harness.ts";

const hexOf = (key: GuardedKey): string => key.use((secret) => secret.toString("hex"));

describe("store/master-key", () => {
  let path: string;
  let remove: () => void;
  beforeEach(() => {
    const { dir, remove: end } = temporary();
    path = join(dir, "master.key");
    remove = end;
  });
  afterEach(() => remove());

  it("makes a fresh random key for its owner only, and loads it", async () => {
    await createKeyFile(path);
    assert.equal(statSync(path).mode & 0o777, 0o600);
    const first = await loadKeyFile(path);
    assert.ok(!first.use((secret) => isZero(secret)));
    assert.equal(hexOf(first), hexOf(await loadKeyFile(path)));
    assert.ok(readFileSync(path).includes(Buffer.from(hexOf(first), "hex")));
    const other = `${path}2`;
    await createKeyFile(other);
    assert.notEqual(hexOf(first), hexOf(await loadKeyFile(other)));
  });

  it("never writes over a file", async () => {
    writeFileSync(path, "something");
    await assert.rejects(createKeyFile(path), { code: "store/exists" });
    assert.equal(readFileSync(path, "utf8"), "something");
  });

  it("refuses what others may read, what is missing and what is no key file", async () => {
    await createKeyFile(path);
    for (const mode of [0o640, 0o604, 0o620]) {
      chmodSync(path, mode);
      await assert.rejects(loadKeyFile(path), { code: "store/key-permissions" });
    }
    chmodSync(path, 0o400);
    await loadKeyFile(path);
    await assert.rejects(loadKeyFile(`${path}-none`), { code: "store/key-file" });
    for (const contents of [
      "",
      "tacetkey",
      readFileSync(path).subarray(0, 39),
      Buffer.concat([readFileSync(path), bytes("x")]),
    ]) {
      chmodSync(path, 0o600);
      const damaged = `${path}-damaged`;
      writeFileSync(damaged, contents, { mode: 0o600 });
      await assert.rejects(loadKeyFile(damaged), { code: "store/key-file" });
    }
    await assert.rejects(loadKeyFile(path, bytes("a passphrase")), { code: "store/key-passphrase" });
  });

  it("wraps the key under a passphrase, and only that passphrase opens it", async () => {
    await createKeyFile(path, bytes("correct horse"));
    const key = await loadKeyFile(path, bytes("correct horse"));
    assert.ok(!readFileSync(path).includes(Buffer.from(hexOf(key), "hex")));
    await assert.rejects(loadKeyFile(path, bytes("correct horsf")), { code: "store/key-passphrase" });
    await assert.rejects(loadKeyFile(path), { code: "store/key-passphrase" });
    const changed = readFileSync(path);
    changed[changed.length - 1]! ^= 1;
    writeFileSync(path, changed);
    await assert.rejects(loadKeyFile(path, bytes("correct horse")), { code: "store/key-passphrase" });
    changed.writeUInt32BE(0xffffffff, 12); // a cost that would take all memory is refused, not tried
    writeFileSync(path, changed);
    await assert.rejects(loadKeyFile(path, bytes("correct horse")), { code: "store/key-file" });
  });
});
