// A wallet's state as bytes: what the client's encrypted store keeps.
import { Fault } from "../src/fault.ts";
import { lockedAlloc, wipe } from "../src/memory/locked.ts";
import { type BatchKey, finishedLengthOf, PENDING_LENGTH } from "./blinding.ts";
import { tokenClasses, tokenClassOf, type TokenClass } from "./classes.ts";
import { typeOfPublicKey } from "./types.ts";

/** One batch: asked for (`pending`), or finished with `count` tokens left. */
export interface Batch extends BatchKey {
  readonly class: TokenClass;
  readonly epoch: number;
  pending: boolean;
  count: number;
  /** Locked memory, `count` items of `itemLength` bytes; longer than that once tokens were taken. */
  items: Buffer;
}

const VERSION = 2;
const MAX_BATCHES = 255;
/** class u8 || epoch u32 || challenge digest(32) || pending u8 || count u16 || u16 length, public key, then the items. */
const HEAD_LENGTH = 42;

/** Bytes of one of a batch's items, by its public key's type: 64 while pending, then 96 or 288. */
export const itemLength = (batch: { readonly pending: boolean; readonly publicKey: Uint8Array }): number =>
  batch.pending ? PENDING_LENGTH : finishedLengthOf(typeOfPublicKey(batch.publicKey));

export const stateLength = (batches: readonly Batch[]): number =>
  batches.reduce((sum, b) => sum + HEAD_LENGTH + b.publicKey.length + b.count * itemLength(b), 2);

/** Writes the state into `out` (stateLength bytes of locked memory): version u8 || batches u8 || each batch. */
export function encodeState(out: Buffer, batches: readonly Batch[]): void {
  if (batches.length > MAX_BATCHES) throw new RangeError("batches");
  out[0] = VERSION;
  out[1] = batches.length;
  let at = 2;
  for (const batch of batches) {
    out[at] = tokenClasses[batch.class];
    out.writeUInt32BE(batch.epoch, at + 1);
    out.set(batch.challengeDigest, at + 5);
    out[at + 37] = batch.pending ? 1 : 0;
    out.writeUInt16BE(batch.count, at + 38);
    out.writeUInt16BE(batch.publicKey.length, at + 40);
    out.set(batch.publicKey, at + HEAD_LENGTH);
    at += HEAD_LENGTH + batch.publicKey.length;
    const size = batch.count * itemLength(batch);
    out.set(batch.items.subarray(0, size), at);
    at += size;
  }
}

function readKey(state: Buffer, at: number, length: number): Buffer {
  const publicKey = Buffer.from(state.subarray(at, at + length));
  try {
    typeOfPublicKey(publicKey);
    return publicKey;
  } catch {
    throw new Fault("store/corrupt");
  }
}

function readBatch(state: Buffer, at: number): { batch: Batch; end: number } {
  if (state.length - at < HEAD_LENGTH) throw new Fault("store/corrupt");
  const tokenClass = tokenClassOf(state[at]!);
  const flag = state[at + 37]!;
  const count = state.readUInt16BE(at + 38);
  const publicKey = readKey(state, at + HEAD_LENGTH, state.readUInt16BE(at + 40));
  const from = at + HEAD_LENGTH + publicKey.length;
  const end = from + count * itemLength({ pending: flag === 1, publicKey });
  if (tokenClass === undefined || flag > 1 || (flag === 1 && count === 0) || end > state.length)
    throw new Fault("store/corrupt");
  const items = lockedAlloc(Math.max(end - from, 1));
  items.set(state.subarray(from, end));
  const batch = {
    class: tokenClass,
    epoch: state.readUInt32BE(at + 1),
    publicKey,
    challengeDigest: Buffer.from(state.subarray(at + 5, at + 37)),
    pending: flag === 1,
    count,
    items,
  };
  return { batch, end };
}

/** The batches of a stored state, which the caller wipes. Fault `store/corrupt` on anything else. */
export function decodeState(bytes: Uint8Array): Batch[] {
  const state = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const batches: Batch[] = [];
  try {
    if (state.length < 2 || state[0] !== VERSION) throw new Fault("store/corrupt");
    let at = 2;
    for (let i = 0; i < state[1]!; i++) {
      const { batch, end } = readBatch(state, at);
      batches.push(batch);
      at = end;
    }
    if (at !== state.length) throw new Fault("store/corrupt");
    return batches;
  } catch (error) {
    for (const batch of batches) wipe(batch.items);
    throw error;
  }
}
