// What every driver, and every store over a driver, must do. Call from a test file with a way to open one.
import assert from "node:assert/strict";
import fc from "fast-check";
import type { StoreDriver } from "../../src/store/driver.ts";
import type { Room, Store, Transaction } from "../../src/store/store.ts";
import { withArena } from "../store/harness.ts";

/** Opens the same, at first empty, thing each time; `reopen` closes what was open before. */
export interface Subject<T> {
  open(): Promise<T>;
  reopen(): Promise<T>;
  remove(): Promise<void>;
}

const keyOf = (n: number): Buffer => Buffer.alloc(24, n);

export function driverContract(name: string, make: () => Promise<Subject<StoreDriver>>): void {
  describe(`${name} as a driver`, () => {
    let subject: Subject<StoreDriver>;
    let driver: StoreDriver;
    beforeEach(async () => {
      subject = await make();
      driver = await subject.open();
    });
    afterEach(async () => subject.remove());

    it("shows a commit to every read after it, whole", async () => {
      await driver.commit([
        { key: keyOf(1), value: Buffer.from("one") },
        { key: keyOf(2), value: Buffer.from("two") },
      ]);
      await driver.commit([
        { key: keyOf(1), value: undefined },
        { key: keyOf(3), value: Buffer.from("three") },
      ]);
      assert.equal(await driver.get(keyOf(1)), undefined);
      assert.deepEqual(await driver.getMany([keyOf(3), keyOf(1), keyOf(2)]), [
        Buffer.from("three"),
        undefined,
        Buffer.from("two"),
      ]);
      assert.deepEqual(await driver.getMany([]), []);
    });

    it("ranges in byte order, from included, to excluded, within limit and bytes", async () => {
      await driver.commit([9, 3, 5, 255, 0, 4].map((n) => ({ key: keyOf(n), value: Buffer.alloc(100, n) })));
      const names = async (...args: Parameters<StoreDriver["range"]>) =>
        (await driver.range(...args)).map(({ key }) => key[0]);
      assert.deepEqual(await names(keyOf(0), keyOf(255), 100), [0, 3, 4, 5, 9]);
      assert.deepEqual(await names(keyOf(1), keyOf(5), 100), [3, 4]);
      assert.deepEqual(await names(keyOf(0), keyOf(255), 2), [0, 3]);
      assert.deepEqual(await names(keyOf(0), keyOf(255), 0), []);
      assert.deepEqual(await names(keyOf(5), keyOf(5), 9), []);
      const some = await names(keyOf(0), keyOf(255), 100, 1);
      assert.ok(some.length >= 1 && some[0] === 0);
    });

    it("keeps what it acknowledged when it is opened again", async () => {
      await driver.commit([{ key: keyOf(1), value: Buffer.from("one") }]);
      await driver.recover();
      await driver.commit([{ key: keyOf(2), value: Buffer.alloc(0) }]);
      driver = await subject.reopen();
      assert.deepEqual(await driver.get(keyOf(1)), Buffer.from("one"));
      assert.deepEqual(await driver.get(keyOf(2)), Buffer.alloc(0));
    });
  });
}

// The model: what a store must hold, as plain maps of strings.
interface Model {
  points: Map<string, string>;
  rows: Map<string, Map<number, string>>;
}
type Step =
  | { do: "put" | "delete"; room: Room; name: string; partition?: number | undefined; value: string }
  | { do: "putAt"; name: string; at: number; value: string }
  | { do: "deleteRange"; name: string; from: number; to: number };

const pointId = (room: Room, name: string, partition?: number): string => `${room}/${partition ?? ""}/${name}`;

function apply(model: Model, step: Step): void {
  if ("room" in step) {
    const id = pointId(step.room, step.name, step.partition);
    if (step.do === "put") model.points.set(id, step.value);
    else model.points.delete(id);
    return;
  }
  const row = model.rows.get(step.name) ?? new Map<number, string>();
  model.rows.set(step.name, row);
  if (step.do === "putAt") row.set(step.at, step.value);
  else for (const at of row.keys()) if (at >= step.from && at < step.to) row.delete(at);
}

