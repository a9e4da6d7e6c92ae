// What an attacker knows and has: a member's place in the group, and the pieces of which its requests are made.
import type { ClientState, Commit, CreateCommitOptions, KeyPackage, Proposal } from "ts-mls";
import { generateKeyPackageWithKey, joinGroupExternal } from "ts-mls";
import { signGroupInfo } from "ts-mls/groupInfo.js";
import { randomBytes } from "../../../src/crypto/random.ts";
import { clientConfig } from "../../../src/mls/config.ts";
import { leafExtensions, makeKeyPackage } from "../../../src/mls/key-package.ts";
import { readGroupInfo, readKeyPackage, readRatchetTree, writeMessage } from "../../../src/mls/messages.ts";
import type { contextExtensions } from "../../../src/mls/policy.ts";
import { capabilities, cipherSuite } from "../../../src/mls/suite.ts";
import type { RequestOf } from "../../../src/wire/operations.ts";
import { emptyRecovery, rawCommit, type RawCommit, rawState } from "../../mls/raw.ts";
import type { Random } from "../random.ts";
import type { Actor } from "./actor.ts";
import { forged } from "./forge.ts";
import type { House, Prepared, Signer } from "./house.ts";
import type { Model } from "./model.ts";

export interface Scene {
  readonly house: House;
  readonly model: Model;
  readonly random: Random;
  /** The attacker: a member in step. */
  readonly by: Actor;
  /** Other members, and those of them that are in step. */
  readonly others: readonly Actor[];
  readonly inStep: readonly Actor[];
  /** Accepted before, in epochs that are over. */
  readonly old: readonly { readonly request: CommitFields; readonly as: Signer }[];
}
export type CommitFields = RequestOf<"ds.commit">;

export interface Planted {
  readonly prepared: Prepared;
  /** A commit that members must refuse as well. */
  readonly show?: Uint8Array;
}
export type Attack = (scene: Scene) => Promise<Planted | undefined>;

export const none = new Uint8Array(0);
const careless: ClientState["clientConfig"] = {
  ...clientConfig,
  keyPackageEqualityConfig: { compareKeyPackages: () => false, compareKeyPackageToLeafNode: () => false },
};
export const stateOf = (actor: Actor): ClientState => ({ ...rawState(actor.it), clientConfig: careless });
export const removal = (removed: number): Proposal => ({ proposalType: "remove", remove: { removed } });
export const addition = (keyPackage: KeyPackage): Proposal => ({ proposalType: "add", add: { keyPackage } });
export const context = (extensions: ReturnType<typeof contextExtensions>): Proposal => ({
  proposalType: "group_context_extensions",
  groupContextExtensions: { extensions },
});

export const requestBy = async (
  by: Actor,
  made: Pick<RawCommit, "commit" | "groupInfo"> & { welcome?: Uint8Array | undefined },
  recovery: Uint8Array = none,
): Promise<CommitFields> => ({
  groupId: by.it.groupId,
  groupKey: await by.it.groupKey(),
  nextGroupKey: randomBytes(32),
  leaf: by.it.ownLeaf,
  commit: made.commit,
  groupInfo: made.groupInfo,
  welcome: made.welcome ?? none,
  recovery,
});
export const asking = async (
  { house, by }: Scene,
  made: Parameters<typeof requestBy>[1],
  recovery?: Uint8Array,
  more: Partial<CommitFields> = {},
): Promise<Planted> => ({
  prepared: house.prepare("ds.commit", { ...(await requestBy(by, made, recovery)), ...more }, by.it),
  show: made.commit,
});
export const made = (by: Actor, extraProposals: Proposal[] = [], state = stateOf(by), more: CreateCommitOptions = {}) =>
  rawCommit(state, { forcePath: true, extraProposals, ...more });

/** The leaves that get a sealed key when `gone` go. */
export const stay = ({ model, by }: Scene, ...gone: Actor[]): Uint8Array =>
  emptyRecovery(
    ...model.members
      .filter((actor) => actor !== by && !gone.includes(actor) && !model.pending.has(actor))
      .map((actor) => model.leafOf(actor))
      .toSorted((a, b) => a - b),
  );

const flip = (bytes: Uint8Array, bit: number): Uint8Array => {
  const flipped = Uint8Array.from(bytes);
  flipped[bit >> 3]! ^= 1 << (bit & 7);
  return flipped;
};

