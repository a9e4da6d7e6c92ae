// Requests that the house must refuse: each a good one with one thing wrong, by a member with real keys.
import type { Commit, LeafNode } from "ts-mls";
import { randomBytes } from "../../../src/crypto/random.ts";
import { readKeyPackage } from "../../../src/mls/messages.ts";
import { contextExtensions } from "../../../src/mls/policy.ts";
import { cipherSuite } from "../../../src/mls/suite.ts";
import { rawProposal } from "../../mls/raw.ts";
import { keyPair } from "../../services/services.ts";
import { forged } from "./forge.ts";
import type { Signer } from "./house.ts";
import {
  type Attack,
  type CommitFields,
  none,
  stateOf,
  removal,
  addition,
  context,
  requestBy,
  asking,
  made,
  stay,
  honestly,
  invitation,
  flipped,
  fromOutside,
  entering,
  pick,
  quiet,
  plain,
  adding,
} from "./scene.ts";

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
    const [request, as] = scene.random.pick<[CommitFields, Signer]>([
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
