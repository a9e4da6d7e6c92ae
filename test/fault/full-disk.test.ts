// A disk that fills up under the writer and is freed again: what was acknowledged survives the next crash.
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { closeSync, mkdirSync, openSync, statfsSync, truncateSync, writeSync } from "node:fs";
import { join } from "node:path";
import { Level } from "level";
import { createStore, openStore } from "../../src/store/store.ts";
import { key, temporary, withArena } from "../store/harness.ts";

interface Outcome {
  readonly acknowledged: number[];
  readonly refusals: Record<string, number>;
  readonly afterwards: number;
}

const tool = (name: string, ...args: string[]): unknown => execFileSync(name, args, { stdio: "ignore" });

describe("a full disk", function () {
  this.timeout(90_000);
  let base: string;
  let mount: string;
  let remove: () => void;
  let mounted = false;

  beforeEach(function () {
    ({ dir: base, remove } = temporary());
    mount = join(base, "mount");
    mkdirSync(mount);
    if (process.getuid?.() !== 0) return this.skip(); // only root may mount
    try {
      const image = join(base, "image");
      closeSync(openSync(image, "w"));
      truncateSync(image, 64 << 20);
      tool("mkfs.ext4", "-q", "-F", "-m", "0", image);
      tool("mount", "-o", "loop", image, mount);
      mounted = true;
    } catch {
      this.skip(); // no loop devices here (a container, or no e2fsprogs)
    }
  });
  afterEach(() => {
    try {
      if (mounted) tool("umount", mount);
    } catch {
      tool("umount", "-l", mount);
    }
    mounted = false;
    remove();
  });

  /** Leaves `free` bytes, runs the child to its end. */
  function run(free: number, ...args: string[]): Outcome {
    const filler = join(mount, "filler");
    const { bavail, bsize } = statfsSync(mount);
    const file = openSync(filler, "w");
    for (let left = bavail * bsize - free; left > 0; left -= 1 << 20)
      writeSync(file, Buffer.alloc(Math.min(left, 1 << 20), 1));
    closeSync(file);
    const child = join(import.meta.dirname, "full-disk-child.ts");
    const { stdout } = spawnSync(process.execPath, ["--import", "tsx", child, join(mount, "store"), filler, ...args], {
      encoding: "utf8",
      maxBuffer: 64 << 20,
      stdio: ["ignore", "pipe", "inherit"],
    });
    return JSON.parse(stdout) as Outcome;
  }

  async function lost({ acknowledged }: Outcome): Promise<number> {
    const store = await openStore({ dir: join(mount, "store"), masterKey: key(), reserveBytes: 0 });
    let missing = 0;
    for (const n of acknowledged) {
      const name = Buffer.alloc(4);
      name.writeUInt32BE(n);
      missing += await withArena((arena) =>
        store.read(arena, async (view) => ((await view.get("queue", name)) === undefined ? 1 : 0)),
      );
    }
    await store.close();
    return missing;
  }

  it("is met by the reserve: refused before LevelDB runs out, nothing lost, on again once there is room", async () => {
    await createStore({ dir: join(mount, "store"), masterKey: key() });
    const outcome = run(12 << 20, "store", String(8 << 20));
    assert.deepEqual(Object.keys(outcome.refusals), ["server/full"]);
    assert.equal(outcome.afterwards, 25 * 64);
    assert.equal(await lost(outcome), 0);
  });

  it("loses nothing even without a reserve, because a failed write reopens the database", async () => {
    await createStore({ dir: join(mount, "store"), masterKey: key() });
    const outcome = run(2 << 20, "store", "0");
    assert.ok((outcome.refusals["store/write"] ?? 0) > 0, JSON.stringify(outcome.refusals));
    assert.ok(outcome.afterwards > 20 * 64, `${outcome.afterwards}`);
    assert.equal(await lost(outcome), 0);
  });

  it("costs LevelDB without reopening what it acknowledged (so that the tests above can fail)", async () => {
    mkdirSync(join(mount, "store"));
    const outcome = run(2 << 20, "plain");
    assert.ok(outcome.afterwards > 0);
    const database = new Level<Buffer, Buffer>(join(mount, "store", "plain"), {
      keyEncoding: "buffer",
      valueEncoding: "buffer",
      createIfMissing: false,
    });
    await database.open();
    const names = outcome.acknowledged.map((n) => {
      const name = Buffer.alloc(24);
      name.writeUInt32BE(n, 20);
      return name;
    });
    const found = await database.getMany(names);
    await database.close();
    assert.ok(found.filter((value) => (value as Buffer | undefined) === undefined).length > 0);
  });
});
