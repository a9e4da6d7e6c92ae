// What a client keeps of one group, and how it is written.
import { ClientGroup } from "../mls/client.ts";
import { equal } from "../memory/locked.ts";
import { bytes, encode, fixed, list, struct, u16, u8, type ValueOf } from "../wire/codec.ts";
import { groupMessage, INTRODUCTION_MAX } from "../wire/documents.ts";
import { REQUEST_ID_LENGTH, sizes, TOKEN_SLOT_LENGTH } from "../wire/frame.ts";
import { MAX_PRICE } from "../wire/operations.ts";
import { readIntroduction, type Introduction } from "./credentials.ts";
import type { Entry } from "./sections.ts";

const STATE_MAX = 1 << 19;

/** A request that was saved before it was sent, whole, so that it can be repeated as the very same request. */
const pending = struct({
  operation: u16,
  requestId: fixed(REQUEST_ID_LENGTH),
  token: bytes(MAX_PRICE * TOKEN_SLOT_LENGTH),
  /** The operation's request, encoded. */
  request: bytes(sizes.medium),
  /** For a commit: the MLS state to adopt when it is confirmed, and the introductions of those it adds. */
  next: bytes(STATE_MAX),
  introductions: list(bytes(INTRODUCTION_MAX), 100),
  /** 1 when those it adds are to be told our friendship: they are becoming contacts. */
  befriends: u8,
});
export type Pending = ValueOf<typeof pending>;
export type Outgoing = ValueOf<typeof groupMessage>;

const record = struct({
  groupId: fixed(16),
  /** Empty once this client was removed. */
  state: bytes(STATE_MAX),
  introductions: list(bytes(INTRODUCTION_MAX), 2000),
  /** Application messages to encrypt and send, in this order. */
  outgoing: list(groupMessage, 65535),
  pending: list(pending, 1),
});

/** A group as it is held in memory. Replaced as a whole, after the next one has been saved. */
export interface GroupState {
  readonly groupId: Uint8Array;
  /** Undefined once this client was removed. */
  readonly mls: ClientGroup | undefined;
  readonly introductions: readonly Introduction[];
  readonly outgoing: readonly Outgoing[];
  readonly pending: Pending | undefined;
}

export const sectionOf = (groupId: Uint8Array): string => `group-${Buffer.from(groupId).toString("hex")}`;

/** The group's section. The MLS library's state passes through ordinary memory here as it lives there. */
export function groupEntry(group: GroupState): Entry {
  const { groupId, mls, introductions, outgoing, pending: waiting } = group;
  return {
    section: sectionOf(groupId),
    write(allocate) {
      const state = mls?.serialize() ?? new Uint8Array(0);
      const documents = introductions.map(({ document }) => document);
      const value = { groupId, state, introductions: documents, outgoing, pending: waiting ? [waiting] : [] };
      try {
        return encode(record, value, allocate);
      } finally {
        state.fill(0);
      }
    },
  };
}

export const groupCodec = record;

export function readGroup(saved: ValueOf<typeof record>): GroupState {
  return {
    groupId: saved.groupId,
    mls: saved.state.length === 0 ? undefined : ClientGroup.deserialize(saved.state),
    introductions: saved.introductions.map(readIntroduction),
    outgoing: saved.outgoing,
    pending: saved.pending[0],
  };
}

/** The introduction of the member with this leaf key, if one was verified. A leaf key is one member's alone in its tree. */
export const introductionOf = (group: GroupState, leafKey: Uint8Array): Introduction | undefined =>
  group.introductions.find((introduction) => equal(introduction.leafKey, leafKey));
