import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { KEY_LENGTH } from "../../src/store/driver.ts";
import { openLevel } from "../../src/store/level-driver.ts";
import { MAX_SEQUENCE, padme, Sealing } from "../../src/store/sealing.ts";
import { roomNames, shapeOf } from "../../src/store/rooms.ts";
import { createStore, openStore } from "../../src/store/store.ts";
import { bytes, filesUnder, key, MemoryTurnKeys, temporary, withArena } from "./harness.ts";

const id = Buffer.alloc(16, 1);
const turnKeys = new MemoryTurnKeys();
const sealing = new Sealing(key(), id, turnKeys);

describe("store/sealing", () => {
  it("pads by Padmé: never shorter, at most 12 % longer, few distinct lengths", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1 << 20 }), (length) => {
        const padded = padme(length);
        assert.ok(padded >= length && padded >= 64);
        assert.ok(length <= 64 || padded <= length * 1.12);
        assert.equal(padme(padded), padded);
      }),
    );
    const lengths = new Set(Array.from({ length: 1 << 16 }, (_, i) => padme(i + 1)));
    assert.ok(lengths.size < 150, `${lengths.size} lengths for 65536`);
  });

  it("opens what it sealed, and nothing that was moved, changed, cut or sealed for another room or database", async () => {
    const plain = bytes("a value that nobody may read");
    const here = sealing.point("queue", bytes("here"), undefined);
    const there = sealing.point("queue", bytes("there"), undefined);
    const sealed = sealing.seal("queue", here, plain);
    assert.ok(!sealed.includes(plain));
    await withArena(async (arena) => {
      assert.ok(sealing.open("queue", here, sealed, arena).equals(plain));
      const corrupt = { code: "store/corrupt" };
      assert.throws(() => sealing.open("queue", there, sealed, arena), corrupt);
      assert.throws(() => sealing.open("account", here, sealed, arena), corrupt);
      assert.throws(
        () => new Sealing(key(), Buffer.alloc(16, 2), turnKeys).open("queue", here, sealed, arena),
        corrupt,
      );
      assert.throws(() => new Sealing(key(8), id, turnKeys).open("queue", here, sealed, arena), corrupt);
      for (const length of [0, 40, sealed.length - 1])
        assert.throws(() => sealing.open("queue", here, sealed.subarray(0, length), arena), corrupt);
      for (const at of [0, 30, sealed.length - 1]) {
        const changed = Buffer.from(sealed);
        changed[at]! ^= 1;
        assert.throws(() => sealing.open("queue", here, changed, arena), corrupt);
      }
      return Promise.resolve();
    });
  });

  it("knows each room by a number of its own", () => {
    const numbers = roomNames.map((room) => shapeOf(room).rank);
    assert.equal(new Set(numbers).size, numbers.length);
    assert.ok(numbers.every((number) => number > 0 && number < 256));
  });

  it("seals equal values differently, in equal lengths for nearly equal lengths", () => {
    const here = sealing.point("queue", bytes("here"), undefined);
    const [a, b] = [sealing.seal("queue", here, bytes("same")), sealing.seal("queue", here, bytes("same"))];
    assert.ok(!a.equals(b));
    assert.equal(
      sealing.seal("queue", here, Buffer.alloc(1000)).length,
      sealing.seal("queue", here, Buffer.alloc(1019)).length,
    );
  });

  it("shows no room in a key, and a period only where it must be dropped as one", () => {
    const names = Array.from({ length: 64 }, (_, i) => bytes(`name ${i}`));
    const lasting = names.map((name) => sealing.point("queue", name, undefined));
    assert.equal(new Set(lasting.map((at) => at.readUInt32BE())).size, 64);
    assert.equal(new Set(lasting.map((at) => at.readUInt32BE(20))).size, 64);
    assert.ok(lasting.every((at) => at.length === KEY_LENGTH));
    const dropped = names.map((name) => sealing.point("spent", name, 7));
    assert.equal(new Set(dropped.map((at) => at.readUInt32BE())).size, 1); // control
  });

  it("keeps rows in order and their numbers apart from each other", () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), fc.maxSafeNat(), fc.string(), (x, y, name) => {
        const [a, b] = [x % MAX_SEQUENCE, y % MAX_SEQUENCE];
        const row = sealing.row("queueItem", bytes(name));
        assert.equal(Math.sign(Buffer.compare(sealing.at(row, a), sealing.at(row, b))), Math.sign(a - b));
        assert.equal(sealing.sequence(row, sealing.at(row, a)), a);
      }),
    );
    const starts = ["a", "b", "c"].map((name) => sealing.row("queueItem", bytes(name)).offset);
    assert.equal(new Set(starts).size, 3);
    assert.ok(starts.some((offset) => offset > 2 ** 40));
  });

  it("leaves nothing planted in the files, and the search finds what is planted in the clear", async () => {
    const { dir, remove } = temporary();
    const masterKey = key();
    const planted = ["Alice's very own name", "a message text of some length", "token-digest-0123456789"];
    const search = (): number => {
      const files = filesUnder(dir).map((file) => readFileSync(file));
      const forms = planted.flatMap((text) => [
        bytes(text),
        Buffer.from(text, "utf16le"),
        bytes(bytes(text).toString("hex")),
        bytes(bytes(text).toString("base64")),
      ]);
      return forms.filter((form) => files.some((file) => file.includes(form))).length;
    };
    try {
      await createStore({ dir, masterKey });
      for (let round = 0; round < 2; round++) {
        const store = await openStore({ dir, masterKey });
        await withArena((arena) =>
          store.transact(arena, async (tx) => {
            for (const text of planted) {
              tx.put("name", bytes(text), bytes(text));
              tx.putAt("queueItem", bytes(text), round, bytes(text));
              tx.put("spent", bytes(text), bytes(text), { partition: round });
            }
            return Promise.resolve();
          }),
        );
        await store.dropPartition("spent", 0);
        await store.close();
      }
      assert.equal(search(), 0);
      const driver = await openLevel({ dir: join(dir, "db") });
      await driver.commit([{ key: Buffer.alloc(24), value: bytes(planted[0]!) }]);
      await driver.close();
      assert.equal(search(), 1);
    } finally {
      remove();
    }
  });
});
