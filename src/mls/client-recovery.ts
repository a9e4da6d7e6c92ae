// The next group key for members that miss a commit: sealed by the committer to the leaf keys they still have.
// Only a commit that removes somebody needs it, since the removed must not learn that key (RFC 9420 section 5.1.3).
import type { ClientState } from "ts-mls";
import { decryptWithLabel, encryptWithLabel } from "ts-mls/crypto/hpke.js";
import { mlsGroupKeyRecovery } from "../crypto/labels.ts";
import { guarded, valid } from "./codec.ts";
import { leafOf } from "./client-state.ts";
import { cipherSuite, KEY_LENGTH } from "./suite.ts";

/** Bytes of a sealed group key: HPKE enc(32) || ciphertext(48). */
export const SEALED_KEY_LENGTH = 80;
// an entry: u16 leaf index || sealed group key
const INDEX = 2;
const ENTRY = INDEX + SEALED_KEY_LENGTH;

// group id || u64 epoch that the commit ends || u32 leaf index
function contextOf(groupId: Uint8Array, epoch: bigint, leaf: number): Uint8Array {
  const context = Buffer.alloc(groupId.length + 12);
  context.set(groupId);
  context.writeBigUInt64BE(epoch, groupId.length);
  context.writeUInt32BE(leaf, groupId.length + 8);
  return context;
}

/** `nextGroupKey` for each of `leaves` (ascending) of the epoch that ends, entries of 82 bytes one behind the other. */
export async function sealRecovery(
  state: ClientState,
  leaves: readonly number[],
  nextGroupKey: Uint8Array,
): Promise<Uint8Array> {
  const { groupId, epoch } = state.groupContext;
  const out = Buffer.alloc(ENTRY * leaves.length);
  for (const [i, leaf] of leaves.entries()) {
    const node = leafOf(state, leaf);
    valid(node !== undefined);
    const key = await cipherSuite.hpke.importPublicKey(node.hpkePublicKey);
    const context = contextOf(groupId, epoch, leaf);
    const { enc, ct } = await encryptWithLabel(key, mlsGroupKeyRecovery, context, nextGroupKey, cipherSuite.hpke);
    out.writeUInt16BE(leaf, ENTRY * i);
    out.set(enc, ENTRY * i + INDEX);
    out.set(ct, ENTRY * i + INDEX + KEY_LENGTH);
  }
  return out;
}

/** The group key behind epoch `epoch`, 32 bytes, from what was sealed for one's own leaf. Throws Fault `group/invalid`. */
export async function openRecovery(state: ClientState, epoch: number, sealed: Uint8Array): Promise<Uint8Array> {
  valid(sealed.length === SEALED_KEY_LENGTH && Number.isSafeInteger(epoch) && epoch >= 0);
  const { leafIndex, privateKeys } = state.privatePath;
  const secret = privateKeys[2 * leafIndex];
  valid(secret !== undefined);
  const context = contextOf(state.groupContext.groupId, BigInt(epoch), leafIndex);
  const [enc, ciphertext] = [sealed.subarray(0, KEY_LENGTH), sealed.subarray(KEY_LENGTH)];
  const key = await guarded(async () =>
    decryptWithLabel(
      await cipherSuite.hpke.importPrivateKey(secret),
      mlsGroupKeyRecovery,
      context,
      enc,
      ciphertext,
      cipherSuite.hpke,
    ),
  );
  valid(key.length === KEY_LENGTH);
  return key;
}
