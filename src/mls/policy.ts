// Who may do what in a group: the GROUP_POLICY extension of the GroupContext, and the rules that server and members apply
// alike. Pure, on decoded values. Pseudonyms name the members, since leaf indices change hands.
import type { Extension } from "ts-mls";
import { encodeExternalSenders } from "ts-mls/externalSender.js";
import { encodeRequiredCapabilities } from "ts-mls/requiredCapabilities.js";
import { allowed, sameBytes, valid, within } from "./codec.ts";
import { GROUP_POLICY, KEY_LENGTH, MAX_ADMINS, PSEUDONYM_LENGTH, QUEUE_HANDLE, SENDER_IDENTITY } from "./suite.ts";

export interface GroupPolicy {
  /** Adding is not for admins alone. */
  readonly membersMayAdd: boolean;
  /** At most two members; the second may come by external join. Never changes. */
  readonly connection: boolean;
  /** Pseudonyms of 16 bytes, at least one, in ascending order, each once; all of them members. */
  readonly admins: readonly Uint8Array[];
}

// u8 version || u8 flags || opaque admins<V> (RFC 9420 section 2.1.2)
const VERSION = 1;
const MEMBERS_MAY_ADD = 1;
const CONNECTION = 2;
/** From this length on a vector's length takes two bytes. */
const TWO_BYTES = 64;

const isAscending = (list: readonly Uint8Array[]): boolean =>
  list.every((bytes, i) => i === 0 || Buffer.compare(list[i - 1] ?? bytes, bytes) < 0);

export const includes = (list: readonly Uint8Array[], bytes: Uint8Array): boolean =>
  list.some((other) => sameBytes(other, bytes));

/** The extension's data; sorts the admins. Throws Fault `group/policy`, `group/limit`, `group/invalid` for admins that cannot be. */
export function encodePolicy({ membersMayAdd, connection, admins }: GroupPolicy): Uint8Array {
  const sorted = admins.toSorted((a, b) => Buffer.compare(a, b));
  checkAdmins(sorted);
  const length = sorted.length * PSEUDONYM_LENGTH;
  const header = length < TWO_BYTES ? [length] : [0x40 | (length >> 8), length & 0xff];
  const out = new Uint8Array(2 + header.length + length);
  out.set([VERSION, (membersMayAdd ? MEMBERS_MAY_ADD : 0) | (connection ? CONNECTION : 0), ...header]);
  sorted.forEach((admin, i) => out.set(admin, 2 + header.length + i * PSEUDONYM_LENGTH));
  return out;
}

/** What `encodePolicy` wrote, every byte of it; the admins are views of `data`. Throws Fault `group/policy`, `group/limit`, `group/invalid`. */
export function decodePolicy(data: Uint8Array): GroupPolicy {
  const [version, flags, first, second] = data;
  valid(version !== undefined && flags !== undefined && first !== undefined);
  allowed(version === VERSION && flags <= (MEMBERS_MAY_ADD | CONNECTION));
  const short = first < TWO_BYTES;
  valid(short || (first >> 6 === 1 && second !== undefined));
  const length = short ? first : ((first & 0x3f) << 8) | (second ?? 0);
  const start = short ? 3 : 4;
  // the shortest form of a length, and nothing behind the vector
  valid((short || length >= TWO_BYTES) && length % PSEUDONYM_LENGTH === 0 && data.length === start + length);
  const admins = Array.from({ length: length / PSEUDONYM_LENGTH }, (_, i) =>
    data.subarray(start + i * PSEUDONYM_LENGTH, start + (i + 1) * PSEUDONYM_LENGTH),
  );
  checkAdmins(admins);
  return { membersMayAdd: (flags & MEMBERS_MAY_ADD) !== 0, connection: (flags & CONNECTION) !== 0, admins };
}

function checkAdmins(admins: readonly Uint8Array[]): void {
  allowed(admins.length > 0);
  within(admins.length <= MAX_ADMINS);
  valid(admins.every((admin) => admin.length === PSEUDONYM_LENGTH) && isAscending(admins));
}

const requiredCapabilities = encodeRequiredCapabilities({
  extensionTypes: [QUEUE_HANDLE, GROUP_POLICY],
  proposalTypes: [],
  credentialTypes: ["basic"],
});

// one ExternalSender (RFC 9420 section 12.1.8.1): the house, under its key
const externalSenders = (senderKey: Uint8Array): Uint8Array =>
  encodeExternalSenders([
    { signaturePublicKey: senderKey, credential: { credentialType: "basic", identity: SENDER_IDENTITY } },
  ]);
/** Where the key stands in that encoding: behind the length of the list and its own, a byte each. */
const SENDER_KEY = 2;

/** The GroupContext's extensions: these three and no others. `senderKey`: the house's Ed25519 key, 32 bytes. */
export function contextExtensions(policy: GroupPolicy, senderKey: Uint8Array): Extension[] {
  valid(senderKey.length === KEY_LENGTH);
  return [
    { extensionType: "required_capabilities", extensionData: requiredCapabilities },
    { extensionType: "external_senders", extensionData: externalSenders(senderKey) },
    { extensionType: GROUP_POLICY, extensionData: encodePolicy(policy) },
  ];
}

