// The operation table: what may be asked of the house, by whom, for which token, in which sizes, within which limits.
import { bytes, fixed, list, struct, u32, u48, u8, type Codec, type ValueOf } from "./codec.ts";
import {
  CONNECTION_PACKAGE_MAX,
  CREDENTIAL_MAX,
  GROUP_INFO_MAX,
  NAME_MAX,
  OFFER_MAX,
  SEALED_ITEM_MAX,
  SEALED_KEY_PACKAGE_MAX,
} from "./documents.ts";
import type { SizeClass } from "./frame.ts";

export type TokenClass = "invite" | "create" | "discover" | "connect" | "deliver";
/** Whose signature a request ends with: nobody's, an account's client, a queue's owner, a group's member. */
export type Caller = "anonymous" | "account" | "queue" | "member";
export type Service = "auth" | "queue" | "delivery";

type Limits = Readonly<Record<string, number>>;
interface Shape<Q, R, L extends Limits = Limits> {
  /** On the wire (u16); never reused. */
  readonly number: number;
  readonly service: Service;
  readonly caller: Caller;
  /** The class of token a request must carry; `none` only where the caller proves an account or a queue of its own. */
  readonly token: TokenClass | "none";
  /** Tokens a request costs: the first in the header, the others in front of the request. 1 to MAX_PRICE; 0 for `none`. */
  readonly price: number;
  readonly size: { readonly request: SizeClass; readonly reply: SizeClass };
  /** Counts the handler enforces per subject, named by what they count. */
  readonly limits: L;
  readonly request: Codec<Q>;
  readonly reply: Codec<R>;
}
const operation = <Q, R, L extends Limits>(shape: Shape<Q, R, L>): Shape<Q, R, L> => shape;

const id = fixed(16);
const key = fixed(32);
const account = { userId: id, clientId: id };
const member = { groupId: id, groupKey: key, leaf: u32 };
const small = { request: "small", reply: "small" } as const;
const nothing = struct({});

export const QUEUE_HANDLE_LENGTH = 88;
/** A PrivateMessage with an application message in it. */
const APPLICATION_MAX = 3700;
export const MAX_BATCH = 100;
export const MAX_PRICE = 4;

