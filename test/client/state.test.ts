import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openState } from "../../src/client/state.ts";
import { randomBytes } from "../../src/crypto/random.ts";

const key = Buffer.alloc(32, 7);

describe("client/state", () => {
  let dir: string;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), "tacet-state-"));
  });
  afterEach(() => rm(dir, { recursive: true, force: true }));

  const withState = async <T>(work: (state: Awaited<ReturnType<typeof openState>>) => Promise<T>): Promise<T> => {
    const state = await openState(dir, key);
    try {
      return await work(state);
    } finally {
      await state.close();
    }
  };
  const sectionFiles = async (): Promise<string[]> =>
    (await readdir(dir)).filter((name) => name !== "manifest" && name !== "lock");

  it("keeps sections across openings, replaces them together and deletes them", async () => {
    await withState((state) => state.save({ a: Buffer.from("one"), b: Buffer.from("two") }));
    await withState((state) => state.save({ a: Buffer.from("three"), b: undefined, c: Buffer.alloc(0) }));
    await withState(async (state) => {
      assert.equal((await state.load("a"))?.toString(), "three");
      assert.equal(await state.load("b"), undefined);
      assert.equal((await state.load("c"))?.length, 0);
    });
    assert.equal((await sectionFiles()).length, 2);
  });

  it("writes no section's name or content", async () => {
    const text = "a text that must not be found";
    await withState((state) => state.save({ "section-name": Buffer.from(text) }));
    for (const name of await readdir(dir)) {
      const content = await readFile(join(dir, name));
      assert.ok(!content.includes(text) && !content.includes("section-name") && !name.includes("section"));
    }
    // Control: the search finds what is there.
    await writeFile(join(dir, "planted"), `..${text}..`);
    assert.ok((await readFile(join(dir, "planted"))).includes(text));
  });

  it("refuses another device key and leaves everything as it was", async () => {
    await withState((state) => state.save({ a: Buffer.from("one") }));
    await assert.rejects(openState(dir, Buffer.alloc(32, 8)), { code: "state/key" });
    await assert.rejects(openState(dir, Buffer.alloc(31)), { code: "state/key" });
    assert.equal((await withState((state) => state.load("a")))?.toString(), "one");
  });

  it("notices a changed, a moved, an old and a missing file", async () => {
    await withState((state) => state.save({ a: Buffer.from("one") }));
    const [fileOfA] = await sectionFiles();
    await withState((state) => state.save({ b: Buffer.from("two") }));
    const fileOfB = (await sectionFiles()).find((name) => name !== fileOfA);
    const a = join(dir, fileOfA!);
    const original = await readFile(a);
    const refused = (): Promise<void> =>
      assert.rejects(
        withState((state) => state.load("a")),
        { code: "state/damaged" },
      );

    const flipped = Buffer.from(original);
    flipped[30] = flipped[30]! ^ 1;
    await writeFile(a, flipped);
    await refused();
    await cp(join(dir, fileOfB!), a);
    await refused();
    await rm(a);
    await refused();
    await writeFile(a, original);
    assert.equal((await withState((state) => state.load("a")))?.toString(), "one");
    await rm(join(dir, "manifest"));
    await assert.rejects(openState(dir, key), { code: "state/damaged" });
  });

  it("is one process's at a time", async () => {
    await withState(async () => {
      await assert.rejects(openState(dir, key), { code: "state/in-use" });
    });
    // A lock that a dead process left does not count.
    const gone = spawn(process.execPath, ["-e", ""]);
    await once(gone, "exit");
    await writeFile(join(dir, "lock"), String(gone.pid));
    await withState(async () => undefined);
    // One of a living process does.
    await writeFile(join(dir, "lock"), String(process.ppid));
    await assert.rejects(openState(dir, key), { code: "state/in-use" });
  });

  it("removes what a crash left unnamed, and clears away a half-written manifest", async () => {
    await withState((state) => state.save({ a: Buffer.from("one") }));
    await writeFile(join(dir, randomBytes(16).toString("hex")), "left over");
    await writeFile(join(dir, "manifest.next"), "half");
    assert.equal((await withState((state) => state.load("a")))?.toString(), "one");
    assert.equal((await sectionFiles()).filter((name) => name !== "manifest.next").length, 1);
    await withState((state) => state.save({ a: Buffer.from("two") }));
    assert.equal((await sectionFiles()).length, 1);
  });

  it("shows all of a save or none of it after kill -9, and never less than was acknowledged", async function () {
    this.timeout(60_000);
    let before = 0;
    for (let round = 0; round < 4; round++) {
      const writer = spawn(process.execPath, ["--import", "tsx", join(import.meta.dirname, "state-writer.ts"), dir], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      let out = "";
      writer.stdout.on("data", (data: Buffer) => (out += data.toString()));
      await once(writer.stdout, "data");
      await new Promise((resolve) => setTimeout(resolve, 30 + 40 * round));
      writer.kill("SIGKILL");
      await once(writer, "close");
      const acknowledged = Number(out.trimEnd().split("\n").at(-1));
      await withState(async (state) => {
        const [a, b] = [await state.load("a"), await state.load("b")];
        assert.ok(a !== undefined && b !== undefined && a.equals(b));
        assert.ok(a.readUInt32BE(0) >= acknowledged && acknowledged > before);
        before = a.readUInt32BE(0);
      });
    }
  });
});
