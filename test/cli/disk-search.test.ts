import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { randomBytes } from "node:crypto";
import { searchDirectory, searchPlanted } from "../../src/cli/demo/disk-search.ts";

describe("cli/demo/disk-search", () => {
  let dir: string;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), "tacet-search-"));
  });
  afterEach(() => rm(dir, { recursive: true, force: true }));

  it("finds nothing in random files, and everything that is planted", async () => {
    await writeFile(join(dir, "a"), randomBytes(100_000));
    const needles = [
      { what: "name", bytes: Buffer.from("amara.osei") },
      { what: "text", bytes: Buffer.from("meet me at the harbour") },
      ...Array.from({ length: 20 }, () => ({ what: "id", bytes: randomBytes(16) })),
    ];
    assert.deepEqual(await searchDirectory(dir, needles), []);
    assert.ok((await searchPlanted(dir, needles)) >= needles.length);
  });

  it("finds each form", async () => {
    const bytes = randomBytes(16);
    const written = [
      bytes,
      Buffer.from(bytes.toString("latin1"), "utf16le"),
      Buffer.from(bytes.toString("hex")),
      Buffer.from(bytes).reverse(),
      Buffer.from(Buffer.concat([Buffer.from("x"), bytes, Buffer.from("yz")]).toString("base64")),
      Buffer.from(Buffer.concat([Buffer.from("xy"), bytes]).toString("base64url")),
    ];
    for (const content of written) {
      await writeFile(join(dir, "a"), Buffer.concat([randomBytes(99), content, randomBytes(99)]));
      assert.equal((await searchDirectory(dir, [{ what: "id", bytes }])).length > 0, true);
    }
  });
});
