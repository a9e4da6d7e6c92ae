// Requests that the house must refuse: each a good one with one thing wrong, by a member with real keys.
import type { ClientState, Commit, CreateCommitOptions, KeyPackage, LeafNode, Proposal } from "ts-mls";
import { generateKeyPackageWithKey, joinGroupExternal } from "ts-mls";
import { signGroupInfo } from "ts-mls/groupInfo.js";
import { randomBytes } from "../../../src/crypto/random.ts";
import { clientConfig } from "../../../src/mls/config.ts";
import { leafExtensions, makeKeyPackage } from "../../../src/mls/key-package.ts";
import { readGroupInfo, readKeyPackage, readRatchetTree, writeMessage } from "../../../src/mls/messages.ts";
import { contextExtensions } from "../../../src/mls/policy.ts";
import { capabilities, cipherSuite } from "../../../src/mls/suite.ts";
import type { RequestOf } from "../../../src/wire/operations.ts";
import { emptyRecovery, rawCommit, type RawCommit, rawProposal, rawState } from "../../mls/raw.ts";
import { keyPair } from "../../services/services.ts";
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
  readonly old: readonly { readonly request: Commit_; readonly as: Signer }[];
}
type Commit_ = RequestOf<"ds.commit">;

export interface Planted {
  readonly prepared: Prepared;
  /** A commit that members must refuse as well. */
  readonly show?: Uint8Array;
}
type Attack = (scene: Scene) => Promise<Planted | undefined>;

const none = new Uint8Array(0);
const careless: ClientState["clientConfig"] = {
  ...clientConfig,
  keyPackageEqualityConfig: { compareKeyPackages: () => false, compareKeyPackageToLeafNode: () => false },
};
const stateOf = (actor: Actor): ClientState => ({ ...rawState(actor.it), clientConfig: careless });
const removal = (removed: number): Proposal => ({ proposalType: "remove", remove: { removed } });
const addition = (keyPackage: KeyPackage): Proposal => ({ proposalType: "add", add: { keyPackage } });
const context = (extensions: ReturnType<typeof contextExtensions>): Proposal => ({
  proposalType: "group_context_extensions",
  groupContextExtensions: { extensions },
});

const requestBy = async (
  by: Actor,
  made: Pick<RawCommit, "commit" | "groupInfo"> & { welcome?: Uint8Array | undefined },
  recovery: Uint8Array = none,
): Promise<Commit_> => ({
  groupId: by.it.groupId,
  groupKey: await by.it.groupKey(),
  nextGroupKey: randomBytes(32),
  leaf: by.it.ownLeaf,
  commit: made.commit,
  groupInfo: made.groupInfo,
  welcome: made.welcome ?? none,
  recovery,
});
const asking = async (
  { house, by }: Scene,
  made: Parameters<typeof requestBy>[1],
  recovery?: Uint8Array,
  more: Partial<Commit_> = {},
): Promise<Planted> => ({
  prepared: house.prepare("ds.commit", { ...(await requestBy(by, made, recovery)), ...more }, by.it),
  show: made.commit,
});
const made = (by: Actor, extraProposals: Proposal[] = [], state = stateOf(by), more: CreateCommitOptions = {}) =>
  rawCommit(state, { forcePath: true, extraProposals, ...more });

/** The leaves that get a sealed key when `gone` go. */
const stay = ({ model, by }: Scene, ...gone: Actor[]): Uint8Array =>
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
async function honestly(scene: Scene): Promise<Commit_> {
  const { by, model, house } = scene;
  const newcomer = await invitation(house);
  const add = model.mayAdd(by) ? [newcomer.keyPackage] : [];
  const [victim] = scene.others.filter((other) => !model.pending.has(other));
  const remove = model.isAdmin(by) && victim !== undefined ? [model.leafOf(victim)] : [];
  const pending = await by.it.commit({ add, remove, now: house.now });
  const { commit, groupInfo, welcome = none, recovery, nextGroupKey } = pending;
  return { ...(await requestBy(by, { commit, groupInfo })), nextGroupKey, welcome, recovery };
}
const invitation = ({ now }: House, more: { pseudonym?: Uint8Array; notAfter?: number } = {}) =>
  makeKeyPackage({
    pseudonym: randomBytes(16),
    handle: randomBytes(88),
    notBefore: now - 3600,
    notAfter: now + 86_400,
    ...more,
  });

// The membership tag is the last field: only members can check it.
const MEMBERSHIP_TAG = 32;