function stage(tx: Transaction, step: Step): void {
  const name = Buffer.from(step.name);
  if (step.do === "putAt") tx.putAt("queueItem", name, step.at, Buffer.from(step.value));
  else if (step.do === "deleteRange") tx.deleteRange("queueItem", name, step.from, step.to);
  else {
    const options = step.partition === undefined ? undefined : { partition: step.partition };
    if (step.do === "put") tx.put(step.room, name, Buffer.from(step.value), options);
    else tx.delete(step.room, name, options);
  }
}

const names = ["a", "b", "name of a thing"];
const name = fc.constantFrom(...names);
const value = fc.string({ maxLength: 200 });
const place = fc.constantFrom<{ room: Room; partition?: number }>(
  { room: "queue" },
  { room: "account" },
  { room: "spent", partition: 1 },
  { room: "spent", partition: 2 },
);
const at = fc.nat({ max: 12 });
const step: fc.Arbitrary<Step> = fc.oneof(
  fc
    .tuple(fc.constantFrom("put" as const, "delete" as const), place, name, value)
    .map(([what, where, n, v]) => ({ do: what, ...where, name: n, value: v })),
  fc.tuple(name, at, value).map(([n, a, v]) => ({ do: "putAt" as const, name: n, at: a, value: v })),
  fc.tuple(name, at, at).map(([n, from, to]) => ({ do: "deleteRange" as const, name: n, from, to })),
);
const action = fc.oneof(
  { weight: 8, arbitrary: fc.array(fc.array(step, { maxLength: 4 }), { minLength: 1, maxLength: 4 }) },
  { weight: 1, arbitrary: fc.constantFrom("reopen" as const, "drop" as const, "throw" as const) },
);

async function look(view: Pick<Transaction, "get" | "range">): Promise<Model> {
  const model: Model = { points: new Map(), rows: new Map() };
  const places: { room: Room; partition?: number }[] = [
    { room: "queue" },
    { room: "account" },
    { room: "spent", partition: 1 },
    { room: "spent", partition: 2 },
  ];
  for (const n of names) {
    for (const { room, partition } of places) {
      const found = await view.get(room, Buffer.from(n), partition === undefined ? undefined : { partition });
      if (found !== undefined) model.points.set(pointId(room, n, partition), found.toString());
    }
    const row = await view.range("queueItem", Buffer.from(n), 0, 100, 1000);
    if (row.length > 0) model.rows.set(n, new Map(row.map(({ sequence, value: v }) => [sequence, v.toString()])));
  }
  return model;
}

const plain = ({ points, rows }: Model): Model => ({
  points,
  rows: new Map([...rows].filter(([, row]) => row.size > 0)),
});

/** Rejects when a store and the model ever differ, through any mix of batches, failures, drops and reopening. */
export async function agreesWithModel(make: () => Promise<Subject<Store>>, runs: number): Promise<void> {
  const check = async (actions: ("reopen" | "drop" | "throw" | Step[][])[]): Promise<void> => {
    const subject = await make();
    try {
      let store = await subject.open();
      const model: Model = { points: new Map(), rows: new Map() };
      for (const one of actions) {
        if (one === "reopen") store = await subject.reopen();
        else if (one === "drop") {
          await store.dropPartition("spent", 1);
          for (const id of model.points.keys()) if (id.startsWith("spent/1/")) model.points.delete(id);
        } else if (one === "throw") {
          const refused = withArena((arena) =>
            store.transact(arena, async (tx) => {
              tx.put("queue", Buffer.from("a"), Buffer.from("never"));
              tx.deleteRange("queueItem", Buffer.from("a"), 0, 100);
              return Promise.reject(new Error("refused"));
            }),
          );
          await assert.rejects(refused, /refused/);
        } else {
          // Queued together, so that later ones see earlier ones that are not durable yet.
          await Promise.all(
            one.map((steps) =>
              withArena((arena) =>
                store.transact(arena, async (tx) => {
                  await tx.lock("queue", Buffer.from("everything"));
                  for (const each of steps) {
                    stage(tx, each);
                    apply(model, each);
                  }
                  const inside = await look(tx);
                  assert.deepEqual(plain(inside), plain(model));
                }),
              ),
            ),
          );
        }
        const found = await withArena((arena) => store.read(arena, look));
        assert.deepEqual(plain(found), plain(model));
      }
    } finally {
      await subject.remove();
    }
  };
  await fc.assert(fc.asyncProperty(fc.array(action, { maxLength: 8 }), check), { numRuns: runs });
}

