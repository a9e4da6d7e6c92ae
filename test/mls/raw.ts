// A member without manners: the bare library on the state of one of our clients, and commits put together by hand.
import assert from "node:assert/strict";
import { emptyPskIndex, createCommit, createGroupInfoWithExternalPub } from "ts-mls";
import type { ClientState, Commit, CreateCommitOptions, Proposal, PublicMessage } from "ts-mls";
import type { Sender } from "ts-mls/sender.js";
import { createContentCommitSignature, signFramedContentApplicationOrProposal, toTbs } from "ts-mls/framedContent.js";
import type { FramedContent, FramedContentTBSApplicationOrProposal } from "ts-mls/framedContent.js";
import { protectPublicMessage } from "ts-mls/messageProtectionPublic.js";
import { randomBytes } from "../../src/crypto/random.ts";
import type { ClientGroup } from "../../src/mls/client.ts";
import { readHeld } from "../../src/mls/client-state.ts";
import { writeMessage } from "../../src/mls/messages.ts";
import { cipherSuite } from "../../src/mls/suite.ts";

export interface RawCommit {
  readonly message: PublicMessage;
  readonly commit: Uint8Array;
  readonly groupInfo: Uint8Array;
  readonly welcome: Uint8Array | undefined;
  readonly next: ClientState;
}

export const rawState = (client: ClientGroup): ClientState => readHeld(client.serialize()).mls;

/** What the library makes of these options, with everything a server wants beside it. */
export async function rawCommit(state: ClientState, options: CreateCommitOptions): Promise<RawCommit> {
  const made = await createCommit(
    { state, cipherSuite, pskIndex: emptyPskIndex },
    { wireAsPublicMessage: true, ...options },
  );
  assert.ok(made.commit.wireformat === "mls_public_message");
  const groupInfo = await createGroupInfoWithExternalPub(made.newState, [], cipherSuite);
  return {
    message: made.commit.publicMessage,
    commit: writeMessage(made.commit),
    groupInfo: writeMessage({ wireformat: "mls_group_info", groupInfo }),
    welcome:
      made.welcome === undefined ? undefined : writeMessage({ wireformat: "mls_welcome", welcome: made.welcome }),
    next: made.newState,
  };
}

/** A commit with the content changed and signed again by the same member. */
export async function resigned(
  state: ClientState,
  made: RawCommit,
  change: (commit: Commit) => Commit,
  authenticatedData: Uint8Array = new Uint8Array(0),
  as?: Sender,
): Promise<Uint8Array> {
  const { content, auth } = made.message;
  assert.ok(content.contentType === "commit" && auth.contentType === "commit");
  const { framedContent, signature } = await createContentCommitSignature(
    state.groupContext,
    "mls_public_message",
    change(content.commit),
    as ?? content.sender,
    authenticatedData,
    state.signaturePrivateKey,
    cipherSuite.signature,
  );
  const signed = { wireformat: "mls_public_message" as const, content: framedContent, auth: { ...auth, signature } };
  const { membershipKey } = state.keySchedule;
  const publicMessage = await protectPublicMessage(membershipKey, state.groupContext, signed, cipherSuite);
  return writeMessage({ wireformat: "mls_public_message", publicMessage });
}

/** A recovery list of the right form for `leaves`, with nothing in it. */
export const emptyRecovery = (...leaves: number[]): Uint8Array =>
  Buffer.concat(leaves.map((leaf) => Buffer.concat([Buffer.of(leaf >> 8, leaf & 0xff), randomBytes(80)])));

/** A proposal by `state`'s member, or by whoever `sender` says, signed with the key of `state` or with `signKey`. */
export async function rawProposal(
  state: ClientState,
  proposal: Proposal,
  change: { sender?: Sender; authenticatedData?: Uint8Array; signKey?: Uint8Array; groupId?: Uint8Array } = {},
): Promise<Uint8Array> {
  const { groupContext, keySchedule, privatePath, signaturePrivateKey } = state;
  const content: FramedContent = {
    groupId: change.groupId ?? groupContext.groupId,
    epoch: groupContext.epoch,
    sender: change.sender ?? { senderType: "member", leafIndex: privatePath.leafIndex },
    authenticatedData: change.authenticatedData ?? new Uint8Array(0),
    contentType: "proposal",
    proposal,
  };
  const tbs = toTbs(content, "mls_public_message", groupContext) as FramedContentTBSApplicationOrProposal;
  const auth = await signFramedContentApplicationOrProposal(change.signKey ?? signaturePrivateKey, tbs, cipherSuite);
  const signed = { wireformat: "mls_public_message" as const, content, auth };
  const publicMessage = await protectPublicMessage(keySchedule.membershipKey, groupContext, signed, cipherSuite);
  return writeMessage({ wireformat: "mls_public_message", publicMessage });
}
