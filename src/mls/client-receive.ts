// What arrives from others: application messages, and commits, which are judged by the rules that the server goes by
// before the library takes them.
import { emptyPskIndex, processMessage, type PrivateMessage, type PublicMessage } from "ts-mls";
import { fresh, membersOf, treeOf, withPending, type Held } from "./client-state.ts";
import { allowed, guarded, sameBytes, valid } from "./codec.ts";
import { checkPrivatePath, withoutStaleKeys } from "./private-path.ts";
import { cipherSuite } from "./suite.ts";
import { stageCommit, type CommitEffect } from "./validation-commit.ts";

export interface TakenApplication {
  readonly plaintext: Uint8Array;
  readonly sender: number;
  readonly held: Held;
  readonly consumed: Uint8Array[];
}

export async function takeApplication(held: Held, privateMessage: PrivateMessage): Promise<TakenApplication> {
  const { mls } = held;
  allowed(privateMessage.contentType === "application");
  valid(sameBytes(privateMessage.groupId, mls.groupContext.groupId));
  const message = { wireformat: "mls_private_message" as const, privateMessage };
  const result = await guarded(() => processMessage(message, mls, emptyPskIndex, () => "reject", cipherSuite));
  valid(result.kind === "applicationMessage" && result.aad.length === 0);
  const { message: plaintext, senderLeafIndex: sender, newState, consumed } = result;
  return { plaintext, sender, held: { ...held, mls: newState }, consumed };
}

export interface TakenCommit {
  readonly effect: CommitEffect;
  readonly removedSelf: boolean;
  readonly held: Held;
  readonly consumed: Uint8Array[];
}

/** Throws Fault `group/epoch`, `group/proposals`, `group/policy`, `group/limit`, `group/invalid`. */
export async function takeCommit(held: Held, publicMessage: PublicMessage): Promise<TakenCommit> {
  const { mls, pending } = held;
  const { sender } = publicMessage.content;
  const ownLeaf = mls.privatePath.leafIndex;
  valid(sender.senderType !== "member" || sender.leafIndex !== ownLeaf);
  const tree = treeOf(held).clone();
  const members = membersOf(mls).map(({ leafIndex, pseudonym }) => ({ leaf: leafIndex, pseudonym }));
  const effect = stageCommit(tree, publicMessage, { context: mls.groupContext, members, pending }, undefined);
  // also when another copy of this client took a new leaf
  const removedSelf = effect.former === ownLeaf || effect.removed.some(({ leaf }) => leaf === ownLeaf);
  // references stay unknown to an external commit, which has none
  const state = effect.kind === "member" ? await withPending(held) : mls;
  const message = { wireformat: "mls_public_message" as const, publicMessage };
  const result = await guarded(() => processMessage(message, state, emptyPskIndex, () => "accept", cipherSuite));
  valid(result.kind === "newState");
  const { newState, consumed } = result;
  valid(removedSelf === (newState.groupActiveState.kind === "removedFromGroup"));
  if (removedSelf) return { effect, removedSelf, held: fresh(newState), consumed };
  // two implementations of the tree, one result
  valid(sameBytes(tree.treeHash(), newState.groupContext.treeHash));
  checkPrivatePath(newState);
  return { effect, removedSelf, held: fresh(withoutStaleKeys(newState), tree), consumed };
}
