// What the queuing service stores: the queue itself, and the KeyPackages of its owner.
import { derive } from "../../crypto/derive.ts";
import type { Call } from "../ports.ts";
import { decode, encode, fixed, list, struct, u16, u32, u48, u8, type Codec, type ValueOf } from "../../wire/codec.ts";
import { publishedKeyPackage } from "../../wire/documents.ts";
import { operations } from "../../wire/operations.ts";

const id = fixed(16);
const key = fixed(32);

/** More publications than an owner makes while a request of its own can be replayed (PROTOCOL.md section 5). */
export const PUBLICATIONS = 16;

/** What a queue's record begins with: all that an item needs, which is read and written for each. */
const stateFields = {
  /** The ratchet's value for item `next`. */
  chain: key,
  /** The number of the item that comes next; the first is 1. */
  next: u48,
  /** Items up to this number are acknowledged and gone. */
  acknowledged: u48,
  /** 0, or the number before which items were last refused because the queue was full. */
  lostBefore: u48,
  /** Bytes of all items up to `next`, and of those up to `acknowledged`; modulo 2^32, from a random start. */
  written: u32,
  released: u32,
  /** Handles of an earlier generation lead nowhere. */
  handleGeneration: u32,
  /** How many are on the last blocklist (room `queue`, under `blocklistName`). */
  blocked: u16,
};
export const queueState = struct(stateFields);
export type QueueState = ValueOf<typeof queueState>;

/** Room `queue`, name = queue id. Its lock covers the items in room `queueItem` of the same name. */
export const queueRecord = struct({
  ...stateFields,
  ownerKey: key,
  /** The number of that list. */
  blockNumber: u32,
  /** Day since 1970 on which the queue is looked at, and its place in that day's row (room `queueLook`). */
  lookDay: u16,
  lookSlot: u48,
  /** Items up to this number became too old before they were acknowledged; 0 for none. */
  expired: u48,
  /** How often the owner put the chain on a new secret, and the first item on the last one. */
  generation: u32,
  from: u48,
  /** Where the queue's friendship is filed. Changed under the lock of `keyPackage` of the same name. */
  friendship: key,
  /** KeyPackages for one use that are left, whether any has run out since they were published, the first day after which one does. */
  keyPackages: u8,
  keyPackagesExpired: u8,
  keyPackagesUntil: u16,
  /** Month in which the owner last read or published: months of 30.44 days since 1970. */
  month: u16,
});
export type QueueRecord = ValueOf<typeof queueRecord>;

/** The part of a queue's record that holds its state, in place. */
export const stateOf = (record: Buffer): Buffer => record.subarray(0, STATE_LENGTH);
const STATE_LENGTH = 32 + 3 * 6 + 3 * 4 + 2;

/** Bytes of items that wait: they are fewer than 2^32, so the difference is exact. */
export const waitingBytes = ({ written, released }: Pick<QueueRecord, "written" | "released">): number =>
  (written - released) >>> 0;

/** Room `queueItem`, name = queue id: `written` with this item (u32), day since 1970 (u16), then the sealed item. */
export const ITEM_MARK = 6;
export const writtenOf = (item: Buffer): number => item.readUInt32BE();
export const dayOfItem = (item: Buffer): number => item.readUInt16BE(4);

/** Room `keyPackage`, name = queue id. */
export const keyPackageRecord = struct({
  keyPackages: list(publishedKeyPackage, operations["qs.publish"].limits.keyPackages),
  /** One, until it has run out. */
  lastResort: list(publishedKeyPackage, 1),
  /** Digests of the last publications, the newest first: publishing one of them again changes nothing. */
  publications: list(key, PUBLICATIONS),
  /** Day since 1970 of the last claim, and how many there were on it. */
  claimDay: u16,
  claims: u16,
});

export type KeyPackageRecord = ValueOf<typeof keyPackageRecord>;

/** Room `friendship`, name = digest of the friendship token. */
export const friendshipRecord = struct({ queueId: id });

/** The name under which a friendship token's queue is filed. The token is random: no key is needed to hide it. */
export const friendshipName = (call: Call, token: Uint8Array): Buffer =>
  derive(call.arena.take(32), "friendship", undefined, token);

export const DAY = 86_400;
export const dayOf = (unixSeconds: number): number => Math.floor(unixSeconds / DAY);
const MONTH_SECONDS = 2_629_746;
export const monthOf = (unixSeconds: number): number => Math.floor(unixSeconds / MONTH_SECONDS);

/** The record of `name`, in the arena, or undefined. */
export async function load<T>(
  call: Pick<Call, "tx" | "arena">,
  room: "queue" | "keyPackage" | "friendship",
  codec: Codec<T>,
  name: Uint8Array,
): Promise<T | undefined> {
  const record = await call.tx.get(room, name);
  return record && decode(codec, record);
}

export function save<T>(
  call: Pick<Call, "tx" | "arena">,
  room: "queue" | "keyPackage" | "friendship",
  codec: Codec<T>,
  name: Uint8Array,
  value: T,
): void {
  call.tx.put(
    room,
    name,
    encode(codec, value, (size) => call.arena.take(size)),
  );
}