const flipped =
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
async function fromOutside(scene: Scene, pseudonym: Uint8Array, keys: { signKey: Uint8Array; publicKey: Uint8Array }) {
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

async function entering(
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

const pick = <T>({ random }: Scene, list: readonly T[]): T | undefined =>
  list.length === 0 ? undefined : random.pick(list);
const quiet = ({ model }: Scene): boolean => model.pending.size === 0;
const plain = ({ model, by }: Scene): boolean => !model.isAdmin(by);

// What the library would not do: other additions in the place of a harmless one.
async function adding(scene: Scene, ...packages: KeyPackage[]): Promise<Planted> {
  const harmless = addition(readKeyPackage((await invitation(scene.house)).keyPackage));
  const own = await made(scene.by, [harmless]);
  const change = (commit: Commit): Commit => ({
    ...commit,
    proposals: packages.map((one) => ({ proposalOrRefType: "proposal", proposal: addition(one) })),
  });
  const { welcome } = own;
  return asking(scene, { ...(await forged(stateOf(scene.by), own, { commit: change })), welcome });
}

/** By name; undefined where the group is not such that it makes sense. */
export const attacks: Readonly<Record<string, Attack>> = {
  "a bit of the commit": flipped("commit"),
  "a bit of the GroupInfo": flipped("groupInfo"),
  "another epoch": async (scene) => {
    if (!quiet(scene)) return undefined;
    const state = stateOf(scene.by);
    const epoch = state.groupContext.epoch + BigInt(scene.random.pick([1, 2]));
    return asking(scene, await made(scene.by, [], { ...state, groupContext: { ...state.groupContext, epoch } }));
  },
  "another's leaf in the commit": async (scene) => {
    const other = pick(scene, scene.others);
    if (other === undefined || !quiet(scene)) return undefined;
    const own = await made(scene.by);
    const sender = { senderType: "member" as const, leafIndex: scene.model.leafOf(other) };
    const message = { ...own.message, content: { ...own.message.content, sender } };
    return asking(scene, await forged(stateOf(scene.by), { ...own, message }, {}));
  },
  "another's leaf in the request": async (scene) => {
    const other = pick(scene, scene.others);
    const request = await honestly(scene);
    if (other === undefined) return undefined;
    const { house, by, model } = scene;
    return { prepared: house.prepare("ds.commit", { ...request, leaf: model.leafOf(other) }, by.it) };
  },
  "another's commit under one's own name": async (scene) => {
    const other = pick(scene, scene.inStep);
    if (other === undefined || scene.model.pending.has(other)) return undefined;
    const { commit, groupInfo, recovery } = await other.it.commit({ now: scene.house.now });
    const request = await requestBy(scene.by, { commit, groupInfo }, recovery);
    return { prepared: scene.house.prepare("ds.commit", request, scene.by.it) };
  },
  "a stranger's signature": async (scene) => ({
    prepared: scene.house.prepare("ds.commit", await honestly(scene), keyPair()),
  }),
  "a removal without authority": async (scene) => {
    const victim = pick(scene, scene.others);
    if (victim === undefined || !plain(scene) || !quiet(scene)) return undefined;
    const own = await made(scene.by, [removal(scene.model.leafOf(victim))]);
    return asking(scene, own, stay(scene, victim));
  },
  "an addition without authority": async (scene) => {
    if (scene.model.mayAdd(scene.by) || !quiet(scene)) return undefined;
    const { keyPackage } = await invitation(scene.house);
    return asking(scene, await made(scene.by, [addition(readKeyPackage(keyPackage))]));
  },
  "a role change by a member": async (scene) => {
    if (!plain(scene) || !quiet(scene)) return undefined;
    const { by, house } = scene;
    const policy = { ...by.it.policy, admins: [...by.it.policy.admins, by.pseudonym] };
    return asking(scene, await made(by, [context(contextExtensions(policy, house.senderKey))]));
  },
  "another house in the context": async (scene) => {
    if (plain(scene) || !quiet(scene)) return undefined;
    return asking(scene, await made(scene.by, [context(contextExtensions(scene.by.it.policy, randomBytes(32)))]));
  },
  "an admin who is no member": async (scene) => {
    if (plain(scene) || !quiet(scene)) return undefined;
    const policy = { ...scene.by.it.policy, admins: [...scene.by.it.policy.admins, randomBytes(16)] };
    return asking(scene, await made(scene.by, [context(contextExtensions(policy, scene.house.senderKey))]));
  },
  "a changed credential": async (scene) => {
    if (!quiet(scene)) return undefined;
    const state = stateOf(scene.by);
    const x = 2 * state.privatePath.leafIndex;
    const own = state.ratchetTree[x];
    if (own?.nodeType !== "leaf") return undefined;
    const renamed = { ...own.leaf, credential: { credentialType: "basic", identity: randomBytes(16) } } as LeafNode;
    const ratchetTree = state.ratchetTree.with(x, { nodeType: "leaf", leaf: renamed });
    return asking(scene, await made(scene.by, [], { ...state, ratchetTree }));
  },
  "a pseudonym that is taken": async (scene) => {
    const other = pick(scene, scene.others);
    if (other === undefined || !scene.model.mayAdd(scene.by) || !quiet(scene)) return undefined;
    const { keyPackage } = await invitation(scene.house, { pseudonym: other.pseudonym });
    return asking(scene, await made(scene.by, [addition(readKeyPackage(keyPackage))]));
  },
  "a signature key that is taken": async (scene) => {
    if (!scene.model.mayAdd(scene.by) || !quiet(scene)) return undefined;
    const { by } = scene;
    const signKey = Uint8Array.from(stateOf(by).signaturePrivateKey);
    const own = by.it.members().find(({ leafIndex }) => leafIndex === by.it.ownLeaf);
    const twin = await fromOutside(scene, randomBytes(16), { signKey, publicKey: own!.signaturePublicKey });
    return twin && adding(scene, twin.publicPackage);
  },
  "the same KeyPackage twice": async (scene) => {
    if (!scene.model.mayAdd(scene.by) || scene.model.connection || !quiet(scene)) return undefined;
    const one = readKeyPackage((await invitation(scene.house)).keyPackage);
    return adding(scene, one, one);
  },
  "a KeyPackage out of time": async (scene) => {
    if (!scene.model.mayAdd(scene.by) || !quiet(scene)) return undefined;
    const { house } = scene;
    const { keyPackage } = await invitation(house, { notAfter: house.now - 60 });
    // members read a commit later than the house did, and leave lifetimes to it
    const { prepared } = await asking(scene, await made(scene.by, [addition(readKeyPackage(keyPackage))]));
    return { prepared };
  },
  "without its Welcome": async (scene) => {
    if (!scene.model.mayAdd(scene.by)) return undefined;
    return { prepared: scene.house.prepare("ds.commit", { ...(await honestly(scene)), welcome: none }, scene.by.it) };
  },
  "a removal without the sealed keys": async (scene) => {
    const request = await honestly(scene);
    if (request.recovery.length === 0) return undefined;
    const recovery = scene.random.pick([none, request.recovery.subarray(82), randomBytes(request.recovery.length)]);
    return { prepared: scene.house.prepare("ds.commit", { ...request, recovery }, scene.by.it) };
  },
  "the removal of oneself": async (scene) => {
    if (plain(scene) || !quiet(scene)) return undefined;
    const own = await made(scene.by);
    const proposal = { proposalOrRefType: "proposal" as const, proposal: removal(scene.by.it.ownLeaf) };
    const change = (commit: Commit): Commit => ({ ...commit, proposals: [proposal] });
    return asking(scene, await forged(stateOf(scene.by), own, { commit: change }), stay(scene, scene.by));
  },
  "a removal of nobody": async (scene) => {
    if (plain(scene) || !quiet(scene)) return undefined;
    const own = await made(scene.by);
    const proposal = { proposalOrRefType: "proposal" as const, proposal: removal(40) };
    const change = (commit: Commit): Commit => ({ ...commit, proposals: [proposal] });
    return asking(scene, await forged(stateOf(scene.by), own, { commit: change }), stay(scene));
  },
  "missing pending proposals": async (scene) => {
    if (quiet(scene)) return undefined;
    return asking(scene, await made(scene.by));
  },
  "a reference to nothing": async (scene) => {
    if (!quiet(scene)) return undefined;
    const unknown = { proposalOrRefType: "reference" as const, reference: randomBytes(32) };
    const change = (commit: Commit): Commit => ({ ...commit, proposals: [...commit.proposals, unknown] });
    return asking(scene, await forged(stateOf(scene.by), await made(scene.by), { commit: change }));
  },
  "a path that is too short or too long": async (scene) => {
    const own = await made(scene.by);
    if (!quiet(scene) || scene.model.members.length < 2) return undefined;
    const shorten = scene.random.below(2) === 0;
    const change = (commit: Commit): Commit => {
      const path = commit.path!;
      const nodes = shorten ? path.nodes.slice(0, -1) : [...path.nodes, path.nodes[0]!];
      return { ...commit, path: { ...path, nodes } };
    };
    return asking(scene, await forged(stateOf(scene.by), own, { commit: change }));
  },
  "a path without all its ciphertexts": async (scene) => {
    const own = await made(scene.by);
    if (!quiet(scene) || scene.model.members.length < 2) return undefined;
    const change = (commit: Commit): Commit => {
      const path = commit.path!;
      const nodes = path.nodes.map((node) => ({ ...node, encryptedPathSecret: node.encryptedPathSecret.slice(1) }));
      return { ...commit, path: { ...path, nodes } };
    };
    return asking(scene, await forged(stateOf(scene.by), own, { commit: change }));
  },
  "no path": async (scene) => {
    if (!quiet(scene)) return undefined;
    const change = (commit: Commit): Commit => ({ ...commit, path: undefined });
    return asking(scene, await forged(stateOf(scene.by), await made(scene.by), { commit: change }));
  },
  "another's GroupInfo": async (scene) => {
    const other = pick(scene, scene.inStep);
    const request = await honestly(scene);
    if (other === undefined || scene.model.pending.has(other)) return undefined;
    const { groupInfo } = await other.it.commit({ now: scene.house.now });
    return { prepared: scene.house.prepare("ds.commit", { ...request, groupInfo }, scene.by.it) };
  },
  "the key of now for the next epoch": async (scene) => {
    const request = await honestly(scene);
    const nextGroupKey = request.groupKey;
    return { prepared: scene.house.prepare("ds.commit", { ...request, nextGroupKey }, scene.by.it) };
  },
  "a replayed commit": async (scene) => {
    const past = pick(scene, scene.old);
    if (past === undefined) return undefined;
    const groupKey = await scene.by.it.groupKey();
    // with the old key, or with the key of now under the own or the old maker's name
    const [request, as] = scene.random.pick<[Commit_, Signer]>([
      [past.request, past.as],
      [{ ...past.request, groupKey }, past.as],
      [{ ...past.request, groupKey, leaf: scene.by.it.ownLeaf }, scene.by.it],
    ]);
    return { prepared: scene.house.prepare("ds.commit", request, as) };
  },
  "a commit by one who is to go": async (scene) => {
    const leaver = scene.inStep.find((actor) => scene.model.pending.has(actor));
    if (leaver === undefined) return undefined;
    const own = await made(leaver);
    const prepared = scene.house.prepare("ds.commit", await requestBy(leaver, own), leaver.it);
    return { prepared, show: own.commit };
  },
  "another's leave": async (scene) => {
    const victim = pick(scene, scene.others);
    if (victim === undefined || scene.model.pending.has(victim)) return undefined;
    const { by, house, model } = scene;
    const proposal = await rawProposal(stateOf(by), removal(model.leafOf(victim)));
    const member = { groupId: by.it.groupId, groupKey: await by.it.groupKey(), leaf: by.it.ownLeaf };
    return { prepared: house.prepare("ds.leave", { ...member, proposal }, by.it), show: proposal };
  },
  "a resync in another's place": async (scene) => {
    const victim = pick(scene, scene.others);
    if (victim === undefined) return undefined;
    const { by, house, model } = scene;
    // the victim's pseudonym under a key of one's own: the library replaces the leaf of that name
    const forgery = await entering(scene, victim.pseudonym, await cipherSuite.signature.keygen(), true);
    if (forgery === undefined) return undefined;
    const keys = { groupId: by.it.groupId, groupKey: await by.it.groupKey(), nextGroupKey: randomBytes(32) };
    const leaf = model.leafOf(scene.random.pick([by, victim]));
    return { prepared: house.prepare("ds.resync", { ...keys, leaf, ...forgery }, by.it), show: forgery.commit };
  },
  "a join from outside": async (scene) => {
    const { by, house, model } = scene;
    if (model.connection && model.members.length === 1) return undefined;
    const keys = await cipherSuite.signature.keygen();
    const forgery = await entering(scene, randomBytes(16), keys, false);
    if (forgery === undefined) return undefined;
    const request = { groupId: by.it.groupId, groupKey: await by.it.groupKey(), nextGroupKey: randomBytes(32) };
    const as = { publicKey: Buffer.from(keys.publicKey), secretKey: Buffer.from(keys.signKey) };
    return { prepared: house.prepare("ds.join", { ...request, ...forgery }, as), show: forgery.commit };
  },
  "an end with others in it": async (scene) => {
    const { by, house, model } = scene;
    if (!quiet(scene) || model.members.length < 2) return undefined;
    const { commit, groupInfo } = await by.it.commit({ now: house.now });
    const member = { groupId: by.it.groupId, groupKey: await by.it.groupKey(), leaf: by.it.ownLeaf };
    return { prepared: house.prepare("ds.delete", { ...member, commit, groupInfo }, by.it) };
  },
  "a wrong key": async (scene) => {
    const request = { ...(await honestly(scene)), groupKey: randomBytes(32) };
    return { prepared: scene.house.prepare("ds.commit", request, scene.by.it) };
  },
};