export function storeContract(title: string, make: () => Promise<Subject<Store>>, runs = 40): void {
  describe(`${title} as a store`, () => {
    it("agrees with a plain model through any mix of batches, failures, drops and reopening", async () => {
      await agreesWithModel(make, runs);
    });

    it("keeps names, rooms and partitions apart", async () => {
      const subject = await make();
      try {
        const store = await subject.open();
        const n = Buffer.from("same");
        await withArena((arena) =>
          store.transact(arena, async (tx) => {
            tx.put("queue", n, Buffer.from("queue"));
            tx.put("account", n, Buffer.from("account"));
            tx.put("spent", n, Buffer.from("1"), { partition: 1 });
            tx.put("spent", n, Buffer.from("2"), { partition: 2 });
            tx.put("receipt", n, Buffer.from("r"), { partition: 2 });
            return Promise.resolve();
          }),
        );
        assert.equal(await store.dropPartition("spent", 2), 1);
        assert.equal(await store.dropPartition("spent", 3), 0);
        await withArena((arena) =>
          store.read(arena, async (view) => {
            assert.equal((await view.get("queue", n))?.toString(), "queue");
            assert.equal((await view.get("account", n))?.toString(), "account");
            assert.equal((await view.get("spent", n, { partition: 1 }))?.toString(), "1");
            assert.equal(await view.get("spent", n, { partition: 2 }), undefined);
            assert.equal((await view.get("receipt", n, { partition: 2 }))?.toString(), "r");
            assert.equal(await view.get("friendship", n), undefined);
          }),
        );
      } finally {
        await subject.remove();
      }
    });

    it("stops a range at its limit and at its bytes", async () => {
      const subject = await make();
      try {
        const store = await subject.open();
        const n = Buffer.from("row");
        const sequences = async (...args: [number, number, number, number?]) =>
          withArena(async (arena) =>
            (await store.read(arena, (view) => view.range("queueItem", n, ...args))).map(({ sequence }) => sequence),
          );
        await withArena((arena) =>
          store.transact(arena, async (tx) => {
            for (let i = 1; i <= 700; i++) tx.putAt("queueItem", n, i, Buffer.alloc(10));
            return Promise.resolve();
          }),
        );
        assert.deepEqual(await sequences(0, 5, 10), [1, 2, 3, 4]);
        assert.deepEqual(await sequences(3, Number.MAX_SAFE_INTEGER, 2), [3, 4]);
        assert.deepEqual(await sequences(3, Infinity, 100, 39), [3, 4, 5]);
        assert.deepEqual(await sequences(3, Infinity, 100, 9), []);
        assert.deepEqual(await sequences(5, 5, 9), []);
        assert.equal((await sequences(0, Infinity, 10_000)).length, 700);
        await withArena((arena) =>
          store.transact(arena, async (tx) => {
            await tx.lock("queueItem", n);
            tx.deleteRange("queueItem", n, 2, 700);
            assert.deepEqual(
              (await tx.range("queueItem", n, 0, 1000, 2)).map(({ sequence }) => sequence),
              [1, 700],
            );
          }),
        );
        assert.deepEqual(await sequences(0, Infinity, 10), [1, 700]);
      } finally {
        await subject.remove();
      }
    });
  });
}
