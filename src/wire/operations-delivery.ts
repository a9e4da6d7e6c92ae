// The delivery service's rows of the operation table.
import { bytes, fixed, struct, u32, u48, u8 } from "./codec.ts";
import { GROUP_INFO_MAX, PROPOSAL_MAX } from "./documents.ts";
import { id, key, nothing, operation, small } from "./operation.ts";

export const QUEUE_HANDLE_LENGTH = 88;
/** A PrivateMessage with an application message in it. */
const APPLICATION_MAX = 3700;
/** What a large request holds, with its signature and further tokens. */
const LARGE_MAX = 520_000;
/** u16 leaf || HPKE enc 32 || ciphertext 48: the next epoch's key for one member. */
export const RECOVERY_ENTRY = 82;
/** A piece of a longer document: a medium reply. */
export const CHUNK_MAX = 32_000;

const member = { groupId: id, groupKey: key, leaf: u32 };
const advance = { groupId: id, groupKey: key, nextGroupKey: key };
const large = { request: "large", reply: "small" } as const;

export const deliveryOperations = {
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
    limits: { commitsPerToken: 1, members: 1000, inactiveMonths: 12 },
    /** `welcome` is empty when nobody is added, `recovery` when nobody is removed: entries of RECOVERY_ENTRY bytes. */
    request: struct({
      ...advance,
      leaf: u32,
      commit: bytes(28672),
      groupInfo: bytes(GROUP_INFO_MAX),
      welcome: bytes(28672),
      recovery: bytes(28672),
    }),
    reply: nothing,
  }),
  /** As `ds.commit`, for what does not fit into that. */
  "ds.commitLarge": operation({
    number: 44,
    service: "delivery",
    caller: "member",
    token: "deliver",
    price: 4,
    size: large,
    limits: { commitsPerPrice: 1 },
    request: struct({
      ...advance,
      leaf: u32,
      commit: bytes(LARGE_MAX),
      groupInfo: bytes(GROUP_INFO_MAX),
      welcome: bytes(LARGE_MAX),
      recovery: bytes(RECOVERY_ENTRY * 1000),
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
    // of every kind but for information, and for each pseudonym of a group
    limits: { messagesPerToken: 1, requestsPerDay: 10_000 },
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
  "ds.leave": operation({
    number: 46,
    service: "delivery",
    caller: "member",
    token: "deliver",
    price: 1,
    size: small,
    limits: { proposalsPerLeaf: 1 },
    request: struct({ ...member, proposal: bytes(PROPOSAL_MAX) }),
    reply: nothing,
  }),
  "ds.welcomeInfo": operation({
    number: 47,
    service: "delivery",
    caller: "member",
    token: "deliver",
    price: 1,
    size: { request: "small", reply: "medium" },
    limits: { bytesPerToken: CHUNK_MAX },
    /** `leafKey`: a newcomer knows its leaf only by the tree. */
    request: struct({ groupId: id, groupKey: key, leafKey: key, offset: u32 }),
    reply: struct({ total: u32, chunk: bytes(CHUNK_MAX) }),
  }),
  "ds.joinInfo": operation({
    number: 48,
    service: "delivery",
    caller: "anonymous",
    token: "deliver",
    price: 1,
    size: { request: "small", reply: "medium" },
    limits: { bytesPerToken: CHUNK_MAX },
    request: struct({ groupId: id, groupKey: key, offset: u32 }),
    /** Of a `joinInfo` (documents.ts). */
    reply: struct({ epoch: u48, total: u32, chunk: bytes(CHUNK_MAX) }),
  }),
  "ds.resync": operation({
    number: 49,
    service: "delivery",
    caller: "member",
    token: "deliver",
    price: 1,
    size: large,
    limits: { commitsPerToken: 1 },
    /** `leaf`: the one that the member had. */
    request: struct({ ...advance, leaf: u32, commit: bytes(LARGE_MAX), groupInfo: bytes(GROUP_INFO_MAX) }),
    reply: nothing,
  }),
  "ds.join": operation({
    number: 50,
    service: "delivery",
    caller: "member",
    token: "deliver",
    price: 1,
    size: { request: "medium", reply: "small" },
    limits: { members: 2 },
    request: struct({ ...advance, commit: bytes(16384), groupInfo: bytes(GROUP_INFO_MAX) }),
    reply: nothing,
  }),
  "ds.updateHandle": operation({
    number: 51,
    service: "delivery",
    caller: "member",
    token: "deliver",
    price: 1,
    size: small,
    limits: { handlesPerLeaf: 1 },
    request: struct({ ...member, handle: fixed(QUEUE_HANDLE_LENGTH) }),
    reply: nothing,
  }),
  "ds.delete": operation({
    number: 52,
    service: "delivery",
    caller: "member",
    token: "deliver",
    price: 1,
    size: large,
    limits: { groupsPerToken: 1 },
    request: struct({ ...member, commit: bytes(LARGE_MAX), groupInfo: bytes(GROUP_INFO_MAX) }),
    reply: nothing,
  }),
  "ds.reset": operation({
    number: 53,
    service: "delivery",
    caller: "member",
    token: "deliver",
    price: 1,
    size: small,
    limits: { votesPerLeaf: 1 },
    /** The key, and the leaf, of the epoch to go back to. */
    request: struct(member),
    /** 1 when the group is there again. */
    reply: struct({ done: u8 }),
  }),
  "ds.recover": operation({
    number: 54,
    service: "delivery",
    caller: "anonymous",
    token: "deliver",
    price: 1,
    size: small,
    limits: { epochsPerToken: 1 },
    request: struct(member),
    /** `kind` 1: the next epoch's key; 2: that key sealed to the leaf. */
    reply: struct({ kind: u8, value: bytes(RECOVERY_ENTRY - 2) }),
  }),
} as const;
