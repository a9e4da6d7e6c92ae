// The tree invariant as one member can check it (RFC 9420 sections 4.2 and 12.4.3.1): it holds the private key of every
// non-blank node above its leaf at which it is not unmerged, and that key belongs to the public key in the tree.
import type { ClientState } from "ts-mls";
import { x25519Public } from "../crypto/mls-hpke.ts";
import { sameBytes, valid } from "./codec.ts";
import { directPath } from "./tree-math.ts";

/** The nodes whose private keys this member has to have. */
function ownNodes({ privatePath, ratchetTree }: ClientState): number[] {
  const { leafIndex } = privatePath;
  const leaf = 2 * leafIndex;
  return [leaf, ...directPath(leaf, ratchetTree.length)].filter((x) => {
    const node = ratchetTree[x];
    return node !== undefined && (node.nodeType === "leaf" || !node.parent.unmergedLeaves.includes(leafIndex));
  });
}

/**
 * The library takes path secrets on trust; a committer could hand out ones that do not fit the public keys it signed,
 * and the member would be lost at some later commit. Throws Fault `group/invalid`.
 */
export function checkPrivatePath(state: ClientState): void {
  const { privateKeys } = state.privatePath;
  for (const x of ownNodes(state)) {
    const [node, key] = [state.ratchetTree[x], privateKeys[x]];
    valid(node !== undefined && key !== undefined);
    valid(sameBytes(x25519Public(key), node.nodeType === "leaf" ? node.leaf.hpkePublicKey : node.parent.hpkePublicKey));
  }
}

/**
 * The state without the private keys of nodes that are blank now, which the library would keep: they open path secrets
 * of epochs that are over (RFC 9420 section 9.2).
 */
export function withoutStaleKeys(state: ClientState): ClientState {
  const { leafIndex, privateKeys } = state.privatePath;
  const kept = ownNodes(state).flatMap((x): [number, Uint8Array][] => {
    const key = privateKeys[x];
    return key === undefined ? [] : [[x, key]];
  });
  return { ...state, privatePath: { leafIndex, privateKeys: Object.fromEntries(kept) } };
}
