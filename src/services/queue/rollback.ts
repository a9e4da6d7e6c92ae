// What becomes of queues and KeyPackages that were set back to an older state: nothing of them is used twice.
import { CHAIN_LENGTH } from "../../crypto/ratchet.ts";
import { Fault } from "../../fault.ts";
import { decode, encode } from "../../wire/codec.ts";
import { keyPackageRecord, queueRecord, waitingBytes, type QueueRecord } from "./records.ts";

/** More items than a queue can have got since the state that it was set back to. */
const JUMP = 2 ** 20;
/** As many bytes seem to wait in a stopped queue: nothing fits beside them. */
const FULL = 0xffff_ffff;

type Allocate = (size: number) => Buffer;

/**
 * A queue without a ratchet: it takes nothing, and says to be full, until its owner gives it a new secret. Its numbers go
 * on behind all that were ever used, and the items that waited are gone: the caller deletes them. Undefined for a record
 * of the room that is no queue.
 */
export function stopQueue(record: Buffer, allocate: Allocate): Buffer | undefined {
  let queue: QueueRecord;
  try {
    queue = decode(queueRecord, record);
  } catch (error) {
    if (error instanceof Fault) return undefined;
    throw error;
  }
  const next = queue.next + JUMP;
  const stopped = {
    ...queue,
    chain: Buffer.alloc(CHAIN_LENGTH),
    next,
    acknowledged: next - 1,
    lostBefore: next,
    released: (queue.written - FULL) >>> 0,
    keyPackages: 0,
    keyPackagesExpired: 1,
  };
  return encode(queueRecord, stopped, allocate);
}

/** What a queue that has a new secret has released: all, where it was stopped. */
export const releasedAnew = (queue: Pick<QueueRecord, "written" | "released">): number =>
  waitingBytes(queue) === FULL ? queue.written : queue.released;

/** The record without KeyPackages for one use. What was published before may be published again. */
export function dropKeyPackages(record: Buffer, allocate: Allocate): Buffer {
  const value = decode(keyPackageRecord, record);
  return encode(keyPackageRecord, { ...value, keyPackages: [], publications: [] }, allocate);
}
