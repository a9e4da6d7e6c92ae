// Commits that the house cannot see through: it takes them, and the others cannot follow, or not find on.
import { signGroupInfo } from "ts-mls/groupInfo.js";
import { randomBytes } from "../../../src/crypto/random.ts";
import type { ClientGroup } from "../../../src/mls/client.ts";
import { writeMessage } from "../../../src/mls/messages.ts";
import { cipherSuite } from "../../../src/mls/suite.ts";
import { rawCommit, rawState } from "../../mls/raw.ts";
import type { Random } from "../random.ts";
import type { Actor } from "./actor.ts";
import { forged, withoutSecrets } from "./forge.ts";
import type { House, Prepared } from "./house.ts";

export interface Unusable {
  readonly prepared: Prepared;
  readonly commit: Uint8Array;
  readonly nextGroupKey: Uint8Array;
  /** Members take it for good: that something is wrong shows later. */
  readonly followed: boolean;
  /** What its maker is in after it, where that is of any use. */
  readonly next: ClientGroup | undefined;
}

export const unusables = [
  "a membership tag that is none",
  "ciphertexts that nobody can open",
  "a confirmation tag that is none",
  "another next group key",
  "an external_pub that is none",
] as const;

/** A renewal by `by`, of that kind. Nothing may be pending. */
export async function unusable(
  kind: (typeof unusables)[number],
  { house, by, random }: { readonly house: House; readonly by: Actor; readonly random: Random },
): Promise<Unusable> {
  const group = by.it;
  const pending = await group.commit({ now: house.now });
  let { commit, groupInfo, nextGroupKey } = pending;
  const state = rawState(group);
  const own = (): ReturnType<typeof rawCommit> => rawCommit(state, { forcePath: true });
  let next: ClientGroup | undefined;
  if (kind === "a membership tag that is none") {
    commit = Uint8Array.from(commit);
    commit[commit.length - 1 - random.below(32)]! ^= 1 << random.below(8);
    ({ next } = pending);
  } else if (kind === "ciphertexts that nobody can open") {
    ({ commit, groupInfo } = await forged(state, await own(), { commit: withoutSecrets }));
  } else if (kind === "a confirmation tag that is none") {
    ({ commit, groupInfo } = await forged(state, await own(), { confirmationTag: randomBytes(32) }));
  } else if (kind === "another next group key") {
    nextGroupKey = randomBytes(32);
    ({ next } = pending);
  } else {
    groupInfo = await withExternalPub(pending.next);
    ({ next } = pending);
  }
  const followed = kind === "another next group key" || kind === "an external_pub that is none";
  const keys = { groupId: group.groupId, groupKey: await group.groupKey(), nextGroupKey };
  const empty = { welcome: Buffer.alloc(0), recovery: Buffer.alloc(0) };
  const request = { ...keys, leaf: group.ownLeaf, commit, groupInfo, ...empty };
  return { prepared: house.prepare("ds.commit", request, group), commit, nextGroupKey, followed, next };
}

// opaque external_pub<V>: a key of the right form that nobody has the other half of
async function withExternalPub(next: ClientGroup): Promise<Uint8Array> {
  const state = rawState(next);
  const { groupContext, confirmationTag, privatePath } = state;
  const { publicKey } = await cipherSuite.hpke.generateKeyPair();
  const key = await cipherSuite.hpke.exportPublicKey(publicKey);
  const extensions = [{ extensionType: "external_pub" as const, extensionData: Buffer.concat([Buffer.of(32), key]) }];
  const unsigned = { groupContext, extensions, confirmationTag, signer: privatePath.leafIndex };
  const groupInfo = await signGroupInfo(unsigned, state.signaturePrivateKey, cipherSuite.signature);
  return writeMessage({ wireformat: "mls_group_info", groupInfo });
}