const dataOf = (extensions: readonly Extension[], type: Extension["extensionType"]): Uint8Array => {
  const found = extensions.find(({ extensionType }) => extensionType === type);
  allowed(found !== undefined);
  return found.extensionData;
};

/** The policy in a GroupContext. Throws Fault `group/policy`, `group/limit`, `group/invalid`. */
export const policyOf = ({ extensions }: { readonly extensions: readonly Extension[] }): GroupPolicy =>
  decodePolicy(dataOf(extensions, GROUP_POLICY));

/** The key of the only external sender, a view. Throws Fault `group/policy`, `group/invalid`. */
export function senderKeyOf({ extensions }: { readonly extensions: readonly Extension[] }): Uint8Array {
  const data = dataOf(extensions, "external_senders");
  const key = data.subarray(SENDER_KEY, SENDER_KEY + KEY_LENGTH);
  allowed(key.length === KEY_LENGTH && sameBytes(data, externalSenders(key)));
  return key;
}

/**
 * A GroupContext's extensions in any order: exactly the three, the house's key in external_senders. Returns the policy.
 * Throws Fault `group/policy`, `group/limit`, `group/invalid`.
 */
export function checkContextExtensions(extensions: readonly Extension[], senderKey: Uint8Array): GroupPolicy {
  allowed(extensions.length === 3);
  allowed(sameBytes(dataOf(extensions, "required_capabilities"), requiredCapabilities));
  allowed(sameBytes(senderKeyOf({ extensions }), senderKey));
  return policyOf({ extensions });
}

/** A member before a commit. */
export interface PolicyMember {
  readonly leaf: number;
  readonly pseudonym: Uint8Array;
}

/**
 * The policy once only `remaining` are left, in leaf order: without the admins who are gone and, when none is left, with
 * the first of the remaining as the only admin. The very same object when nobody it names is gone.
 */
export function policyAfter(policy: GroupPolicy, remaining: readonly Uint8Array[]): GroupPolicy {
  const admins = policy.admins.filter((admin) => includes(remaining, admin));
  if (admins.length === policy.admins.length) return policy;
  const [first] = remaining;
  valid(first !== undefined);
  return { ...policy, admins: admins.length > 0 ? admins : [first] };
}

export interface CommitForPolicy {
  readonly policyBefore: GroupPolicy;
  /** The policy of a GroupContextExtensions proposal, where the commit has one. */
  readonly policyChange: GroupPolicy | undefined;
  /** In leaf order. */
  readonly membersBefore: readonly PolicyMember[];
  /** Leaf index. */
  readonly committer: number;
  /** Leaf indices. */
  readonly removesByValue: readonly number[];
  /** Leaf indices that a pending proposal removes: all of them, since every commit takes in all. */
  readonly removesByReference: readonly number[];
  /** Pseudonyms. */
  readonly adds: readonly Uint8Array[];
}

/** Of two policies whose admins are in order. */
export const samePolicy = (a: GroupPolicy, b: GroupPolicy): boolean =>
  a.membersMayAdd === b.membersMayAdd &&
  a.connection === b.connection &&
  a.admins.length === b.admins.length &&
  a.admins.every((admin, i) => sameBytes(admin, b.admins[i] ?? new Uint8Array(0)));

/**
 * Whether a member's commit is one this member may make. Returns the policy of the next epoch. Throws Fault
 * `group/policy`, and `group/invalid` for removals no RFC 9420 group has (section 12.2).
 */
export function checkCommitPolicy(commit: CommitForPolicy): GroupPolicy {
  const { policyBefore, policyChange, membersBefore, committer, removesByValue, removesByReference, adds } = commit;
  const self = membersBefore.find(({ leaf }) => leaf === committer);
  valid(self !== undefined && !removesByValue.includes(committer));
  // a leaf that is to go does not speak for the group any more, and nobody removes what already goes
  allowed(!removesByReference.includes(committer));
  allowed(!removesByValue.some((leaf) => removesByReference.includes(leaf)));
  const isAdmin = includes(policyBefore.admins, self.pseudonym);
  allowed(isAdmin || removesByValue.length === 0);
  allowed(isAdmin || policyBefore.membersMayAdd || adds.length === 0);

  const gone = new Set([...removesByValue, ...removesByReference]);
  const remaining = membersBefore.filter(({ leaf }) => !gone.has(leaf)).map(({ pseudonym }) => pseudonym);
  allowed(!policyBefore.connection || remaining.length + adds.length <= 2);
  // Of the remaining, not of all who are there afterwards: a newcomer inherits no role by taking over a pseudonym.
  const forced = policyAfter(policyBefore, remaining);
  if (policyChange === undefined) {
    allowed(forced === policyBefore);
    return policyBefore;
  }
  allowed(policyChange.connection === policyBefore.connection);
  if (!isAdmin) allowed(forced !== policyBefore && samePolicy(policyChange, forced));
  allowed(policyChange.admins.every((admin) => includes(remaining, admin) || includes(adds, admin)));
  return policyChange;
}

/** External join: a connection's second member, and nobody else. Throws Fault `group/policy`. */
export const checkJoinPolicy = (policy: GroupPolicy, membersBefore: number): void =>
  allowed(policy.connection && membersBefore === 1);
