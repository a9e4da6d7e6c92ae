// What a commit costs the house, step by step and whole, beside the work that no checked and durable commit can do without.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openInto, SEAL_OVERHEAD, sealInto } from "../../src/crypto/aead.ts";
import { derive } from "../../src/crypto/derive.ts";
import { sha256 } from "../../src/crypto/hash.ts";
import { ed25519Sign, ed25519Verify } from "../../src/crypto/mls-provider.ts";
import { randomBytes } from "../../src/crypto/random.ts";
import { ITEM_OVERHEAD, sealNext } from "../../src/crypto/ratchet.ts";
import { SIGNATURE_LENGTH, signKeypair } from "../../src/crypto/sign.ts";
import { ArenaPool, type Arena } from "../../src/memory/arena.ts";
import { GuardedKey } from "../../src/memory/guarded-key.ts";
import { lockedAlloc } from "../../src/memory/locked.ts";
import type { PendingCommit } from "../../src/mls/client-results.ts";
import type { ClientGroup } from "../../src/mls/client.ts";
import { PublicGroup } from "../../src/mls/public-group.ts";
import { saveGroup } from "../../src/services/delivery/group-state.ts";
import { LEAF_SET_LENGTH } from "../../src/services/delivery/leaf-set.ts";
import { makeDeliveryService } from "../../src/services/delivery/service.ts";
import { makeDispatch } from "../../src/services/dispatch.ts";
import type { Call, Handlers } from "../../src/services/ports.ts";
import { makeQueueService } from "../../src/services/queue/service.ts";
import { openLevel } from "../../src/store/level-driver.ts";
import { sealedLength } from "../../src/store/sealing.ts";
import { createStore, openStore, type Transaction } from "../../src/store/store.ts";
import { encode } from "../../src/wire/codec.ts";
import { itemKinds, queueItem } from "../../src/wire/documents.ts";
import { header, PROTOCOL_VERSION, TOKEN_SLOT_LENGTH, windowOf } from "../../src/wire/frame.ts";
import { operations } from "../../src/wire/operations.ts";
import { buildGroup } from "./commit-group.ts";
import { percentile } from "./tokens/echo.ts";

export const describe =
  "a path commit at 2, 100 and 1000 members: median ms of check, open, seal, fan-out and whole, beside bare crypto and a bare synced batch";

const SIZES = [
  { members: 2, step: 1, rounds: 41 },
  { members: 100, step: 8, rounds: 41 },
  { members: 1000, step: 24, rounds: 25 },
];
const WARM_UP = 5;
/** Signatures of a commit: request, message, leaf, GroupInfo; and about how long what they sign is, but for the message. */
const SIGNED = [700, 300, 300] as const;

const median = (values: readonly number[]): number => percentile(values, 50);
const round = (value: number): number => Math.round(value * 100) / 100;

async function timed<T>(into: number[], work: () => T | Promise<T>): Promise<T> {
  const began = performance.now();
  const result = await work();
  into.push(performance.now() - began);
  return result;
}

const allocated =
  (arena: Arena) =>
  (size: number): Buffer =>
    arena.take(size);

