// The tree invariant as one member can check it (RFC 9420 sections 4.2 and 12.4.3.1): it holds the private key of every
// non-blank node above its leaf at which it is not unmerged, and that key belongs to the public key in the tree.
import type { ClientState } from "ts-mls";
import { x25519Public } from "../crypto/mls-hpke.ts";
import { sameBytes, valid } from "./codec.ts";
import { directPath } from "./tree-math.ts";

/**
 * The library takes path secrets on trust; a committer could hand out ones that do not fit the public keys it signed,
 * and the member would be lost at some later commit. Throws Fault `group/invalid`.
 */
export function checkPrivatePath(state: ClientState): void {
  const { leafIndex, privateKeys } = state.privatePath;
  const leaf = 2 * leafIndex;
  for (const x of [leaf, ...directPath(leaf, state.ratchetTree.length)]) {
    const node = state.ratchetTree[x];
    if (node === undefined) continue;
    if (node.nodeType === "parent" && node.parent.unmergedLeaves.includes(leafIndex)) continue;
    const key = privateKeys[x];
    valid(key !== undefined);
    valid(sameBytes(x25519Public(key), node.nodeType === "leaf" ? node.leaf.hpkePublicKey : node.parent.hpkePublicKey));
  }
}
