// Every domain-separation label of the house, one line each. A label is never reused for another purpose.

/** Purposes of Ed25519 signatures (src/crypto/sign.ts puts the label in front of what is signed). */
export const signatureLabels = {
  directory: "tacet v1 server directory",
  intermediate: "tacet v1 intermediate credential",
  revocations: "tacet v1 revocation list",
  credential: "tacet v1 client credential",
  credentialRequest: "tacet v1 client credential request",
  connectionPackage: "tacet v1 connection package",
  offer: "tacet v1 signed offer",
  leafLink: "tacet v1 leaf link",
  request: "tacet v1 request",
  issuance: "tacet v1 issuance",
  clientList: "tacet v1 client list",
  aliasCredential: "tacet v1 alias credential",
  deletion: "tacet v1 deletion",
  aliasLink: "tacet v1 alias link",
} as const;
export type SignaturePurpose = keyof typeof signatureLabels;

/** Purposes of keyed hashes and derived keys (src/crypto/derive.ts). */
export const derivationLabels = {
  recordName: "tacet v1 record name",
  recordValue: "tacet v1 record value",
  recordTurn: "tacet v1 record turn",
  recordChain: "tacet v1 record chain",
  sequenceOffset: "tacet v1 sequence offset",
  groupState: "tacet v1 group state",
  groupRecord: "tacet v1 group record",
  groupNext: "tacet v1 group next key",
  groupVotes: "tacet v1 group votes",
  groupUse: "tacet v1 group use",
  ratchetNext: "tacet v1 ratchet next",
  ratchetMessage: "tacet v1 ratchet message",
  receiptKey: "tacet v1 receipt key",
  receiptBinding: "tacet v1 receipt binding",
  tokenDigest: "tacet v1 token digest",
  issuanceNonce: "tacet v1 issuance nonce",
  issuanceRequest: "tacet v1 issuance request",
  rsaBlind: "tacet v1 rsa blind",
  rsaSalt: "tacet v1 rsa salt",
  publication: "tacet v1 publication",
  userId: "tacet v1 user id",
  clientId: "tacet v1 client id",
  clientListDigest: "tacet v1 client list digest",
  profileName: "tacet v1 profile name",
  profileSeal: "tacet v1 profile seal",
  recoveryKey: "tacet v1 recovery key",
  deviceSeal: "tacet v1 device seal",
  profileToken: "tacet v1 profile token",
  friendship: "tacet v1 friendship token",
  clientStore: "tacet v1 client store",
  masterWrap: "tacet v1 master key wrap",
  handleTag: "tacet v1 handle tag",
  blockedTag: "tacet v1 blocked handle tag",
  blocklistName: "tacet v1 blocklist name",
  workSeed: "tacet v1 work seed",
  work: "tacet v1 work",
  workName: "tacet v1 work name",
} as const;
export type DerivationPurpose = keyof typeof derivationLabels;

/** HPKE `info` strings (RFC 9180 section 5.1). */
export const hpkeInfo = {
  request: "tacet v1 request envelope",
  connectionOffer: "tacet v1 connection offer",
} as const;
export type HpkePurpose = keyof typeof hpkeInfo;

/** HPKE exporter context of the key that seals a reply (RFC 9458 section 4.4 calls it "message/bhttp response"). */
export const hpkeReplyExport = "tacet v1 reply";

/** MLS-Exporter label of the key under which the delivery service keeps an epoch's group state (RFC 9420 section 8.5). */
export const mlsGroupKey = "tacet v1 group key";

/** EncryptWithLabel label (RFC 9420 section 5.1.3) of the next group key, sealed for each member that a removing commit leaves. */
export const mlsGroupKeyRecovery = "tacet v1 group key recovery";