async function openHouse(dir: string, now: number) {
  const masterKey = new GuardedKey(32, (memory) => memory.fill(1));
  const handleKey = new GuardedKey(32, (memory) => memory.fill(2));
  const domain = randomBytes(32);
  await createStore({ dir, masterKey });
  const store = await openStore({ dir, masterKey, reserveBytes: 0 });
  const arenas = new ArenaPool();
  const queue = makeQueueService({ domain, handleKey });
  const sender = { publicKey: Buffer.alloc(32), secret: lockedAlloc(64) };
  signKeypair(sender.publicKey, sender.secret);
  const signer = {
    publicKey: sender.publicKey,
    sign: (out: Uint8Array, message: Uint8Array) => ed25519Sign(out, message, sender.secret),
  };
  const handlers = {
    ...queue.handlers,
    ...makeDeliveryService({ queue, signer }),
  } as unknown as Handlers;
  const dispatch = makeDispatch({ domain, store, handlers });

  const within = async <T>(work: (arena: Arena) => Promise<T>): Promise<T> => {
    const arena = arenas.arena();
    try {
      return await work(arena);
    } finally {
      arena.close();
    }
  };
  const call = <T>(work: (call: Call) => Promise<T>): Promise<T> =>
    within((arena) => {
      const nothing = { authenticate: () => {}, afterCommit: () => {}, waitFor: () => {} };
      return store.transact(arena, (tx: Transaction) => work({ arena, tx, now, ...nothing }));
    });

  return {
    senderKey: sender.publicKey,
    /** A handle of a new queue. */
    async handle(): Promise<Buffer> {
      const fresh = { ownerKey: randomBytes(32), ratchetSecret: randomBytes(32), friendshipToken: randomBytes(32) };
      return call(async (c) => {
        const { queueId } = await handlers["qs.createQueue"](fresh, c);
        const { handles } = await handlers["qs.mintHandles"]({ queueId, generation: 0, tags: [Buffer.alloc(16)] }, c);
        return Buffer.from(handles[0] ?? []);
      });
    },
    found: (groupId: Uint8Array, groupKey: Uint8Array, group: PublicGroup): Promise<void> =>
      call(async (c) =>
        saveGroup(c, { groupId, groupKey }, group, { joined: false, voters: c.arena.take(LEAF_SET_LENGTH) }),
      ),
    fanOut: (message: Uint8Array, handles: readonly Uint8Array[]): Promise<unknown> =>
      call((c) => {
        const item = encode(queueItem, { kind: itemKinds.commit, message }, allocated(c.arena));
        return queue.enqueue(c, [{ handles, item }]);
      }),
    /** The request as it stands once its envelope is open and its token is held. */
    commit(by: ClientGroup, groupKey: Uint8Array, made: PendingCommit): () => Promise<void> {
      const fields = {
        version: PROTOCOL_VERSION,
        reserved: 0,
        operation: operations["ds.commit"].number,
        window: windowOf(now),
        requestId: randomBytes(16),
        token: Buffer.alloc(TOKEN_SLOT_LENGTH),
        padding: Buffer.alloc(6),
      };
      const plain = Buffer.from(encode(header, fields, Buffer.alloc));
      const { commit, groupInfo, nextGroupKey } = made;
      const [welcome, recovery] = [Buffer.alloc(0), Buffer.alloc(0)];
      const { groupId, ownLeaf: leaf } = by;
      const request = { groupId, groupKey, nextGroupKey, leaf, commit, groupInfo, welcome, recovery };
      const body = encode(operations["ds.commit"].request, request, Buffer.alloc);
      const signature = by.signWithLeaf("request", domain, plain, body);
      return () =>
        within(async (arena) => {
          const payload = arena.take(body.length + SIGNATURE_LENGTH);
          payload.set(body);
          payload.set(signature, body.length);
          const [name, binding] = [randomBytes(32), randomBytes(16)];
          const token = { epoch: 1, name, binding, state: "fresh", room: "spent", release: () => {} } as const;
          const asked = { operation: "ds.commit", header: plain, payload, reservations: [token], arena, now } as const;
          const { code } = await dispatch(asked);
          if (code !== 0) throw new Error(`refused: ${code}`);
        });
    },
    async close(): Promise<void> {
      await store.close();
      masterKey.destroy();
      handleKey.destroy();
    },
  };
}

/** Nothing but: keep no transaction, decode nothing, follow no rule. */
async function openFloor(dir: string) {
  const driver = await openLevel({ dir, create: true, reserveBytes: 0 });
  const [chain, key, publicKey, secret] = [lockedAlloc(32), lockedAlloc(32), Buffer.alloc(32), lockedAlloc(64)];
  signKeypair(publicKey, secret);
  const queueId = randomBytes(16);
  const [name, hash] = [Buffer.alloc(24), Buffer.alloc(32)];
  return {
    /** Signatures, hashes, state opened and sealed, and each queue's item sealed and named. */
    prepare(commit: Uint8Array, state: Buffer, members: number) {
      const sealed = sealInto(lockedAlloc(state.length + SEAL_OVERHEAD), state, queueId, key);
      const opened = lockedAlloc(state.length);
      const item = lockedAlloc(commit.length + 5);
      const out = Buffer.alloc(item.length + ITEM_OVERHEAD);
      const signed = [commit.length, ...SIGNED].map((length) => {
        const message = randomBytes(length);
        const signature = Buffer.alloc(SIGNATURE_LENGTH);
        ed25519Sign(signature, message, secret);
        return { message, signature };
      });
      const hashes = 2 * Math.ceil(Math.log2(members)) + 2;
      const value = randomBytes(sealedLength(out.length + 4));
      const record = randomBytes(sealedLength(160));
      return {
        crypto(): void {
          for (const { message, signature } of signed) ed25519Verify(publicKey, message, signature);
          sha256(hash, commit);
          for (let i = 0; i < hashes; i++) sha256(hash, hash, key, hash, key);
          openInto(opened, sealed, queueId, key);
          sealInto(sealed, opened, queueId, key);
          for (let i = 1; i <= members; i++) {
            sealNext(out, chain, queueId, i, item);
            derive(name, "recordName", key, queueId);
          }
        },
        write(): Promise<void> {
          const pairs = Array.from({ length: members }, () => [
            { key: randomBytes(24), value },
            { key: randomBytes(24), value: record },
          ]);
          return driver.commit([...pairs.flat(), { key: queueId, value: sealed }]);
        },
      };
    },
    close: () => driver.close(),
  };
}

