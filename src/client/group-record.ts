// What a client keeps of one group, and how it is written.
import { ClientGroup } from "../mls/client.ts";
import { PRIVATE_KEYS_LENGTH } from "../mls/key-package.ts";
import { equal } from "../memory/locked.ts";
import { bytes, encode, fixed, list, struct, u16, u32, u48, u8, type Codec, type ValueOf } from "../wire/codec.ts";
import { INTRODUCTION_MAX, KEY_PACKAGE_MAX, MESSAGE_MAX } from "../wire/documents.ts";
import { REQUEST_ID_LENGTH, sizes, TOKEN_SLOT_LENGTH } from "../wire/frame.ts";
import { MAX_PRICE } from "../wire/operations.ts";
import { readIntroduction, type Introduction } from "./credentials.ts";
import { entry, type Entry, type Sections } from "./sections.ts";

/** A state of 1,000 members takes up to 900,000 bytes. Each section fits a slab of the pool in open.ts. */
const STATE_MAX = 2_000_000;
const MEMBERS_MAX = 1000;

/** A request that was saved before it was sent, whole, so that it can be repeated as the very same request. */
const pending = struct({
  operation: u16,
  requestId: fixed(REQUEST_ID_LENGTH),
  token: bytes(MAX_PRICE * TOKEN_SLOT_LENGTH),
  /** The operation's request, encoded. */
  request: bytes(sizes.large),
  /** For a commit: the introductions of those it adds. */
  introductions: list(bytes(INTRODUCTION_MAX), MEMBERS_MAX),
  /** 1 when those it adds are to be told our friendship: they are becoming contacts. */
  befriends: u8,
});
/** For a commit, `next`: the MLS state to adopt when it is confirmed. */
export type Pending = ValueOf<typeof pending> & { readonly next: Uint8Array };
const next = struct({ state: bytes(STATE_MAX) });

/** A Welcome that has come, and as much of the tree as has been fetched since. */
const joining = struct({
  welcome: bytes(MESSAGE_MAX),
  keyPackage: bytes(KEY_PACKAGE_MAX),
  privateKeys: fixed(PRIVATE_KEYS_LENGTH),
  epoch: u48,
  groupKey: fixed(32),
  tree: bytes(STATE_MAX),
});
export type Joining = ValueOf<typeof joining>;

/** An application message to encrypt and send. `to`: the leaf key of the only member it is for, or empty. */
const outgoing = struct({ kind: u8, body: bytes(3072), to: bytes(32) });
export type Outgoing = ValueOf<typeof outgoing>;

/** Whether this client keeps step with its group. `suspect`: it may have missed something, and will look. */
export const healths = { good: 0, suspect: 1, diverged: 2, stuck: 3 } as const;
const care = struct({
  health: u8,
  /** Attempts since it was good, and when the next one is due (unix seconds). */
  tries: u8,
  at: u48,
  /** Attempts that found the group in the hands of somebody unknown here: they count for nothing but the time between. */
  waited: u8,
  /** 1 more than the epoch in which the house says that the group is again; 0 for none. */
  back: u48,
});
export type Care = ValueOf<typeof care>;
export const wellCare: Care = { health: healths.good, tries: 0, at: 0, waited: 0, back: 0 };

/** Keys of epochs before, with which the way to the group is found again after a reset. */
const PAST_KEYS = 4;
const pastKey = struct({ epoch: u48, groupKey: fixed(32), leaf: u32 });
export type PastKey = ValueOf<typeof pastKey>;

/** Of those who are members, and who were. */
const people = struct({ introductions: list(bytes(INTRODUCTION_MAX), 2 * MEMBERS_MAX) });

const record = struct({
  groupId: fixed(16),
  /** Empty while joining for the first time, and once this client is no member any more. */
  state: bytes(STATE_MAX),
  /** In the order in which they are sent. */
  outgoing: list(outgoing, 65535),
  /** 1 from when this client wants to leave. */
  leaving: u8,
  /** When this client commits the proposals that wait, unless another was faster (unix seconds). */
  commitAt: u48,
  care,
  keys: list(pastKey, PAST_KEYS),
});

