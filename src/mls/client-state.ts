// What a member holds of its group in one epoch, and how it is written. The library's state cannot send while it has
// proposals that no commit took in, so these are kept beside it and given to it only for a commit.
import { decodeGroupState, zeroOutUint8Array, type ClientState, type LeafNode } from "ts-mls";
import { groupStateEncoder, processProposal } from "ts-mls/clientState.js";
import {
  decodeVarLenData,
  decodeVarLenType,
  varLenDataEncoder,
  varLenTypeEncoder,
} from "ts-mls/codec/variableLength.js";
import { decodeUint32, uint32Encoder } from "ts-mls/codec/number.js";
import { mapDecoders, type Decoder } from "ts-mls/codec/tlsDecoder.js";
import { contramapBufferEncoders, encode } from "ts-mls/codec/tlsEncoder.js";
import { strictDecode, valid } from "./codec.ts";
import type { Member } from "./client-results.ts";
import { clientConfig } from "./config.ts";
import { readPublicMessage } from "./messages.ts";
import { PublicTree } from "./public-tree.ts";
import { cipherSuite } from "./suite.ts";
import { handleOf, pseudonymOf } from "./validation-leaf.ts";
import type { PendingRemoval } from "./validation-proposal.ts";

/** Immutable, but for the tree that is made when it is first asked for. */
export interface Held {
  readonly mls: ClientState;
  /** Verified Remove proposals of this epoch, at most one for each leaf, in the order in which they were taken. */
  readonly pending: readonly PendingRemoval[];
  /** The tree as the rules read it; made by `treeOf`. */
  tree?: PublicTree;
}

/** The state of an epoch that has just begun. */
export const fresh = (mls: ClientState, tree?: PublicTree): Held =>
  tree === undefined ? { mls, pending: [] } : { mls, pending: [], tree };

/** The tree with its hashes, which stay for the next one who asks: `clone` it before changing it. */
export const treeOf = (held: Held): PublicTree => (held.tree ??= PublicTree.from(held.mls.ratchetTree));

export function leafOf({ ratchetTree }: ClientState, index: number): LeafNode | undefined {
  const node = ratchetTree[2 * index];
  return node?.nodeType === "leaf" ? node.leaf : undefined;
}

export function ownLeafOf(state: ClientState): LeafNode {
  const leaf = leafOf(state, state.privatePath.leafIndex);
  valid(leaf !== undefined);
  return leaf;
}

/** In leaf order. */
export function membersOf({ ratchetTree }: ClientState): Member[] {
  const members: Member[] = [];
  ratchetTree.forEach((node, x) => {
    if (node?.nodeType !== "leaf") return;
    const { leaf } = node;
    const { signaturePublicKey } = leaf;
    members.push({ leafIndex: x / 2, pseudonym: pseudonymOf(leaf), signaturePublicKey, handle: handleOf(leaf) });
  });
  return members;
}

/** The library's state with the pending proposals in it, as a commit needs them. */
export async function withPending({ mls, pending }: Held): Promise<ClientState> {
  let state = mls;
  for (const { message } of pending) {
    const { content, auth } = readPublicMessage(message);
    valid(content.contentType === "proposal");
    const authenticated = { wireformat: "mls_public_message" as const, content, auth };
    state = await processProposal(state, authenticated, content.proposal, cipherSuite.hash);
  }
  return state;
}

/** What `settle` does: the secrets of the state before are gone. */
export const settler =
  (consumed: Uint8Array[]): (() => void) =>
  () =>
    consumed.forEach(zeroOutUint8Array);

const pendingEncoder = contramapBufferEncoders<[number, Uint8Array], PendingRemoval>(
  [uint32Encoder, varLenDataEncoder],
  ({ leaf, message }) => [leaf, message],
);
const decodePending: Decoder<PendingRemoval> = mapDecoders(
  [decodeUint32, decodeVarLenData],
  (leaf: number, message: Uint8Array): PendingRemoval => ({ leaf, message }),
);
type Decoded = Omit<ClientState, "clientConfig">;
const heldEncoder = contramapBufferEncoders<
  [Decoded, PendingRemoval[]],
  { mls: Decoded; pending: readonly PendingRemoval[] }
>([groupStateEncoder, varLenTypeEncoder(pendingEncoder)], ({ mls, pending }) => [mls, [...pending]]);
const decodeHeld = mapDecoders(
  [decodeGroupState, decodeVarLenType(decodePending)],
  (mls: Decoded, pending: PendingRemoval[]) => ({ mls, pending }),
);

export const writeHeld = ({ mls, pending }: Held): Uint8Array => encode(heldEncoder)({ mls, pending });

/** What `writeHeld` wrote. The bytes are copied: the library's secrets would be views of them otherwise. Throws Fault `group/invalid`. */
export function readHeld(bytes: Uint8Array): Held {
  const own = Buffer.allocUnsafeSlow(bytes.length);
  own.set(bytes);
  const { mls, pending } = strictDecode(decodeHeld, heldEncoder, new Uint8Array(own.buffer));
  return { mls: { ...mls, clientConfig }, pending };
}
