import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { verifyDirectory, type ServerDirectory } from "../../src/client/directory.ts";
import { randomBytes, randomFill } from "../../src/crypto/random.ts";
import { buildDirectory } from "../../src/house/directory.ts";
import { createIdentity, destroyIdentity, loadIdentity, type Identity } from "../../src/house/identity.ts";
import {
  certifyIntermediate,
  certifyRevocations,
  installIntermediate,
  installRevocations,
  prepareIntermediate,
} from "../../src/house/intermediate.ts";
import { ArenaPool } from "../../src/memory/arena.ts";
import { GuardedKey } from "../../src/memory/guarded-key.ts";
import { createStore, openStore, type Store } from "../../src/store/store.ts";

const DAY = 86400;
const NOW = 20_000 * DAY + 500;

describe("house/intermediate", () => {
  const arenas = new ArenaPool([[16 << 10, 8]]);
  const masterKey = new GuardedKey(32, (memory) => void randomFill(memory));
  const rootSeed = Buffer.alloc(32);
  let dir: string;
  let store: Store;
  const open = async () => (store = await openStore({ dir: join(dir, "data"), masterKey, reserveBytes: 0 }));
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), "tacet-intermediate-"));
    await createStore({ dir: join(dir, "data"), masterKey });
    await open();
    await createIdentity(store, arenas, NOW, async (seed) => rootSeed.set(seed));
  });
  afterEach(async () => {
    await store.close();
    await rm(dir, { recursive: true, force: true });
    assert.equal(arenas.open, 0);
  });

  const loaded = async <T>(work: (identity: Identity) => T): Promise<T> => {
    await store.close();
    await open();
    const identity = await loadIdentity(store, arenas);
    try {
      return work(identity);
    } finally {
      destroyIdentity(identity);
    }
  };
  /** What a client makes of the directory that the house publishes. */
  const published = (now = NOW): Promise<ServerDirectory> =>
    loaded((identity) => {
      const envelopeKeys = [{ publicKey: randomBytes(32), notAfter: now + 600 }];
      const terms = { issuers: [], registration: 0, effort: 0, workSeed: Buffer.alloc(32) };
      return verifyDirectory(
        buildDirectory(identity, { envelopeKeys, ...terms }, now),
        identity.domain,
        undefined,
        now,
      );
    });
  const rotate = async (now = NOW): Promise<Buffer> => {
    const key = await prepareIntermediate(store, arenas);
    await installIntermediate(store, arenas, certifyIntermediate(rootSeed, key, now), now);
    return key;
  };
  const refused = { code: "crypto/input" };

  it("is replaced by one that the offline root has signed; what the old one signed still counts", async () => {
    const [first] = (await published()).issuerKeys;
    const key = await prepareIntermediate(store, arenas);
    assert.deepEqual((await published()).issuerKeys, [first]); // nothing has changed yet
    assert.deepEqual(await prepareIntermediate(store, arenas), key);
    const document = certifyIntermediate(rootSeed, key, NOW);
    await installIntermediate(store, arenas, document, NOW);
    await installIntermediate(store, arenas, document, NOW); // a retry
    assert.deepEqual((await published()).issuerKeys, [key, first]);
    await loaded(({ intermediate }) => assert.deepEqual(intermediate.publicKey, key));
    assert.notDeepEqual(await prepareIntermediate(store, arenas), key);
  });

  it("is forgotten when it has run out, four of before at most", async () => {
    const [first] = (await published()).issuerKeys;
    const later = NOW + 300 * DAY;
    const second = await rotate(later);
    assert.deepEqual((await published(NOW + 365 * DAY)).issuerKeys, [second, first]);
    assert.deepEqual((await published(NOW + 366 * DAY)).issuerKeys, [second]);
    const keys = [second];
    for (let i = 0; i < 5; i++) keys.unshift(await rotate(later));
    assert.deepEqual((await published(later)).issuerKeys, keys.slice(0, 5));
  });

  it("is taken from nobody but the root, for the prepared key, and in its time", async () => {
    const key = await prepareIntermediate(store, arenas);
    for (const [document, now] of [
      [certifyIntermediate(randomBytes(32), key, NOW), NOW],
      [certifyIntermediate(rootSeed, randomBytes(32), NOW), NOW],
      [certifyIntermediate(rootSeed, key, NOW + DAY), NOW],
      [certifyIntermediate(rootSeed, key, NOW - 366 * DAY), NOW],
      [certifyRevocations(rootSeed, 1, [key], NOW), NOW],
    ] as const) {
      await assert.rejects(installIntermediate(store, arenas, document, now), refused);
    }
    const good = certifyIntermediate(rootSeed, key, NOW);
    await assert.rejects(
      installIntermediate(store, arenas, Buffer.from(good.map((byte, i) => (i === 3 ? byte ^ 1 : byte))), NOW),
      refused,
    );
    await installIntermediate(store, arenas, good, NOW); // control
  });

  it("is revoked by the root's list alone, which only grows", async () => {
    const { issuerKeys } = await published();
    const first = Buffer.from(issuerKeys[0]!);
    const revoke = (number: number, keys: Uint8Array[], seed: Uint8Array = rootSeed) =>
      installRevocations(store, arenas, certifyRevocations(seed, number, keys, NOW));
    await assert.rejects(revoke(1, [first]), refused); // it signs: another one first
    const second = await rotate();
    await assert.rejects(revoke(1, [first], randomBytes(32)), refused);
    await assert.rejects(revoke(0, [first]), refused);
    assert.deepEqual((await published()).issuerKeys, [second, first]);
    await revoke(1, [first]);
    await revoke(1, [first]); // a retry
    const now = await published();
    assert.deepEqual([now.issuerKeys, now.revoked], [[second], 1]);
    for (const [number, keys] of [
      [1, [first, randomBytes(32)]],
      [2, []],
      [2, [first, second]],
    ] as const) {
      await assert.rejects(revoke(number, [...keys]), refused);
    }
    const stray = await prepareIntermediate(store, arenas);
    await revoke(2, [first, stray]);
    await assert.rejects(installIntermediate(store, arenas, certifyIntermediate(rootSeed, stray, NOW), NOW), refused);
    assert.notDeepEqual(await rotate(), stray);
  });
});
