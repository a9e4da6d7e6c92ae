// How our clients drive the library: who may be a member, how long keys are kept, how messages are padded.
import type { AuthenticationService, ClientConfig, KeyPackage, LeafNode } from "ts-mls";
import { sameBytes } from "./codec.ts";
import { KEY_LENGTH, MAX_LIFETIME, PSEUDONYM_LENGTH, SENDER_IDENTITY } from "./suite.ts";

/**
 * A leaf is a pseudonym and its per-group key. That a pseudonym belongs to a contact is shown inside the group, by the
 * encrypted link to the client credential; here only the form can be judged. The house's credential as external sender
 * has an identity of another length than a pseudonym's, so no leaf passes for the house nor the house for a leaf: leaves
 * are checked again by `pseudonymOf`, external_senders by `checkContextExtensions`. The library's default accepts anything.
 */
const authService: AuthenticationService = {
  async validateCredential(credential, signaturePublicKey) {
    return (
      credential.credentialType === "basic" &&
      "identity" in credential &&
      (credential.identity.length === PSEUDONYM_LENGTH || sameBytes(credential.identity, SENDER_IDENTITY)) &&
      signaturePublicKey.length === KEY_LENGTH
    );
  },
};

const identityOf = (leaf: LeafNode): Uint8Array =>
  "identity" in leaf.credential ? leaf.credential.identity : new Uint8Array(0);
const sameClient = (a: LeafNode, b: LeafNode): boolean =>
  sameBytes(a.signaturePublicKey, b.signaturePublicKey) || sameBytes(identityOf(a), identityOf(b));

/** Every PrivateMessage's content is padded to a multiple of this many bytes. */
const PADDING_STEP = 256;

export const clientConfig: ClientConfig = {
  authService,
  keyRetentionConfig: {
    retainKeysForGenerations: 16,
    // one epoch back: for what was sent while a commit was on its way. 0 would keep every epoch (a slice(-0)).
    retainKeysForEpochs: 1,
    // a gap for each message that its sender gave to one member alone
    maximumForwardRatchetSteps: 512,
  },
  // on receipt a lifetime that has run out is no reason to lose a member; who adds checks it (validation-leaf.ts)
  lifetimeConfig: { maximumTotalLifetime: BigInt(MAX_LIFETIME), validateLifetimeOnReceive: false },
  keyPackageEqualityConfig: {
    compareKeyPackages: (a: KeyPackage, b: KeyPackage) => sameClient(a.leafNode, b.leafNode),
    compareKeyPackageToLeafNode: (a: KeyPackage, b: LeafNode) => sameClient(a.leafNode, b),
  },
  paddingConfig: { kind: "padUntilLength", padUntilLength: PADDING_STEP },
};

/** The configuration that pads content of `length` bytes up to the next step. */
export const paddedTo = (length: number): ClientConfig => ({
  ...clientConfig,
  paddingConfig: {
    kind: "padUntilLength",
    padUntilLength: Math.ceil(length / PADDING_STEP) * PADDING_STEP,
  },
});
