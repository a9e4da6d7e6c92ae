// Changes of a group: one commit at a time, saved before it is sent, adopted in its place in the own queue.
import { randomBytes } from "../crypto/random.ts";
import type { ClientGroup } from "../mls/client.ts";
import { encode } from "../wire/codec.ts";
import { REQUEST_ID_LENGTH } from "../wire/frame.ts";
import { operations } from "../wire/operations.ts";
import { ClientError } from "./errors.ts";
import { deliver, flush } from "./group-outbox.ts";
import { groupEntry } from "./group-record.ts";
import type { HeldGroup } from "./groups.ts";
import type { Claimed } from "./key-packages.ts";
import type { Parts } from "./parts.ts";
import type { Entry } from "./sections.ts";

const shape = operations["ds.commit"];
const ATTEMPTS = 4;
const EMPTY = Buffer.alloc(0);

export interface Change {
  readonly add?: readonly Claimed[];
  /** Leaf keys. */
  readonly remove?: readonly Uint8Array[];
  /** The added are becoming contacts: they are told how to reach us. */
  readonly befriends?: boolean;
  /** Saved together with the commit. */
  readonly entries?: () => readonly Entry[];
}

/**
 * Commits `change` and sends what follows from it. When others changed the group first, it is made anew on top of
 * theirs. ClientError `group/contended`, `group/not-member`.
 */
export async function change(parts: Parts, held: HeldGroup, wanted: Change): Promise<void> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    await flush(parts, held);
    const { mls } = held.state;
    if (mls === undefined) throw new ClientError("group/not-member");
    const members = mls.members();
    const remove = (wanted.remove ?? []).flatMap(
      (leafKey) =>
        members.find(({ signaturePublicKey }) => Buffer.compare(signaturePublicKey, leafKey) === 0)?.leafIndex ?? [],
    );
    const add = (wanted.add ?? []).map(({ keyPackage }) => keyPackage);
    if (add.length === 0 && remove.length === 0) return;
    const settle = await prepare(parts, held, mls, { add, remove }, wanted);
    if ((await deliver(parts, held)) === "done") {
      settle();
      return flush(parts, held);
    }
  }
  throw new ClientError("group/contended");
}

async function prepare(
  parts: Parts,
  held: HeldGroup,
  mls: ClientGroup,
  proposals: { add: Uint8Array[]; remove: number[] },
  wanted: Change,
): Promise<() => void> {
  const { session, tokens } = parts;
  const made = await mls.commit({ ...proposals, now: session.clock() });
  const request = {
    groupId: held.state.groupId,
    groupKey: await mls.groupKey(),
    nextGroupKey: made.nextGroupKey,
    leaf: mls.ownLeaf,
    commit: made.commit,
    groupInfo: made.groupInfo,
    welcome: made.welcome ?? EMPTY,
  };
  await tokens.spend("ds.commit", async (token) => {
    const pending = {
      operation: shape.number,
      requestId: randomBytes(REQUEST_ID_LENGTH),
      token: Buffer.from(token),
      request: encode(shape.request, request, Buffer.alloc),
      next: made.next.serialize(),
      introductions: (wanted.add ?? []).map(({ introduction }) => introduction.document),
      befriends: wanted.befriends === true ? 1 : 0,
    };
    const state = { ...held.state, pending };
    await session.sections.save(groupEntry(state), ...(wanted.entries?.() ?? []));
    held.state = state;
  });
  return made.settle;
}
