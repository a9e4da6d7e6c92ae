// A new AS intermediate, and the end of an old one: asked for by the house, signed by the root where that is kept offline,
// taken in by the house. What an intermediate signed stays good until that one runs out or is revoked.
import { SECRET_KEY_LENGTH, sign, signKeypair, SIGNATURE_LENGTH, verify } from "../crypto/sign.ts";
import { randomFill } from "../crypto/random.ts";
import { Fault } from "../fault.ts";
import type { Arena, ArenaPool } from "../memory/arena.ts";
import { equal, lockedAlloc, wipe } from "../memory/locked.ts";
import type { Store } from "../store/store.ts";
import { decode, encode, type Codec, type ValueOf } from "../wire/codec.ts";
import { DOCUMENT_VERSION, EARLIER_MAX, intermediate, revocations, splitSigned } from "../wire/documents.ts";
import { IDENTITY, identityRecord, INTERMEDIATE_DAYS, publicOf } from "./identity.ts";

const dayOf = (now: number): number => Math.floor(now / 86400);
const refuse = (): never => {
  throw new Fault("crypto/input");
};
type IdentityRecord = ValueOf<typeof identityRecord>;

/** Runs `change` on the stored identity; what it returns besides the record is the result. */
async function changeIdentity<T>(
  store: Store,
  arenas: ArenaPool,
  change: (record: IdentityRecord, arena: Arena) => { readonly record: IdentityRecord; readonly result: T },
): Promise<T> {
  const arena = arenas.arena();
  try {
    return await store.transact(arena, async (tx) => {
      await tx.lock("server", IDENTITY);
      const stored = await tx.get("server", IDENTITY);
      if (stored === undefined) throw new Fault("store/missing");
      const { record, result } = change(decode(identityRecord, stored), arena);
      tx.put(
        "server",
        IDENTITY,
        encode(identityRecord, record, (size) => arena.take(size)),
      );
      return result;
    });
  } finally {
    arena.close();
  }
}

/** The keys revoked by a document that was verified when it was taken in; none where there is none. */
const revokedBy = (document: Uint8Array): readonly Uint8Array[] =>
  document.length === 0 ? [] : decode(revocations, splitSigned(document).body).keys;

/** The public key (32 bytes) of the intermediate to come, for the root to sign: the same until it is installed or revoked. */
export const prepareIntermediate = (store: Store, arenas: ArenaPool): Promise<Buffer> =>
  changeIdentity(store, arenas, (record, arena) => {
    const waiting = record.pendingSeed;
    const revoked = revokedBy(record.revocations);
    const isGood = (seed: Uint8Array): boolean => !revoked.some((one) => equal(one, publicOf(arena, seed)));
    const pendingSeed = waiting.length > 0 && isGood(waiting) ? waiting : randomFill(arena.take(32));
    return { record: { ...record, pendingSeed }, result: publicOf(arena, pendingSeed) };
  });

function signedByRoot<T>(
  rootSeed: Uint8Array,
  purpose: "intermediate" | "revocations",
  codec: Codec<T>,
  value: NoInfer<T>,
): Buffer {
  const secret = lockedAlloc(SECRET_KEY_LENGTH);
  try {
    signKeypair(Buffer.alloc(32), secret, rootSeed);
    const body = encode(codec, value, Buffer.alloc);
    return Buffer.concat([body, sign(Buffer.alloc(SIGNATURE_LENGTH), purpose, secret, body)]);
  } finally {
    wipe(secret);
  }
}

/** The operator's part: the document that makes `key` an intermediate for a year from `now` on. */
export const certifyIntermediate = (rootSeed: Uint8Array, key: Uint8Array, now: number): Buffer => {
  const today = dayOf(now);
  const value = { version: DOCUMENT_VERSION, key, notBefore: today, notAfter: today + INTERMEDIATE_DAYS };
  return signedByRoot(rootSeed, "intermediate", intermediate, value);
};

/** The operator's part: the list of all intermediates (32 bytes each) that were ever revoked. */
export const certifyRevocations = (
  rootSeed: Uint8Array,
  number: number,
  keys: readonly Uint8Array[],
  now: number,
): Buffer => {
  const value = { version: DOCUMENT_VERSION, number, issuedOn: dayOf(now), keys };
  return signedByRoot(rootSeed, "revocations", revocations, value);
};

const rootSigned = (document: Uint8Array, purpose: "intermediate" | "revocations", rootKey: Uint8Array): Uint8Array => {
  const { body, signature } = splitSigned(document);
  return verify(signature, purpose, rootKey, body) ? body : refuse();
};

/**
 * Makes the prepared intermediate the one that signs, from the next start on. Installing it again changes nothing. Fault
 * `crypto/input` unless the root signed it, it is the prepared one, valid today and not revoked.
 */
export const installIntermediate = (store: Store, arenas: ArenaPool, document: Buffer, now: number): Promise<void> =>
  changeIdentity(store, arenas, (record, arena) => {
    const today = dayOf(now);
    const found = decode(intermediate, rootSigned(document, "intermediate", record.rootKey));
    if (equal(document, record.intermediate)) return { record, result: undefined };
    if (record.pendingSeed.length === 0 || !equal(publicOf(arena, record.pendingSeed), found.key)) refuse();
    if (found.version !== DOCUMENT_VERSION || found.notBefore > today || found.notAfter < today) refuse();
    if (revokedBy(record.revocations).some((one) => equal(one, found.key))) refuse();
    const earlier = [record.intermediate, ...record.earlier]
      .filter((one) => decode(intermediate, splitSigned(one).body).notAfter >= today)
      .slice(0, EARLIER_MAX);
    const intermediateSeed = record.pendingSeed;
    const pendingSeed = record.pendingSeed.subarray(0, 0);
    return { record: { ...record, intermediateSeed, intermediate: document, pendingSeed, earlier }, result: undefined };
  });

/**
 * Publishes the root's list, from the next start on. Fault `crypto/input` unless the root signed it, its number is higher
 * than the last, it takes back no revocation, and it leaves the intermediate that signs: install another one first.
 */
export const installRevocations = (store: Store, arenas: ArenaPool, document: Buffer): Promise<void> =>
  changeIdentity(store, arenas, (record) => {
    const found = decode(revocations, rootSigned(document, "revocations", record.rootKey));
    if (equal(document, record.revocations)) return { record, result: undefined };
    const before =
      record.revocations.length === 0 ? undefined : decode(revocations, splitSigned(record.revocations).body);
    if (found.version !== DOCUMENT_VERSION || found.number <= (before?.number ?? 0)) refuse();
    const isRevoked = (key: Uint8Array): boolean => found.keys.some((one) => equal(one, key));
    if (before?.keys.some((one) => !isRevoked(one)) === true) refuse();
    if (isRevoked(decode(intermediate, splitSigned(record.intermediate).body).key)) refuse();
    return { record: { ...record, revocations: document }, result: undefined };
  });
