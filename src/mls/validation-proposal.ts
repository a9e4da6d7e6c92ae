// Proposals that wait for a commit: Remove, by the member itself or by the house (RFC 9420 sections 12.1.3, 12.1.8.1 and
// 12.2), and which of them a commit must take in.
import type { GroupContext, PublicMessage } from "ts-mls";
import { framedContentTBSEncoder, toTbs, type FramedContent } from "ts-mls/framedContent.js";
import { Fault } from "../fault.ts";
import { allowed, sameBytes, valid, within, withScratch } from "./codec.ts";
import { readPublicMessage, writeMessage } from "./messages.ts";
import { senderKeyOf } from "./policy.ts";
import type { PendingRemoval } from "./public-state.ts";
import { proposalRef, signWithLabel, verifyWithLabel } from "./signed.ts";
import { KEY_LENGTH, MAX_MEMBERS, SENDER_INDEX, SIGNATURE_LENGTH } from "./suite.ts";

export type { PendingRemoval };

/**
 * Sections 6.1 and 6.2, as far as one without the group's secrets can: group, epoch, signature, and the length of a
 * member's tag. `publicKey`: the sender's, undefined for one that is not there. Throws Fault `group/epoch`, `group/invalid`.
 */
export function checkFraming(message: PublicMessage, publicKey: Uint8Array | undefined, context: GroupContext): void {
  const { content, auth } = message;
  valid(sameBytes(content.groupId, context.groupId));
  if (content.epoch !== context.epoch) throw new Fault("group/epoch");
  valid(message.senderType !== "member" || message.membershipTag.length === KEY_LENGTH);
  const signed = toTbs(content, "mls_public_message", context);
  valid(publicKey !== undefined);
  valid(verifyWithLabel(publicKey, "FramedContentTBS", framedContentTBSEncoder, signed, auth.signature));
}

/**
 * The form of a proposal in this house: a Remove, of the member that signs it or by the house, without authenticated
 * data. Throws Fault `group/policy`.
 */
export function removalParts(message: PublicMessage): { readonly leaf: number; readonly byServer: boolean } {
  const { content } = message;
  allowed(content.contentType === "proposal" && content.authenticatedData.length === 0);
  const { proposal, sender } = content;
  allowed(proposal.proposalType === "remove" && "remove" in proposal);
  const leaf = proposal.remove.removed;
  const byServer = sender.senderType === "external";
  if (byServer) allowed(sender.senderIndex === SENDER_INDEX);
  else allowed(sender.senderType === "member" && sender.leafIndex === leaf);
  return { leaf, byServer };
}

/**
 * A proposal message of this epoch, whoever made it: form and signature. `signatureKeyOf`: of a leaf that is there.
 * Throws Fault `group/epoch`, `group/invalid`, `group/policy`.
 */
export function checkRemoval(
  message: PublicMessage,
  context: GroupContext,
  signatureKeyOf: (leaf: number) => Uint8Array | undefined,
): { readonly leaf: number; readonly byServer: boolean } {
  if (message.content.epoch !== context.epoch) throw new Fault("group/epoch");
  const parts = removalParts(message);
  const key = signatureKeyOf(parts.leaf);
  valid(key !== undefined); // 12.1.3: a leaf that is there
  checkFraming(message, parts.byServer ? senderKeyOf(context) : key, context);
  return parts;
}

/** Writes the signature (64 bytes) of `message` into `signature`: plain Ed25519. */
export type SignMessage = (signature: Uint8Array, message: Uint8Array) => void;

/** The house's own Remove proposal for the group's epoch (section 12.1.8.1): MLSMessage with a PublicMessage. */
export function makeRemoval(context: GroupContext, leaf: number, sign: SignMessage): Uint8Array {
  const content: FramedContent = {
    groupId: context.groupId,
    epoch: context.epoch,
    sender: { senderType: "external", senderIndex: SENDER_INDEX },
    authenticatedData: new Uint8Array(0),
    contentType: "proposal",
    proposal: { proposalType: "remove", remove: { removed: leaf } },
  };
  const signed = toTbs(content, "mls_public_message", context);
  return withScratch(SIGNATURE_LENGTH, (signature) => {
    signWithLabel("FramedContentTBS", framedContentTBSEncoder, signed, (bytes) => sign(signature, bytes));
    return writeMessage({
      wireformat: "mls_public_message",
      publicMessage: { senderType: "external", content, auth: { contentType: "proposal", signature } },
    });
  });
}

/**
 * Resolves a commit's references: all pending proposals, each once, and nothing else. Returns the leaves they remove.
 * Throws Fault `group/proposals` where the committer knows others than those that are pending, `group/invalid` for one twice.
 */
export function resolveReferences(references: readonly Uint8Array[], pending: readonly PendingRemoval[]): number[] {
  within(references.length <= MAX_MEMBERS);
  references.forEach((ref, i) => valid(references.findIndex((other) => sameBytes(other, ref)) === i)); // 12.2
  if (references.length !== pending.length) throw new Fault("group/proposals");
  return pending.map(({ leaf, message }) =>
    withScratch(KEY_LENGTH, (ref) => {
      proposalRef(ref, readPublicMessage(message));
      if (!references.some((other) => sameBytes(other, ref))) throw new Fault("group/proposals");
      return leaf;
    }),
  );
}
