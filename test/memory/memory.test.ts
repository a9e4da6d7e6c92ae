import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import fc from "fast-check";
import { Fault } from "../../src/fault.ts";
import { ArenaPool } from "../../src/memory/arena.ts";
import { GuardedKey } from "../../src/memory/guarded-key.ts";
import { equal, isZero, lockedAlloc, wipe } from "../../src/memory/locked.ts";
import { LockedKey } from "../../src/memory/locked-key.ts";
import { SecureMap } from "../../src/memory/secure-map.ts";

describe("memory/arena", () => {
  it("hands out zeroed memory and wipes it when it closes", () => {
    const pool = new ArenaPool([[64, 1]]);
    const first = pool.arena();
    const piece = first.take(64);
    piece.fill(0xaa);
    first.close();
    assert.ok(isZero(piece));
    const second = pool.arena();
    assert.ok(isZero(second.take(64)));
    second.close();
    assert.equal(pool.open, 0);
  });

  it("refuses when the pool is empty and recovers when an arena closes", () => {
    const pool = new ArenaPool([[64, 2]]);
    const holder = pool.arena();
    holder.take(64);
    holder.take(1);
    const late = pool.arena();
    assert.throws(() => late.take(1), { code: "server/busy" });
    assert.throws(() => late.take(65), { code: "server/busy" });
    holder.close();
    assert.equal(late.take(64).length, 64);
    late.close();
    late.close();
    assert.equal(pool.open, 0);
    assert.throws(() => late.take(1), Fault);
  });

  it("never gives two live pieces the same bytes", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 100 }), { maxLength: 30 }), (sizes) => {
        const pool = new ArenaPool([[100, 40]]);
        const arena = pool.arena();
        const pieces = sizes.map((size, i) => arena.take(size).fill(i + 1));
        pieces.forEach((piece, i) => assert.ok(piece.every((b) => b === i + 1)));
        arena.close();
      }),
    );
  });
});

describe("memory/locked", () => {
  it("compares and wipes", () => {
    const a = lockedAlloc(4);
    assert.ok(isZero(a));
    a.fill(7);
    assert.ok(equal(a, Buffer.alloc(4, 7)));
    assert.ok(!equal(a, Buffer.alloc(4, 8)));
    assert.ok(!equal(a, Buffer.alloc(5, 7)));
    wipe(a, undefined);
    assert.ok(isZero(a));
  });
});

describe("memory/guarded-key", () => {
  it("is readable only inside use, also when nested or thrown out of", () => {
    const key = new GuardedKey(32, (m) => m.fill(9));
    assert.equal(
      key.use((s) => key.use((t) => s[0]! + t[31]!)),
      18,
    );
    assert.throws(() =>
      key.use(() => {
        throw new Error("x");
      }),
    );
    assert.equal(
      key.use((s) => s[0]),
      9,
    );
    key.destroy();
    assert.throws(() => key.use(() => 0));
  });

  it("kills the process that reads it outside use", () => {
    const read = (body: string) =>
      spawnSync(process.execPath, ["--import=tsx", "--input-type=module", "-e", body], { cwd: process.cwd() });
    const script = (tail: string) =>
      `const { GuardedKey } = await import("./src/memory/guarded-key.ts"); let leak; const k = new GuardedKey(32, (m) => { leak = m; m.fill(1) }); ${tail}`;
    const control = read(script("k.use(() => process.exit(leak[0] === 1 ? 7 : 8))"));
    assert.equal(control.status, 7, String(control.stderr));
    const outside = read(script("process.exit(leak[0])"));
    assert.ok(outside.signal !== null, `exited with ${outside.status}`);
  });
});

describe("memory/locked-key", () => {
  it("gives its secret until it is destroyed, and zeros after", () => {
    const key = new LockedKey(4, (memory) => memory.fill(3));
    assert.deepEqual(
      key.use((secret) => [...secret]),
      [3, 3, 3, 3],
    );
    key.destroy();
    assert.ok(key.use(isZero));
  });
});

describe("memory/secure-map", () => {
  it("behaves like a map", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.constantFrom("set", "delete"), fc.integer({ min: 0, max: 12 }), fc.nat(1000)), {
          maxLength: 60,
        }),
        (steps) => {
          const map = new SecureMap(4, 16);
          const model = new Map<number, number>();
          const id = (n: number): Buffer => Buffer.from([n, 0, 0, n]);
          for (const [kind, n, value] of steps) {
            if (kind === "set") (map.set(id(n), value), model.set(n, value));
            else assert.equal(map.delete(id(n)), model.delete(n));
          }
          assert.equal(map.size, model.size);
          for (let n = 0; n <= 12; n++) assert.equal(map.get(id(n)), model.get(n));
        },
      ),
      { numRuns: 30 },
    );
  });

  it("gives new ids an entry, by which they are removed once", () => {
    const map = new SecureMap(1, 3);
    const [a, b] = [Buffer.from([1]), Buffer.from([2])];
    const entry = map.add(a, 10)!;
    assert.equal(map.add(a, 11), undefined);
    assert.equal(map.get(a), 10);
    map.set(b, 20);
    map.remove(entry);
    assert.deepEqual([map.get(a), map.get(b), map.size], [undefined, 20, 1]);
    assert.throws(() => map.remove(entry), RangeError);
    assert.throws(() => map.remove(3), RangeError);
    const again = map.add(a, 12)!;
    assert.equal(map.delete(a), true);
    assert.throws(() => map.remove(again), RangeError);
    assert.equal(map.size, 1);
  });

  it("refuses when full", () => {
    const map = new SecureMap(1, 1);
    map.set(Buffer.from([1]), 1);
    assert.throws(() => map.set(Buffer.from([2]), 2), { code: "server/busy" });
  });
});
