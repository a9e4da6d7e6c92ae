import assert from "node:assert/strict";
import { join } from "node:path";
import fc from "fast-check";
import { createStore, openStore, type Store } from "../../src/store/store.ts";
import { bytes, key, MemoryDriver, storeOver, temporary, withArena } from "./harness.ts";

const name = (i: number): Buffer => bytes(`name ${i}`);

describe("store: what a transaction knows of what it replaces", () => {
  it("is right whatever was read, locked, written and deleted in which order: the head opens again", async function () {
    this.timeout(60_000);
    const step = fc.record({
      names: fc.uniqueArray(fc.nat(3), { minLength: 1, maxLength: 3 }),
      lock: fc.boolean(),
      early: fc.boolean(), // read before the lock as well
      read: fc.constantFrom("none", "get", "many"),
      writes: fc.array(fc.constantFrom("put", "delete", "get"), { maxLength: 4 }),
      fails: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 12 }), fc.boolean(), async (steps, together) => {
        const { dir, remove } = temporary();
        try {
          await createStore({ dir: join(dir, "s"), masterKey: key() });
          const store = await openStore({ dir: join(dir, "s"), masterKey: key(), reserveBytes: 0 });
          const run = (one: (typeof steps)[number], i: number): Promise<void> =>
            withArena((arena) =>
              store.transact(arena, async (tx) => {
                const places = tx.places(
                  "queue",
                  one.names.map((n) => name(n)),
                );
                if (one.early) await tx.getMany("queue", places);
                if (one.lock) await tx.lock("queue", ...places);
                if (one.read === "many") await tx.getMany("queue", places);
                if (one.read === "get") for (const n of one.names) await tx.get("queue", name(n));
                for (const [j, write] of one.writes.entries()) {
                  const place = places[j % places.length]!;
                  if (write === "get") await tx.get("queue", place);
                  else if (!one.lock) continue;
                  else if (write === "put") tx.put("queue", place, bytes(`${i} ${j}`));
                  else tx.delete("queue", place);
                }
                if (one.fails) throw new Error("refused");
              }),
            ).catch(() => undefined);
          if (together) await Promise.all(steps.map(run));
          else for (const [i, one] of steps.entries()) await run(one, i);
          await store.close();
          await (await openStore({ dir: join(dir, "s"), masterKey: key(), reserveBytes: 0 })).close();
        } finally {
          remove();
        }
      }),
      { numRuns: 60 },
    );
  });

  it("is wrong where a caller appends on top of a record, and the next opening says so (control)", async () => {
    const { dir, remove } = temporary();
    const open = (): Promise<Store> => openStore({ dir: join(dir, "s"), masterKey: key(), reserveBytes: 0 });
    try {
      await createStore({ dir: join(dir, "s"), masterKey: key() });
      const store = await open();
      const append = (text: string): Promise<void> =>
        withArena((arena) => store.transact(arena, async (tx) => tx.append("queueItem", name(1), 1, bytes(text))));
      await append("first");
      await append("on top");
      await store.close();
      await assert.rejects(open(), { code: "store/corrupt" });
    } finally {
      remove();
    }
  });
});

describe("store: many records at once", () => {
  it("come in the order of their names, written, queued and stored alike", async () => {
    const store = storeOver(new MemoryDriver());
    await withArena((arena) => store.transact(arena, async (tx) => tx.put("queue", name(0), bytes("stored"))));
    await withArena((arena) =>
      store.transact(arena, async (tx) => {
        const names = [name(2), name(0), name(1)];
        const places = tx.places("queue", names);
        tx.put("queue", places[2]!, bytes("own"));
        for (const asked of [names, places]) {
          const found = await tx.getMany("queue", asked);
          assert.deepEqual(
            found.map((value) => value?.toString()),
            [undefined, "stored", "own"],
          );
        }
        await assert.rejects(tx.getMany("spent", names), TypeError);
        await assert.rejects(tx.get("keyPackage", places[0]!), TypeError); // a place is of one room
        tx.together(() => tx.delete("queue", places[1]!));
        assert.equal(await tx.get("queue", name(0)), undefined);
      }),
    );
    await store.close();
  });
});

describe("store: a name that another holds", () => {
  it("is not written behind its back", async () => {
    const store = storeOver(new MemoryDriver());
    let release = (): void => {};
    const held = new Promise<void>((resolve) => (release = resolve));
    const holder = withArena((arena) =>
      store.transact(arena, async (tx) => {
        await tx.lock("queue", name(1));
        await tx.get("queue", name(1));
        await held;
        tx.put("queue", name(1), bytes("holder"));
      }),
    );
    const put = (i: number): Promise<void> =>
      withArena((arena) => store.transact(arena, async (tx) => tx.put("queue", name(i), bytes("other"))));
    await assert.rejects(put(1), RangeError);
    await put(2); // control
    release();
    await holder;
    await put(1); // and again once nobody holds it
    await store.close();
  });
});
