// A wallet's state as bytes: what the client's encrypted store keeps.
import { Fault } from "../src/fault.ts";
import { lockedAlloc, wipe } from "../src/memory/locked.ts";
import { FINISHED_LENGTH, PENDING_LENGTH, type BatchKey } from "./blinding.ts";
import { tokenClasses, tokenClassOf, type TokenClass } from "./classes.ts";

/** One batch: asked for (`pending`), or finished with `count` tokens left. */
export interface Batch extends BatchKey {
  readonly class: TokenClass;
  readonly epoch: number;
  pending: boolean;
  count: number;
  /** Locked memory, `count` items of 64 (pending) or 96 bytes; longer than that once tokens were taken. */
  items: Buffer;
}

const VERSION = 1;
const MAX_BATCHES = 255;
/** class u8 || epoch u32 || public key(32) || challenge digest(32) || pending u8 || count u16, then the items. */
const HEAD_LENGTH = 72;

export const itemLength = (batch: { readonly pending: boolean }): number =>
  batch.pending ? PENDING_LENGTH : FINISHED_LENGTH;

export const stateLength = (batches: readonly Batch[]): number =>
  batches.reduce((sum, batch) => sum + HEAD_LENGTH + batch.count * itemLength(batch), 2);

/** Writes the state into `out` (stateLength bytes of locked memory): version u8 || batches u8 || each batch. */
export function encodeState(out: Buffer, batches: readonly Batch[]): void {
  if (batches.length > MAX_BATCHES) throw new RangeError("batches");
  out[0] = VERSION;
  out[1] = batches.length;
  let at = 2;
  for (const batch of batches) {
    out[at] = tokenClasses[batch.class];
    out.writeUInt32BE(batch.epoch, at + 1);
    out.set(batch.publicKey, at + 5);
    out.set(batch.challengeDigest, at + 37);
    out[at + 69] = batch.pending ? 1 : 0;
    out.writeUInt16BE(batch.count, at + 70);
    at += HEAD_LENGTH;
    const size = batch.count * itemLength(batch);
    out.set(batch.items.subarray(0, size), at);
    at += size;
  }
}

function readBatch(state: Buffer, at: number): { batch: Batch; end: number } {
  if (state.length - at < HEAD_LENGTH) throw new Fault("store/corrupt");
  const tokenClass = tokenClassOf(state[at]!);
  const flag = state[at + 69]!;
  const count = state.readUInt16BE(at + 70);
  const from = at + HEAD_LENGTH;
  const end = from + count * itemLength({ pending: flag === 1 });
  if (tokenClass === undefined || flag > 1 || (flag === 1 && count === 0) || end > state.length)
    throw new Fault("store/corrupt");
  const items = lockedAlloc(Math.max(end - from, 1));
  items.set(state.subarray(from, end));
  const batch = {
    class: tokenClass,
    epoch: state.readUInt32BE(at + 1),
    publicKey: Buffer.from(state.subarray(at + 5, at + 37)),
    challengeDigest: Buffer.from(state.subarray(at + 37, at + 69)),
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
