// The symmetric ratchet that seals a queue's items: once an item is sealed, what the server still holds cannot open it.
// chain(n+1) = derive(ratchetNext, chain(n), u48 n), item key(n) = derive(ratchetMessage, chain(n), u48 n); the item is
// sealed under its key with queue id || u48 n as associated data. n counts from 1; chain(1) is the secret the owner gave.
import { lockedAlloc, wipe } from "../memory/locked.ts";
import { openInto, sealInto, SEAL_OVERHEAD } from "./aead.ts";
import { Layout } from "./derive.ts";

/** Bytes of a chain value. */
export const CHAIN_LENGTH = 32;
/** Bytes that the ratchet adds to an item. */
export const ITEM_OVERHEAD = SEAL_OVERHEAD;

const SEQUENCE_LENGTH = 6;
const ID_LENGTH = 16;
const key = lockedAlloc(CHAIN_LENGTH);
const next = lockedAlloc(CHAIN_LENGTH);
const associated = lockedAlloc(ID_LENGTH + SEQUENCE_LENGTH);
const number = associated.subarray(ID_LENGTH);
const message = new Layout("ratchetMessage", SEQUENCE_LENGTH);
const successor = new Layout("ratchetNext", SEQUENCE_LENGTH);

function step<T>(chain: Uint8Array, queueId: Uint8Array, sequence: number, work: () => T): T {
  try {
    associated.set(queueId);
    number.writeUIntBE(sequence, 0, SEQUENCE_LENGTH);
    message.parts[0]!.set(number);
    successor.parts[0]!.set(number);
    message.derive(key, chain);
    successor.derive(next, chain);
    const result = work();
    chain.set(next);
    return result;
  } finally {
    wipe(key, next, associated);
  }
}

/**
 * Seals `item` into `out` (item.length + 40 bytes) as number `sequence` of the queue (id 16 bytes) and overwrites
 * `chain` (32 locked bytes) with its successor.
 */
export function sealNext(
  out: Uint8Array,
  chain: Uint8Array,
  queueId: Uint8Array,
  sequence: number,
  item: Uint8Array,
): void {
  step(chain, queueId, sequence, () => sealInto(out, item, associated, key));
}

/**
 * Opens `sealed` into `out` (sealed.length - 40 bytes) and overwrites `chain` with its successor. Throws Fault
 * `crypto/open` and leaves `chain` as it was when this is not the item that comes next on it.
 */
export function openNext(
  out: Uint8Array,
  chain: Uint8Array,
  queueId: Uint8Array,
  sequence: number,
  sealed: Uint8Array,
): void {
  step(chain, queueId, sequence, () => openInto(out, sealed, associated, key));
}

/** Moves `chain` from item `from` on to item `to` without opening what lies between: it never came. */
export function skipTo(chain: Uint8Array, from: number, to: number): void {
  try {
    for (let sequence = from; sequence < to; sequence++) {
      successor.parts[0]!.writeUIntBE(sequence, 0, SEQUENCE_LENGTH);
      successor.derive(next, chain);
      chain.set(next);
    }
  } finally {
    wipe(next);
  }
}
