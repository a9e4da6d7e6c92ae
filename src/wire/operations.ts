// The operation table: what may be asked of the house, by whom, for which token, in which sizes, within which limits.
import { bytes, fixed, list, struct, u32, u48, u8, type ValueOf } from "./codec.ts";
import { publishedKeyPackage, SEALED_ITEM_MAX, SEALED_KEY_PACKAGE_MAX } from "./documents.ts";
import { id, key, nothing, operation, small } from "./operation.ts";
import { authOperations, MAX_BATCH } from "./operations-auth.ts";
import { deliveryOperations, QUEUE_HANDLE_LENGTH } from "./operations-delivery.ts";

export type { TokenClass } from "./operation.ts";

export { MAX_BATCH, QUEUE_HANDLE_LENGTH };
export const MAX_PRICE = 4;
/** Tags on a queue's blocklist, and the bytes of a digest. */
export const BLOCKED_MAX = 1000;
export const BLOCKED_LENGTH = 16;

export const operations = {
  ...authOperations,
  "qs.createQueue": operation({
    number: 20,
    service: "queue",
    caller: "anonymous",
    token: "create",
    price: 4,
    size: small,
    limits: { queuesPerToken: 1 },
    request: struct({ ownerKey: key, ratchetSecret: key, friendshipToken: key }),
    reply: struct({ queueId: id }),
  }),
  "qs.publish": operation({
    number: 21,
    service: "queue",
    caller: "queue",
    token: "none",
    price: 0,
    size: { request: "medium", reply: "small" },
    limits: { keyPackages: 20, lifetimeDays: 90 },
    /** Replaces all published before. */
    request: struct({
      queueId: id,
      keyPackages: list(publishedKeyPackage, 20),
      lastResort: publishedKeyPackage,
    }),
    reply: nothing,
  }),
  "qs.claim": operation({
    number: 22,
    service: "queue",
    caller: "anonymous",
    token: "connect",
    price: 1,
    size: small,
    limits: { keyPackagesPerToken: 1, claimsPerTargetAndDay: 100 },
    request: struct({ friendshipToken: key }),
    reply: struct({ keyPackage: bytes(SEALED_KEY_PACKAGE_MAX) }),
  }),
  "qs.mintHandles": operation({
    number: 23,
    service: "queue",
    caller: "queue",
    token: "none",
    price: 0,
    size: small,
    limits: { handles: 32 },
    /** One handle for each tag, 16 bytes of the owner's choice; `generation`: the current one of the queue, or the next. */
    request: struct({ queueId: id, generation: u32, tags: list(id, 32) }),
    reply: struct({ handles: list(fixed(QUEUE_HANDLE_LENGTH), 32) }),
  }),
  "qs.read": operation({
    number: 24,
    service: "queue",
    caller: "queue",
    token: "none",
    price: 0,
    size: { request: "small", reply: "medium" },
    // bytes as they wait: 40 more than an item has
    limits: {
      itemsPerRead: 500,
      waitSeconds: 25,
      itemsPerQueue: 1000,
      bytesPerQueue: 4 << 20,
      itemDays: 30,
      idleMonths: 12,
    },
    /** Items up to and including `acknowledge` are deleted. `wait`: seconds to hold an empty answer back, at most 25. */
    request: struct({ queueId: id, acknowledge: u48, wait: u8 }),
    /**
     * `full` is 1 from a refused item on, until one that came after it is acknowledged; `more` is 1 when items are left.
     * `expired`: items up to this number became too old before they were acknowledged, and are gone; 0 for none.
     * `keyPackages`: how many for one use are left; `keyPackagesExpired` is 1 when one, or the last resort, has run out
     * since the last publication: publish anew.
     */
    reply: struct({
      items: list(struct({ sequence: u48, sealed: bytes(SEALED_ITEM_MAX) }), 500),
      more: u8,
      full: u8,
      expired: u48,
      keyPackages: u8,
      keyPackagesExpired: u8,
    }),
  }),
  "qs.deleteQueue": operation({
    number: 25,
    service: "queue",
    caller: "queue",
    token: "none",
    price: 0,
    size: small,
    limits: { queuesPerRequest: 1 },
    /** Signed with `ownerKey`, so that who deletes again what is gone gets the same answer. */
    request: struct({ queueId: id, ownerKey: key }),
    reply: nothing,
  }),
  "qs.rotateFriendship": operation({
    number: 26,
    service: "queue",
    caller: "queue",
    token: "none",
    price: 0,
    size: small,
    limits: { tokensPerRequest: 1 },
    /** `friendshipToken`: the one that counts now; a request that comes again later does nothing. */
    request: struct({ queueId: id, friendshipToken: key, nextFriendshipToken: key }),
    reply: nothing,
  }),
  "qs.refresh": operation({
    number: 27,
    service: "queue",
    caller: "queue",
    token: "none",
    price: 0,
    size: small,
    limits: { secretsPerRequest: 1 },
    /** `generation`: 1 for the first refresh, then one more each time; one that was taken already changes nothing. */
    request: struct({ queueId: id, generation: u32, ratchetSecret: key }),
    /** The number of the first item on the new chain. */
    reply: struct({ from: u48 }),
  }),
  "qs.block": operation({
    number: 28,
    service: "queue",
    caller: "queue",
    token: "none",
    price: 0,
    size: { request: "medium", reply: "small" },
    limits: { tags: BLOCKED_MAX },
    /**
     * Replaces the list. `number`: 1 for the first, then one more each time; one that was taken already changes nothing.
     * `digests`: of the handles' tags, 16 bytes each, in ascending order.
     */
    request: struct({ queueId: id, number: u32, salt: key, digests: bytes(BLOCKED_MAX * BLOCKED_LENGTH) }),
    reply: nothing,
  }),
  "qs.revokeHandles": operation({
    number: 29,
    service: "queue",
    caller: "queue",
    token: "none",
    price: 0,
    size: small,
    limits: { generationsPerRequest: 1 },
    /** `generation`: the next one; handles of earlier ones lead nowhere any more. One that was taken already changes nothing. */
    request: struct({ queueId: id, generation: u32 }),
    reply: nothing,
  }),
  ...deliveryOperations,
} as const;

export type OperationName = keyof typeof operations;
export type RequestOf<N extends OperationName> = ValueOf<(typeof operations)[N]["request"]>;
export type ReplyOf<N extends OperationName> = ValueOf<(typeof operations)[N]["reply"]>;

const byNumber = new Map<number, OperationName>(
  Object.entries(operations).map(([name, { number }]) => [number, name as OperationName]),
);
/** The operation of a wire number, or undefined. */
export const operationOfNumber = (number: number): OperationName | undefined => byNumber.get(number);