export const operations = {
  "as.register": operation({
    number: 1,
    service: "auth",
    caller: "anonymous",
    token: "invite",
    price: 1,
    size: small,
    limits: { accountsPerToken: 1 },
    request: struct({ name: bytes(NAME_MAX), clientKey: key, proof: fixed(64) }),
    reply: struct({ userId: id, clientId: id, credential: bytes(CREDENTIAL_MAX) }),
  }),
  "as.putConnectionPackages": operation({
    number: 2,
    service: "auth",
    caller: "account",
    token: "none",
    price: 0,
    size: { request: "medium", reply: "small" },
    limits: { packages: 64 },
    request: struct({
      ...account,
      packages: list(bytes(CONNECTION_PACKAGE_MAX), 64),
      lastResort: bytes(CONNECTION_PACKAGE_MAX),
    }),
    reply: nothing,
  }),
  "as.issueTokens": operation({
    number: 3,
    service: "auth",
    caller: "account",
    token: "none",
    price: 0,
    // either type of token, and 100 of type 0x0002 take 25,904 bytes
    size: { request: "medium", reply: "medium" },
    limits: { batchesPerEpoch: 1, tokensPerBatch: MAX_BATCH, answersPerBatch: 50 },
    request: struct({ ...account, tokenRequest: bytes(28672) }),
    reply: struct({ tokenResponse: bytes(28672) }),
  }),
  "as.discover": operation({
    number: 4,
    service: "auth",
    caller: "anonymous",
    token: "discover",
    price: 1,
    size: small,
    limits: { namesPerToken: 1 },
    request: struct({ name: bytes(NAME_MAX) }),
    /** `found` is 0 or 1; both byte fields are empty when it is 0. */
    reply: struct({ found: u8, credential: bytes(CREDENTIAL_MAX), connectionPackage: bytes(CONNECTION_PACKAGE_MAX) }),
  }),
  "as.connect": operation({
    number: 5,
    service: "auth",
    caller: "anonymous",
    token: "connect",
    price: 1,
    size: small,
    limits: { waitingPerTarget: 200 },
    request: struct({ name: bytes(NAME_MAX), offer: bytes(OFFER_MAX) }),
    reply: nothing,
  }),
  "as.readDirect": operation({
    number: 6,
    service: "auth",
    caller: "account",
    token: "none",
    price: 0,
    size: { request: "small", reply: "medium" },
    limits: { itemsPerRead: 8 },
    /** Items up to and including `acknowledge` are deleted; the reply holds what follows. Sequence numbers start at 1. */
    request: struct({ ...account, acknowledge: u48 }),
    reply: struct({ items: list(struct({ sequence: u48, offer: bytes(OFFER_MAX) }), 8) }),
  }),
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
    limits: { keyPackages: 20 },
    /** Replaces all published before. */
    request: struct({
      queueId: id,
      keyPackages: list(bytes(SEALED_KEY_PACKAGE_MAX), 20),
      lastResort: bytes(SEALED_KEY_PACKAGE_MAX),
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
    limits: { keyPackagesPerToken: 1 },
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
    request: struct({ queueId: id, count: u8 }),
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
    limits: { itemsPerRead: 500, waitSeconds: 25, itemsPerQueue: 1000, bytesPerQueue: 4 << 20 },
    /** Items up to and including `acknowledge` are deleted. `wait`: seconds to hold an empty answer back, at most 25. */
    request: struct({ queueId: id, acknowledge: u48, wait: u8 }),
    /** `full` is 1 from a refused item on, until one that came after it is acknowledged; `more` is 1 when items are left. */
    reply: struct({
      items: list(struct({ sequence: u48, sealed: bytes(SEALED_ITEM_MAX) }), 500),
      more: u8,
      full: u8,
    }),
  }),
  "ds.reserve": operation({
    number: 43,
    service: "delivery",
    caller: "anonymous",
    token: "create",
    price: 1,
    size: small,
    limits: { idsPerToken: 1 },
    request: nothing,
    reply: struct({ groupId: id }),
  }),
  "ds.create": operation({
    number: 40,
    service: "delivery",
    caller: "anonymous",
    token: "create",
    price: 1,
    size: { request: "medium", reply: "small" },
    limits: { groupsPerToken: 1 },
    request: struct({ groupId: id, groupKey: key, groupInfo: bytes(GROUP_INFO_MAX) }),
    reply: nothing,
  }),
  "ds.commit": operation({
    number: 41,
    service: "delivery",
    caller: "member",
    token: "deliver",
    price: 1,
    size: { request: "medium", reply: "small" },
    limits: { commitsPerToken: 1, members: 64 },
    /** `welcome` is empty when nobody is added. */
    request: struct({
      groupId: id,
      groupKey: key,
      nextGroupKey: key,
      leaf: u32,
      commit: bytes(16384),
      groupInfo: bytes(GROUP_INFO_MAX),
      welcome: bytes(28672),
    }),
    reply: nothing,
  }),
  "ds.send": operation({
    number: 42,
    service: "delivery",
    caller: "member",
    token: "deliver",
    price: 1,
    size: small,
    limits: { messagesPerToken: 1 },
    request: struct({ ...member, message: bytes(APPLICATION_MAX) }),
    reply: nothing,
  }),
  "ds.sendTo": operation({
    number: 45,
    service: "delivery",
    caller: "member",
    token: "deliver",
    price: 1,
    size: small,
    limits: { messagesPerToken: 1 },
    /** `recipient`: a leaf. */
    request: struct({ ...member, recipient: u32, message: bytes(APPLICATION_MAX) }),
    reply: nothing,
  }),
} as const;

export type OperationName = keyof typeof operations;
export type RequestOf<N extends OperationName> = ValueOf<(typeof operations)[N]["request"]>;
export type ReplyOf<N extends OperationName> = ValueOf<(typeof operations)[N]["reply"]>;

const byNumber = new Map<number, OperationName>(
  Object.entries(operations).map(([name, { number }]) => [number, name as OperationName]),
);
/** The operation of a wire number, or undefined. */
export const operationOfNumber = (number: number): OperationName | undefined => byNumber.get(number);
