// The keys a house is born with: its onion service, its directory signature, its AS intermediate, its delivery
// service's signature, its queue handles.
import { signKeypair, sign, SECRET_KEY_LENGTH } from "../crypto/sign.ts";
import { randomFill } from "../crypto/random.ts";
import { Fault } from "../fault.ts";
import type { Arena, ArenaPool } from "../memory/arena.ts";
import { GuardedKey } from "../memory/guarded-key.ts";
import { equal } from "../memory/locked.ts";
import type { Store } from "../store/store.ts";
import { decode, bytes, encode, fixed, list, struct } from "../wire/codec.ts";
import { DOCUMENT_VERSION, EARLIER_MAX, intermediate, REVOCATIONS_MAX, splitSigned } from "../wire/documents.ts";

const key = fixed(32);
// Room `server`, name "identity". Whoever opens it can be this house; sealed under the master key.
export const identityRecord = struct({
  onionSeed: key,
  directorySeed: key,
  intermediateSeed: key,
  deliverySeed: key,
  intermediate: bytes(256),
  rootKey: key,
  handleKey: key,
  spentKey: key,
  /** Of the intermediate that waits for the root's signature, or nothing. */
  pendingSeed: bytes(32),
  earlier: list(bytes(256), EARLIER_MAX),
  revocations: bytes(REVOCATIONS_MAX),
});
export const IDENTITY = Buffer.from("identity");
/** The AS intermediate is valid this long; a new one needs the root key. Days. */
export const INTERMEDIATE_DAYS = 365;

/** A signing key whose secret half is readable only while it signs. */
export interface Signer {
  readonly publicKey: Buffer;
  readonly secret: GuardedKey;
}

export interface Identity {
  /** Public key of the onion service, which is the home domain. 32 bytes. */
  readonly domain: Buffer;
  /** 32-byte seed of the onion service's key. */
  readonly onionSeed: GuardedKey;
  readonly directory: Signer;
  readonly intermediate: Signer & { readonly document: Buffer };
  /** Signs the delivery service's own proposals, which groups know as their external sender. */
  readonly delivery: Signer;
  readonly rootKey: Buffer;
  /** Intermediates of before, and the root's list of those that count no more: documents to publish. */
  readonly earlier: readonly Buffer[];
  readonly revocations: Buffer;
  readonly handleKey: GuardedKey;
  /** Key of the digests under which spent tokens are kept. */
  readonly spentKey: GuardedKey;
}

export const publicOf = (arena: Arena, seed: Uint8Array): Buffer => {
  const publicKey = Buffer.alloc(32);
  signKeypair(publicKey, arena.take(SECRET_KEY_LENGTH), seed);
  return publicKey;
};
const signer = (seed: Uint8Array): Signer => {
  const publicKey = Buffer.alloc(32);
  const secret = new GuardedKey(SECRET_KEY_LENGTH, (memory) => signKeypair(publicKey, memory, seed));
  return { publicKey, secret };
};
const guarded = (bytes: Uint8Array): GuardedKey => new GuardedKey(bytes.length, (memory) => memory.set(bytes));

/**
 * Makes the identity of a new house. `saveRoot` gets the AS root's 32-byte seed and must put it where the operator can
 * take it offline: the house keeps only the public half. Fault `store/exists` when there is an identity already.
 */
export async function createIdentity(
  store: Store,
  arenas: ArenaPool,
  now: number,
  saveRoot: (seed: Buffer) => Promise<void>,
): Promise<void> {
  const arena = arenas.arena();
  try {
    await store.transact(arena, async (tx) => {
      await tx.lock("server", IDENTITY);
      if ((await tx.get("server", IDENTITY)) !== undefined) throw new Fault("store/exists");
      const fresh = (): Buffer => randomFill(arena.take(32));
      const [rootSeed, intermediateSeed] = [fresh(), fresh()];
      const rootSecret = arena.take(SECRET_KEY_LENGTH);
      const rootKey = Buffer.alloc(32);
      signKeypair(rootKey, rootSecret, rootSeed);
      const today = Math.floor(now / 86400);
      const body = encode(
        intermediate,
        {
          version: DOCUMENT_VERSION,
          key: publicOf(arena, intermediateSeed),
          notBefore: today,
          notAfter: today + INTERMEDIATE_DAYS,
        },
        Buffer.alloc,
      );
      const document = Buffer.concat([body, sign(Buffer.alloc(64), "intermediate", rootSecret, body)]);
      await saveRoot(rootSeed);
      const value = {
        onionSeed: fresh(),
        directorySeed: fresh(),
        intermediateSeed,
        deliverySeed: fresh(),
        intermediate: document,
        rootKey,
        handleKey: fresh(),
        spentKey: fresh(),
        pendingSeed: arena.take(0),
        earlier: [],
        revocations: arena.take(0),
      };
      tx.put(
        "server",
        IDENTITY,
        encode(identityRecord, value, (size) => arena.take(size)),
      );
    });
  } finally {
    arena.close();
  }
}

/** The identity of this house, secrets in guarded memory. Fault `store/missing` when it has none. */
export async function loadIdentity(store: Store, arenas: ArenaPool): Promise<Identity> {
  const arena = arenas.arena();
  try {
    const stored = await store.read(arena, (view) => view.get("server", IDENTITY));
    if (stored === undefined) throw new Fault("store/missing");
    const value = decode(identityRecord, stored);
    const document = Buffer.from(value.intermediate);
    const certified = decode(intermediate, splitSigned(document).body);
    const issuing = signer(value.intermediateSeed);
    if (!equal(certified.key, issuing.publicKey)) throw new Fault("store/corrupt");
    return {
      domain: publicOf(arena, value.onionSeed),
      onionSeed: guarded(value.onionSeed),
      directory: signer(value.directorySeed),
      intermediate: { ...issuing, document },
      delivery: signer(value.deliverySeed),
      rootKey: Buffer.from(value.rootKey),
      earlier: value.earlier.map((one) => Buffer.from(one)),
      revocations: Buffer.from(value.revocations),
      handleKey: guarded(value.handleKey),
      spentKey: guarded(value.spentKey),
    };
  } finally {
    arena.close();
  }
}

/** Wipes every secret of the identity. */
export function destroyIdentity(identity: Identity): void {
  for (const { secret } of [identity.directory, identity.intermediate, identity.delivery]) secret.destroy();
  for (const secret of [identity.onionSeed, identity.handleKey, identity.spentKey]) secret.destroy();
}
