// Proposals as members see them: Remove and nothing else, of oneself or by the house, taken in by the next commit.
import { createProposal } from "ts-mls";
import { unprotectPublicMessage } from "ts-mls/messageProtectionPublic.js";
import { leafOf, type Held } from "./client-state.ts";
import { allowed, guarded, sameBytes, valid } from "./codec.ts";
import { readPublicMessage, writeMessage } from "./messages.ts";
import { cipherSuite } from "./suite.ts";
import { checkRemoval, type PendingRemoval } from "./validation-proposal.ts";

export interface TakenProposal {
  readonly held: Held;
  readonly leaf: number;
  readonly byServer: boolean;
}

/** MLSMessage with the Remove of oneself: nobody may remove itself in its own commit (RFC 9420 section 12.2). */
export async function makeLeave({ mls }: Held): Promise<Uint8Array> {
  valid(mls.groupActiveState.kind === "active");
  const remove = { proposalType: "remove" as const, remove: { removed: mls.privatePath.leafIndex } };
  const { message } = await guarded(() => createProposal(mls, true, remove, cipherSuite));
  return writeMessage(message);
}

/**
 * Verifies a proposal and keeps it for this epoch; one that is held already changes nothing. Throws Fault `group/epoch`
 * for one of another epoch, `group/policy` for one that this house does not know, `group/invalid`.
 */
export async function takeProposal(held: Held, bytes: Uint8Array): Promise<TakenProposal> {
  const { mls, pending } = held;
  const message = readPublicMessage(bytes);
  valid(mls.groupActiveState.kind === "active");
  const { leaf, byServer } = checkRemoval(message, mls.groupContext, (index) => leafOf(mls, index)?.signaturePublicKey);
  // what only members can check: the membership tag
  const { keySchedule, groupContext, ratchetTree } = mls;
  await guarded(() =>
    unprotectPublicMessage(keySchedule.membershipKey, groupContext, ratchetTree, message, cipherSuite),
  );
  const known = pending.find((other) => other.leaf === leaf);
  if (known === undefined) {
    // a copy: the caller's bytes may be a view of a queue
    const taken: PendingRemoval = { leaf, message: Uint8Array.from(bytes) };
    return { held: { ...held, pending: [...pending, taken] }, leaf, byServer };
  }
  allowed(sameBytes(known.message, bytes));
  return { held, leaf, byServer };
}