type House = Awaited<ReturnType<typeof openHouse>>;

interface Step {
  readonly commit: Uint8Array;
  readonly groupInfo: Uint8Array;
  readonly ask: () => Promise<void>;
}

/** Founds a group at the house and makes all commits that are to come: members' work is not what is measured. */
async function prepare(house: House, handles: readonly Uint8Array[], size: (typeof SIZES)[number], now: number) {
  const { senderKey } = house;
  const { groupId, state, members } = await buildGroup(handles, { step: size.step, senderKey, now });
  // They take turns: each confirms the other's commit and begins a run of its own, the more expensive case.
  let [by, other] = members;
  await house.found(groupId, await by.groupKey(), PublicGroup.decode(state));
  const steps: Step[] = [];
  while (steps.length < WARM_UP + size.rounds) {
    const made = await by.commit({ now });
    const { commit, groupInfo } = made;
    steps.push({ commit, groupInfo, ask: house.commit(by, await by.groupKey(), made) });
    const received = await other.receive(commit);
    if (received.kind !== "commit") throw new Error("no commit");
    received.settle();
    made.settle();
    [by, other] = [received.next, made.next];
  }
  return { groupId, state, steps };
}

const NAMES = ["validate", "open_decode", "encode_seal", "fanout", "total", "floor_crypto", "floor_write"] as const;
type Took = Record<(typeof NAMES)[number], number[]>;
const nothingYet = () => Object.fromEntries(NAMES.map((name) => [name, [] as number[]])) as Took;

/** Figures of one size, by name. */
async function measure(dir: string, size: (typeof SIZES)[number]): Promise<Record<string, number>> {
  const now = Math.floor(Date.now() / 1000);
  const house = await openHouse(join(dir, `store-${size.members}`), now);
  const floor = await openFloor(join(dir, `floor-${size.members}`));
  try {
    const handles: Buffer[] = [];
    while (handles.length < size.members) handles.push(await house.handle());
    const prepared = await prepare(house, handles, size, now);
    const { groupId, steps } = prepared;
    let { state } = prepared;
    let took = nothingYet();
    // of all threads: less than the time on the clock tells of neighbours and of the disk, more of work in the background
    const cpu: number[] = [];
    const key = randomBytes(32);
    for (const [i, { commit, groupInfo, ask }] of steps.entries()) {
      if (i === WARM_UP) took = nothingYet();
      const sealed = sealInto(Buffer.alloc(state.length + SEAL_OVERHEAD), state, groupId, key);
      const opened = Buffer.alloc(state.length);
      const group = await timed(took.open_decode, () => PublicGroup.decode(openInto(opened, sealed, groupId, key)));
      const staged = await timed(took.validate, () => group.validateCommit({ commit, groupInfo, now }));
      const out = Buffer.alloc(staged.next.encodedLength + SEAL_OVERHEAD);
      const bare = floor.prepare(commit, state, size.members);
      state = await timed(took.encode_seal, () => {
        const plain = Buffer.alloc(out.length - SEAL_OVERHEAD);
        staged.next.encodeInto(plain);
        sealInto(out, plain, groupId, key);
        return plain;
      });
      staged.next.wipe();
      group.wipe();
      // Interleaved, so that a noisy neighbour hits all of them.
      await timed(took.floor_crypto, () => bare.crypto());
      await timed(took.floor_write, () => bare.write());
      await timed(took.fanout, () => house.fanOut(commit, handles));
      const before = process.cpuUsage();
      await timed(took.total, ask);
      const { user, system } = process.cpuUsage(before);
      cpu.push((user + system) / 1000);
    }
    const floorMs = median(took.floor_crypto) + median(took.floor_write);
    return {
      members: size.members,
      state_bytes: state.length,
      commit_bytes: steps.at(-1)?.commit.length ?? 0,
      ...Object.fromEntries(NAMES.map((name) => [`${name}_ms`, round(median(took[name]))])),
      total_cpu_ms: round(median(cpu.slice(WARM_UP))),
      total_ms_p90: round(percentile(took.total, 90)),
      ratio: round(floorMs / median(took.total)),
    };
  } finally {
    await house.close();
    await floor.close();
  }
}

export async function run({ json }: { json: boolean }): Promise<object> {
  const dir = mkdtempSync(join(tmpdir(), "tacet-bench-"));
  try {
    const figures: Record<string, number>[] = [];
    for (const size of SIZES) {
      if (!json) console.log(`${size.members} members`);
      figures.push(await measure(dir, size));
    }
    if (!json) console.table(figures);
    return { commits: figures };
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}