/** A group as it is held in memory. Replaced as a whole, after the next one has been saved. */
export interface GroupState {
  readonly groupId: Uint8Array;
  /** Undefined while this client is no member. */
  readonly mls: ClientGroup | undefined;
  readonly introductions: readonly Introduction[];
  readonly outgoing: readonly Outgoing[];
  readonly leaving: boolean;
  readonly commitAt: number;
  readonly care: Care;
  /** Newest first. */
  readonly keys: readonly PastKey[];
  readonly pending: Pending | undefined;
  readonly joining: Joining | undefined;
}

/** A group of which nothing is known but its id. */
export const emptyGroup = (groupId: Uint8Array): GroupState => ({
  groupId,
  mls: undefined,
  introductions: [],
  outgoing: [],
  leaving: false,
  commitAt: 0,
  care: wellCare,
  keys: [],
  pending: undefined,
  joining: undefined,
});

/** The group after this client has ceased to be a member; names of those who were stay known. */
export const endedGroup = ({ groupId, introductions }: GroupState): GroupState => ({
  ...emptyGroup(groupId),
  introductions,
});

/** The state in the epoch of `next`: what was of the epoch before is gone, but for its key. */
export async function inNextEpoch(state: GroupState, next: ClientGroup): Promise<GroupState> {
  const { mls, keys } = state;
  const past = mls === undefined ? [] : [{ epoch: mls.epoch, groupKey: await mls.groupKey(), leaf: mls.ownLeaf }];
  return { ...state, mls: next, commitAt: 0, care: wellCare, keys: [...past, ...keys].slice(0, PAST_KEYS) };
}

const sectionOf = (groupId: Uint8Array): string => `group-${Buffer.from(groupId).toString("hex")}`;
const part = (groupId: Uint8Array, of: "people" | "request" | "next" | "joining"): string =>
  `${sectionOf(groupId)}-${of}`;

const optional = <T>(section: string, codec: Codec<T>, value: T | undefined): Entry =>
  value === undefined ? { section, write: undefined } : entry(section, codec, value);

/**
 * The group's sections, as far as they differ from what was saved `before`. The MLS library's state passes through
 * ordinary memory here as it lives there.
 */
export function groupEntries(group: GroupState, before?: GroupState): Entry[] {
  const { groupId, mls } = group;
  const write = (allocate: (size: number) => Buffer): Buffer => {
    const state = mls?.serialize() ?? new Uint8Array(0);
    try {
      return encode(record, { ...group, state, leaving: group.leaving ? 1 : 0 }, allocate);
    } finally {
      state.fill(0);
    }
  };
  const entries: Entry[] = [{ section: sectionOf(groupId), write }];
  if (group.introductions !== before?.introductions) {
    const introductions = group.introductions.map(({ document }) => document);
    entries.push(entry(part(groupId, "people"), people, { introductions }));
  }
  if (group.pending !== before?.pending) {
    const state = group.pending && group.pending.next.length > 0 ? { state: group.pending.next } : undefined;
    entries.push(optional(part(groupId, "request"), pending, group.pending));
    entries.push(optional(part(groupId, "next"), next, state));
  }
  if (group.joining !== before?.joining) entries.push(optional(part(groupId, "joining"), joining, group.joining));
  return entries;
}

export async function loadGroup(sections: Sections, groupId: Uint8Array): Promise<GroupState | undefined> {
  const saved = await sections.load(sectionOf(groupId), record);
  if (saved === undefined) return undefined;
  const { state, leaving, ...rest } = saved;
  const known = await sections.load(part(groupId, "people"), people);
  const request = await sections.load(part(groupId, "request"), pending);
  const adopting = await sections.load(part(groupId, "next"), next);
  return {
    ...rest,
    mls: state.length === 0 ? undefined : ClientGroup.deserialize(state),
    introductions: (known?.introductions ?? []).map(readIntroduction),
    leaving: leaving === 1,
    pending: request && { ...request, next: adopting?.state ?? Buffer.alloc(0) },
    joining: await sections.load(part(groupId, "joining"), joining),
  };
}

/** The introduction of the member with this leaf key, if one was verified. A leaf key is one member's alone in its tree. */
export const introductionOf = (group: GroupState, leafKey: Uint8Array): Introduction | undefined =>
  group.introductions.find((introduction) => equal(introduction.leafKey, leafKey));

/** True when the proposals of this epoch remove this client: it may not commit any more. */
export const isLeaving = (mls: ClientGroup): boolean => mls.pending.some(({ leaf }) => leaf === mls.ownLeaf);
