// A member that means harm: commits of which the house cannot see that the others can do nothing with them.
import assert from "node:assert/strict";
import { createCommit, createGroupInfoWithExternalPub, emptyPskIndex, type Proposal } from "ts-mls";
import { deliver } from "../../src/client/group-outbox.ts";
import { draft, keep } from "../../src/client/group-request.ts";
import type { HeldGroup } from "../../src/client/groups.ts";
import type { Parts } from "../../src/client/parts.ts";
import { randomBytes } from "../../src/crypto/random.ts";
import { ClientGroup } from "../../src/mls/client.ts";
import { fresh, readHeld, withPending } from "../../src/mls/client-state.ts";
import { exportGroupKey } from "../../src/mls/group-key.ts";
import { writeMessage } from "../../src/mls/messages.ts";
import { cipherSuite } from "../../src/mls/suite.ts";
import { emptyRecovery } from "../mls/raw.ts";

/** Encrypts to nobody. */
const deadSuite = {
  ...cipherSuite,
  hpke: {
    ...cipherSuite.hpke,
    async seal(...args: Parameters<typeof cipherSuite.hpke.seal>) {
      const { ct, enc } = await cipherSuite.hpke.seal(...args);
      return { ct: randomBytes(ct.length), enc };
    },
  },
};

export interface Spoil {
  /** Path secrets that open for nobody. */
  readonly path?: boolean;
  /** Another key for the house than the members derive, and none for who cannot follow. */
  readonly key?: boolean;
  /** Leaves to remove. */
  readonly remove?: readonly number[];
}

/** Sends such a commit, which takes in what proposals wait, and adopts it. */
export async function spoiledCommit(parts: Parts, held: HeldGroup, { path, key, remove = [] }: Spoil): Promise<void> {
  const { mls, groupId } = held.state;
  const group = mls!;
  const state = await withPending(readHeld(group.serialize()));
  const suite = path === true ? deadSuite : cipherSuite;
  const extraProposals = remove.map((removed): Proposal => ({ proposalType: "remove", remove: { removed } }));
  const made = await createCommit(
    { state, cipherSuite: suite, pskIndex: emptyPskIndex },
    { wireAsPublicMessage: true, forcePath: true, extraProposals },
  );
  const groupInfo = await createGroupInfoWithExternalPub(made.newState, [], cipherSuite);
  const gone = new Set([...remove, ...group.pending.map(({ leaf }) => leaf)]);
  const others = group.members().filter(({ leafIndex }) => leafIndex !== group.ownLeaf && !gone.has(leafIndex));
  const request = {
    groupId,
    groupKey: await group.groupKey(),
    nextGroupKey: key === true ? randomBytes(32) : await exportGroupKey(made.newState.keySchedule.exporterSecret),
    leaf: group.ownLeaf,
    commit: writeMessage(made.commit),
    groupInfo: writeMessage({ wireformat: "mls_group_info", groupInfo }),
    welcome: Buffer.alloc(0),
    recovery: gone.size === 0 ? Buffer.alloc(0) : emptyRecovery(...others.map(({ leafIndex }) => leafIndex)),
  };
  const next = new ClientGroup(fresh(made.newState)).serialize();
  await draft(parts, "ds.commit", request, (pending) => keep(parts, held, { ...held.state, pending }), { next });
  assert.equal(await deliver(parts, held), "done");
}