/** An honest change by one who may make it, to be spoilt. */
export async function honestly(scene: Scene): Promise<CommitFields> {
  const { by, model, house } = scene;
  const newcomer = await invitation(house);
  const add = model.mayAdd(by) ? [newcomer.keyPackage] : [];
  const [victim] = scene.others.filter((other) => !model.pending.has(other));
  const remove = model.isAdmin(by) && victim !== undefined ? [model.leafOf(victim)] : [];
  const pending = await by.it.commit({ add, remove, now: house.now });
  const { commit, groupInfo, welcome = none, recovery, nextGroupKey } = pending;
  return { ...(await requestBy(by, { commit, groupInfo })), nextGroupKey, welcome, recovery };
}
export const invitation = ({ now }: House, more: { pseudonym?: Uint8Array; notAfter?: number } = {}) =>
  makeKeyPackage({
    pseudonym: randomBytes(16),
    handle: randomBytes(88),
    notBefore: now - 3600,
    notAfter: now + 86_400,
    ...more,
  });

// The membership tag is the last field: only members can check it.
const MEMBERSHIP_TAG = 32;

export const flipped =
  (part: "commit" | "groupInfo"): Attack =>
  async (scene) => {
    const { random, house, by } = scene;
    const request = await honestly(scene);
    const bits = 8 * (request[part].length - (part === "commit" ? MEMBERSHIP_TAG : 0));
    const spoilt = flip(request[part], random.below(bits));
    const prepared = house.prepare("ds.commit", { ...request, [part]: spoilt }, by.it);
    return part === "commit" ? { prepared, show: spoilt } : { prepared };
  };

/** A commit of a new leaf that says it is `pseudonym`'s, under `keys`. */
export async function fromOutside(
  scene: Scene,
  pseudonym: Uint8Array,
  keys: { signKey: Uint8Array; publicKey: Uint8Array },
) {
  const { by, house } = scene;
  const info = await by.joinInfo(by.it.groupId, await by.it.groupKey());
  if (info === undefined) return undefined;
  const { publicPackage, privatePackage } = await generateKeyPackageWithKey(
    { credentialType: "basic", identity: pseudonym },
    capabilities,
    { notBefore: BigInt(house.now - 3600), notAfter: BigInt(house.now + 86_400) },
    [],
    keys,
    cipherSuite,
    leafExtensions(randomBytes(88)),
  );
  return { info, publicPackage, privatePackage };
}

export async function entering(
  scene: Scene,
  pseudonym: Uint8Array,
  keys: { signKey: Uint8Array; publicKey: Uint8Array },
  replaces: boolean,
) {
  const made_ = await fromOutside(scene, pseudonym, keys);
  if (made_ === undefined) return undefined;
  const { info, publicPackage, privatePackage } = made_;
  const { publicMessage, newState } = await joinGroupExternal(
    readGroupInfo(info.groupInfo),
    publicPackage,
    privatePackage,
    replaces,
    cipherSuite,
    readRatchetTree(info.tree),
    clientConfig,
  );
  // the GroupInfo that fits
  const own = await rawCommit({ ...newState, clientConfig: careless }, { forcePath: true });
  const groupInfo = readGroupInfo(own.groupInfo);
  const fitting = {
    ...groupInfo,
    groupContext: newState.groupContext,
    confirmationTag: newState.confirmationTag,
    signer: newState.privatePath.leafIndex,
  };
  const signed = await signGroupInfo(fitting, keys.signKey, cipherSuite.signature);
  return {
    commit: writeMessage({ wireformat: "mls_public_message", publicMessage }),
    groupInfo: writeMessage({ wireformat: "mls_group_info", groupInfo: signed }),
  };
}

export const pick = <T>({ random }: Scene, list: readonly T[]): T | undefined =>
  list.length === 0 ? undefined : random.pick(list);
export const quiet = ({ model }: Scene): boolean => model.pending.size === 0;
export const plain = ({ model, by }: Scene): boolean => !model.isAdmin(by);

// What the library would not do: other additions in the place of a harmless one.
export async function adding(scene: Scene, ...packages: KeyPackage[]): Promise<Planted> {
  const harmless = addition(readKeyPackage((await invitation(scene.house)).keyPackage));
  const own = await made(scene.by, [harmless]);
  const change = (commit: Commit): Commit => ({
    ...commit,
    proposals: packages.map((one) => ({ proposalOrRefType: "proposal", proposal: addition(one) })),
  });
  const { welcome } = own;
  return asking(scene, { ...(await forged(stateOf(scene.by), own, { commit: change })), welcome });
}
