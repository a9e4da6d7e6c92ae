// A malicious member's tools: commits changed, signed again, and given the GroupInfo that fits them, so that nothing but
// what was changed on purpose is wrong with them.
import type { ClientState, Commit, GroupInfo } from "ts-mls";
import { createContentCommitSignature } from "ts-mls/framedContent.js";
import { signGroupInfo } from "ts-mls/groupInfo.js";
import { protectPublicMessage } from "ts-mls/messageProtectionPublic.js";
import { createConfirmedHash, createInterimHash } from "ts-mls/transcriptHash.js";
import { randomBytes } from "../../../src/crypto/random.ts";
import { readGroupInfo, writeMessage } from "../../../src/mls/messages.ts";
import { cipherSuite } from "../../../src/mls/suite.ts";
import type { RawCommit } from "../../mls/raw.ts";

export interface Change {
  readonly commit?: (commit: Commit) => Commit;
  readonly confirmationTag?: Uint8Array;
  readonly info?: (info: GroupInfo) => GroupInfo;
}

const { hash, signature: signing } = cipherSuite;

/** Commit and GroupInfo of the next epoch as the member of `state` signs them. */
export async function forged(
  state: ClientState,
  { message, groupInfo }: Pick<RawCommit, "message" | "groupInfo">,
  { commit = (same) => same, confirmationTag, info = (same) => same }: Change,
): Promise<{ commit: Uint8Array; groupInfo: Uint8Array }> {
  const { content, auth } = message;
  if (content.contentType !== "commit" || auth.contentType !== "commit") throw new Error("no commit");
  const { framedContent, signature } = await createContentCommitSignature(
    state.groupContext,
    "mls_public_message",
    commit(content.commit),
    content.sender,
    new Uint8Array(0),
    state.signaturePrivateKey,
    signing,
  );
  const tag = confirmationTag ?? auth.confirmationTag;
  const signed = {
    wireformat: "mls_public_message" as const,
    content: framedContent,
    auth: { ...auth, signature, confirmationTag: tag },
  };
  const { membershipKey } = state.keySchedule;
  const publicMessage = await protectPublicMessage(membershipKey, state.groupContext, signed, cipherSuite);
  const before = await createInterimHash(state.groupContext.confirmedTranscriptHash, state.confirmationTag, hash);
  const transcript = { wireformat: signed.wireformat, content: framedContent, signature };
  const confirmedTranscriptHash = await createConfirmedHash(before, transcript, hash);
  const honest = readGroupInfo(groupInfo);
  const groupContext = { ...honest.groupContext, confirmedTranscriptHash };
  const wanted = info({ ...honest, groupContext, confirmationTag: tag });
  return {
    commit: writeMessage({ wireformat: "mls_public_message", publicMessage }),
    groupInfo: writeMessage({
      wireformat: "mls_group_info",
      groupInfo: await signGroupInfo(wanted, state.signaturePrivateKey, signing),
    }),
  };
}

/** The same path to the eye of who has no keys: other ciphertexts, which nobody can open. */
export const withoutSecrets = (commit: Commit): Commit => {
  const { path } = commit;
  if (path === undefined) return commit;
  const nodes = path.nodes.map((node) => ({
    ...node,
    encryptedPathSecret: node.encryptedPathSecret.map(({ kemOutput, ciphertext }) => ({
      kemOutput,
      ciphertext: randomBytes(ciphertext.length),
    })),
  }));
  return { ...commit, path: { ...path, nodes } };
};
