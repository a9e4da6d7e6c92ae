// A small client of the bare library, published or patched: groups, commits and joins without any of our rules.
import assert from "node:assert/strict";
import type { CiphersuiteImpl, ClientState, Extension, MlsPublicMessage, Proposal, RatchetTree } from "ts-mls";
import { mlsSuites } from "../../src/crypto/mls-provider.ts";
import { randomBytes } from "../../src/crypto/random.ts";
import type { Library } from "./stock.ts";

export const NAME = "MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519";
export const suite = mlsSuites[NAME] as unknown as CiphersuiteImpl;
export const EXTENSION = 0xf222;
export const empty = new Uint8Array(0);
const hour = 3600n;
const time = BigInt(Math.floor(Date.now() / 1000));
export const same = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0;

type Keys = Awaited<ReturnType<typeof keyPackage>>;
export const keyPackage = (lib: Library, cs = suite, credentialType: "basic" = "basic") =>
  lib.mls.generateKeyPackage(
    { credentialType, identity: Uint8Array.from(randomBytes(16)) },
    { versions: ["mls10"], ciphersuites: [NAME], extensions: [EXTENSION], proposals: [], credentials: ["basic"] },
    { notBefore: time - hour, notAfter: time + hour },
    [],
    cs,
  );
const acceptAny: typeof import("ts-mls").defaultAuthenticationService = { validateCredential: async () => true };
export const config = (lib: Library) => ({
  keyRetentionConfig: lib.mls.defaultKeyRetentionConfig,
  lifetimeConfig: lib.mls.defaultLifetimeConfig,
  keyPackageEqualityConfig: lib.mls.defaultKeyPackageEqualityConfig,
  paddingConfig: lib.mls.defaultPaddingConfig,
  authService: acceptAny,
});
export async function create(lib: Library, extensions: Extension[] = []): Promise<ClientState> {
  const keys = await keyPackage(lib);
  return lib.mls.createGroup(randomBytes(16), keys.publicPackage, keys.privatePackage, extensions, suite, config(lib));
}
export const add = (keys: Keys): Proposal => ({ proposalType: "add", add: { keyPackage: keys.publicPackage } });
export const removal = (removed: number): Proposal => ({ proposalType: "remove", remove: { removed } });
export const contextOf = (extensions: Extension[]): Proposal => ({
  proposalType: "group_context_extensions",
  groupContextExtensions: { extensions },
});
export const commit = (lib: Library, state: ClientState, extraProposals: Proposal[] = []) =>
  lib.mls.createCommit(
    { state, cipherSuite: suite },
    { extraProposals, wireAsPublicMessage: true, ratchetTreeExtension: true },
  );
type Made = Awaited<ReturnType<typeof commit>>;
export const receive = async (lib: Library, state: ClientState, made: Made): Promise<ClientState> => {
  const message = made.commit as MlsPublicMessage;
  return (await lib.mls.processMessage(message, state, lib.mls.emptyPskIndex, lib.mls.acceptAll, suite)).newState;
};
const join_ = (lib: Library, made: Made, keys: Keys): Promise<ClientState> => {
  assert.ok(made.welcome);
  const { publicPackage, privatePackage } = keys;
  const none = undefined;
  const psks = lib.mls.emptyPskIndex;
  return lib.mls.joinGroup(made.welcome, publicPackage, privatePackage, psks, suite, none, none, config(lib));
};
/** Members 0 to n-1, the first of whom added the others. */
export async function members(lib: Library, n: number, extensions: Extension[] = []): Promise<ClientState[]> {
  const creator = await create(lib, extensions);
  const keys = await Promise.all(Array.from({ length: n - 1 }, () => keyPackage(lib)));
  if (keys.length === 0) return [creator];
  const made = await commit(lib, creator, keys.map(add));
  return [made.newState, ...(await Promise.all(keys.map((k) => join_(lib, made, k))))];
}
/** `states[by]` commits and everyone still in takes it; blank where one was removed. */
export async function step(lib: Library, states: ClientState[], by: number, proposals: Proposal[] = []): Promise<Made> {
  const made = await commit(lib, states[by]!, proposals);
  const gone = proposals.map((p) => ("remove" in p ? p.remove.removed : -1));
  for (const [i, state] of states.entries()) {
    if (i === by) states[i] = made.newState;
    else if (!gone.includes(state.privatePath.leafIndex)) states[i] = await receive(lib, state, made);
  }
  return made;
}
export const isPublicCommit = (made: Made) => {
  assert.ok(made.commit.wireformat === "mls_public_message");
  const { content } = made.commit.publicMessage;
  assert.ok(content.contentType === "commit");
  return content.commit;
};
/** The external commit by which the member of `state` takes a new leaf, on the group as `group` has it. */
export async function replace(lib: Library, state: ClientState, group: ClientState) {
  const own = state.ratchetTree[2 * state.privatePath.leafIndex];
  assert.ok(own?.nodeType === "leaf");
  const { publicPackage, privatePackage } = await lib.mls.generateKeyPackageWithKey(
    own.leaf.credential,
    own.leaf.capabilities,
    { notBefore: time - hour, notAfter: time + hour },
    [],
    { signKey: state.signaturePrivateKey, publicKey: own.leaf.signaturePublicKey },
    suite,
  );
  const info = await lib.mls.createGroupInfoWithExternalPub(group, [], suite);
  const tree = group.ratchetTree;
  return lib.mls.joinGroupExternal(info, publicPackage, privatePackage, true, suite, tree, config(lib));
}
export const validate = async (lib: Library, tree: RatchetTree, state: ClientState) =>
  lib.clientState.validateRatchetTree(
    tree,
    state.groupContext,
    lib.mls.defaultLifetimeConfig,
    acceptAny,
    await lib.treeHash.treeHashRoot(tree, suite.hash),
    suite,
  );
/** Two external senders as RFC 9420 12.1.8.1 writes them: ExternalSender external_senders<V>. */
export const senders = [randomBytes(32), randomBytes(32)] as const;
export const externalSenders: Extension = {
  extensionType: "external_senders",
  extensionData: Buffer.concat([
    Buffer.from([0x40, 2 * 39]),
    ...senders.flatMap((key) => [Buffer.from([32]), key, Buffer.from([0, 1, 3, 65, 66, 67])]),
  ]),
};
