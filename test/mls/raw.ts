// A member without manners: the bare library on the state of one of our clients, and commits put together by hand.
import assert from "node:assert/strict";
import { decodeGroupState, emptyPskIndex, createCommit, createGroupInfoWithExternalPub } from "ts-mls";
import type { ClientState, Commit, CreateCommitOptions, PublicMessage } from "ts-mls";
import { createContentCommitSignature } from "ts-mls/framedContent.js";
import { protectPublicMessage } from "ts-mls/messageProtectionPublic.js";
import type { ClientGroup } from "../../src/mls/client.ts";
import { clientConfig } from "../../src/mls/config.ts";
import { writeMessage } from "../../src/mls/messages.ts";
import { cipherSuite } from "../../src/mls/suite.ts";

export interface RawCommit {
  readonly message: PublicMessage;
  readonly commit: Uint8Array;
  readonly groupInfo: Uint8Array;
  readonly welcome: Uint8Array | undefined;
  readonly next: ClientState;
}

export function rawState(client: ClientGroup): ClientState {
  const decoded = decodeGroupState(client.serialize(), 0);
  assert.ok(decoded);
  return { ...decoded[0], clientConfig };
}

/** What the library makes of these options, with everything a server wants beside it. */
export async function rawCommit(state: ClientState, options: CreateCommitOptions): Promise<RawCommit> {
  const made = await createCommit(
    { state, cipherSuite, pskIndex: emptyPskIndex },
    { wireAsPublicMessage: true, ratchetTreeExtension: true, ...options },
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
): Promise<Uint8Array> {
  const { content, auth } = made.message;
  assert.ok(content.contentType === "commit" && auth.contentType === "commit");
  const { framedContent, signature } = await createContentCommitSignature(
    state.groupContext,
    "mls_public_message",
    change(content.commit),
    content.sender,
    authenticatedData,
    state.signaturePrivateKey,
    cipherSuite.signature,
  );
  const signed = { wireformat: "mls_public_message" as const, content: framedContent, auth: { ...auth, signature } };
  const { membershipKey } = state.keySchedule;
  const publicMessage = await protectPublicMessage(membershipKey, state.groupContext, signed, cipherSuite);
  return writeMessage({ wireformat: "mls_public_message", publicMessage });
}
