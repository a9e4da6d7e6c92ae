// One message to a thousand queues through dispatch and the store on disk, beside the work that no such send can do without.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { derive } from "../../src/crypto/derive.ts";
import { randomBytes } from "../../src/crypto/random.ts";
import { ITEM_OVERHEAD, sealNext } from "../../src/crypto/ratchet.ts";
import { sign, signKeypair } from "../../src/crypto/sign.ts";
import { ArenaPool } from "../../src/memory/arena.ts";
import { GuardedKey } from "../../src/memory/guarded-key.ts";
import { lockedAlloc } from "../../src/memory/locked.ts";
import { makeDispatch } from "../../src/services/dispatch.ts";
import type { Handler, Handlers } from "../../src/services/ports.ts";
import { makeQueueService } from "../../src/services/queue/service.ts";
import { openLevel } from "../../src/store/level-driver.ts";
import { createStore, openStore, type Store } from "../../src/store/store.ts";
import { encode } from "../../src/wire/codec.ts";
import { itemKinds, queueItem } from "../../src/wire/documents.ts";
import { header, PROTOCOL_VERSION, TOKEN_SLOT_LENGTH, windowOf } from "../../src/wire/frame.ts";
import { operations } from "../../src/wire/operations.ts";
import { echoDuring, percentile } from "./tokens/echo.ts";

export const describe =
  "one application message to 1000 queues: median ms, event loop delay meanwhile, beside ratchet + seal + name and a bare synced batch";

const MEMBERS = 1000;
const MESSAGE = 1000; // bytes of the MLS message
const SENDS = 41;
const WARM_UP = 8;
// What a queue gets: its item, padded to 1088 and sealed, and its record.
const SEALED_ITEM = 1128;
const SEALED_QUEUE = 200;
const NOW = 1_800_000_000;

const median = (values: readonly number[]): number => percentile(values, 50);
const round = (value: number): number => Math.round(value * 10) / 10;

async function timed(work: () => Promise<void>): Promise<number> {
  const began = performance.now();
  await work();
  return performance.now() - began;
}

/** Queues of `count` members, and one handle of each. */
async function makeQueues(handlers: Handlers, store: Store, arenas: ArenaPool, count: number): Promise<Buffer[]> {
  const owner = { publicKey: Buffer.alloc(32), secret: lockedAlloc(64) };
  signKeypair(owner.publicKey, owner.secret);
  const handles: Buffer[] = [];
  while (handles.length < count) {
    const arena = arenas.arena();
    const call = { arena, now: NOW, authenticate: () => {}, afterCommit: () => {}, waitFor: () => {} };
    try {
      const fresh = { ownerKey: owner.publicKey, ratchetSecret: randomBytes(32), friendshipToken: randomBytes(32) };
      const { queueId } = await store.transact(arena, (tx) => handlers["qs.createQueue"](fresh, { ...call, tx }));
      const minted = await store.transact(arena, (tx) =>
        handlers["qs.mintHandles"]({ queueId, generation: 0, tags: [Buffer.alloc(16)] }, { ...call, tx }),
      );
      handles.push(...minted.handles.map((handle) => Buffer.from(handle)));
    } finally {
      arena.close();
    }
  }
  return handles;
}

async function openHouse(dir: string, members: number) {
  const masterKey = new GuardedKey(32, (memory) => memory.fill(1));
  const handleKey = new GuardedKey(32, (memory) => memory.fill(2));
  const domain = randomBytes(32);
  await createStore({ dir, masterKey });
  const store = await openStore({ dir, masterKey, reserveBytes: 0 });
  const arenas = new ArenaPool();
  const queue = makeQueueService({ domain, handleKey });
  const member = { publicKey: Buffer.alloc(32), secret: lockedAlloc(64) };
  signKeypair(member.publicKey, member.secret);
  let handles: Buffer[] = [];
  // The group stands still: what it costs to open one is the business of the benchmark `commit`.
  const send: Handler<"ds.send"> = async ({ message }, call) => {
    call.authenticate(member.publicKey);
    const item = encode(queueItem, { kind: itemKinds.application, message }, (size) => call.arena.take(size));
    await queue.enqueue(call, [{ handles, item }]);
    return {};
  };
  const handlers = { ...queue.handlers, "ds.send": send } as unknown as Handlers;
  handles = await makeQueues(handlers, store, arenas, members);
  const dispatch = makeDispatch({ domain, store, handlers });

  return {
    async send(): Promise<void> {
      const arena = arenas.arena();
      try {
        const plainHeader = encode(
          header,
          {
            version: PROTOCOL_VERSION,
            reserved: 0,
            operation: operations["ds.send"].number,
            window: windowOf(NOW),
            requestId: randomBytes(16),
            token: Buffer.alloc(TOKEN_SLOT_LENGTH),
            padding: Buffer.alloc(6),
          },
          (size) => arena.take(size),
        );
        const request = { groupId: randomBytes(16), groupKey: randomBytes(32), leaf: 0, message: randomBytes(MESSAGE) };
        const body = encode(operations["ds.send"].request, request, (size) => arena.take(size));
        const signature = sign(Buffer.alloc(64), "request", member.secret, domain, plainHeader, body);
        const payload = arena.take(body.length + signature.length);
        payload.set(body);
        payload.set(signature, body.length);
        const [name, binding] = [randomBytes(32), randomBytes(16)];
        const token = { epoch: 1, name, binding, state: "fresh", room: "spent", release: () => {} } as const;
        const { code } = await dispatch({
          operation: "ds.send",
          header: plainHeader,
          payload,
          reservations: [token],
          arena,
          now: NOW,
        });
        if (code !== 0) throw new Error(`refused: ${code}`);
      } finally {
        arena.close();
      }
    },
    async close(): Promise<void> {
      await store.close();
      masterKey.destroy();
      handleKey.destroy();
    },
  };
}

/** Nothing but: open no handle, read no record, keep no journal. */
async function openFloor(dir: string, members: number) {
  const driver = await openLevel({ dir, create: true, reserveBytes: 0 });
  const chain = lockedAlloc(32);
  const key = lockedAlloc(32);
  const item = lockedAlloc(MESSAGE + 5);
  const out = Buffer.alloc(item.length + ITEM_OVERHEAD);
  const queueId = randomBytes(16);
  const name = Buffer.alloc(24);
  const value = randomBytes(SEALED_ITEM);
  const record = randomBytes(SEALED_QUEUE);
  return {
    crypto(): Promise<void> {
      for (let i = 1; i <= members; i++) {
        sealNext(out, chain, queueId, i, item);
        derive(name, "recordName", key, queueId);
      }
      return Promise.resolve();
    },
    write(): Promise<void> {
      const pairs = Array.from({ length: members }, () => [
        { key: randomBytes(24), value },
        { key: randomBytes(24), value: record },
      ]);
      return driver.commit(pairs.flat());
    },
    close: () => driver.close(),
  };
}

export async function run({ json, members = MEMBERS }: { json: boolean; members?: number }): Promise<object> {
  const dir = mkdtempSync(join(tmpdir(), "tacet-bench-"));
  const house = await openHouse(join(dir, "store"), members);
  const floor = await openFloor(join(dir, "floor"), members);
  const [sends, crypto, writes]: [number[], number[], number[]] = [[], [], []];
  try {
    // Interleaved, so that a noisy neighbour hits all of them.
    for (let i = -WARM_UP; i < SENDS; i++) {
      const took = [await timed(house.send), await timed(floor.crypto), await timed(floor.write)] as const;
      if (i < 0) continue;
      sends.push(took[0]);
      crypto.push(took[1]);
      writes.push(took[2]);
    }
    const delay = monitorEventLoopDelay({ resolution: 1 });
    delay.enable();
    const before = process.cpuUsage();
    const busy = await echoDuring(async () => {
      for (let i = 0; i < SENDS; i++) await house.send();
    });
    const { user, system } = process.cpuUsage(before);
    delay.disable();
    const floorMs = median(crypto) + median(writes);
    const figures = {
      members,
      message_bytes: MESSAGE,
      fanout_ms: round(median(sends)),
      fanout_ms_p90: round(percentile(sends, 90)),
      // Of all threads, echo included: what a busy machine does not change.
      cpu_ms: round((user + system) / 1000 / SENDS),
      floor_crypto_ms: round(median(crypto)),
      floor_write_ms: round(median(writes)),
      ratio: Number((floorMs / median(sends)).toFixed(2)),
      loop_delay_ms_p99: round(delay.percentile(99) / 1e6),
      loop_delay_ms_max: round(delay.max / 1e6),
      echo_ms_p50: round(percentile(busy, 50)),
      echo_ms_p99: round(percentile(busy, 99)),
    };
    if (!json) console.table(figures);
    return figures;
  } finally {
    await house.close();
    await floor.close();
    rmSync(dir, { recursive: true, force: true });
  }
}
