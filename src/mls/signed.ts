// VerifyWithLabel, SignWithLabel and RefHash (RFC 9420 sections 5.1.2 and 5.2) without keeping what is hashed or signed.
import type { KeyPackage, PublicMessage } from "ts-mls";
import { authenticatedContentEncoder } from "ts-mls/authenticatedContent.js";
import type { BufferEncoder } from "ts-mls/codec/tlsEncoder.js";
import { lengthEncoder } from "ts-mls/codec/variableLength.js";
import { keyPackageEncoder } from "ts-mls/keyPackage.js";
import { sha256 } from "../crypto/hash.ts";
import { ed25519Verify } from "../crypto/mls-provider.ts";
import { withScratch } from "./codec.ts";

const ascii = (text: string): Buffer => Buffer.from(text, "latin1");
const withLength = (label: string): Buffer => Buffer.concat([Buffer.from([label.length]), ascii(label)]);

/** The labels of the signatures a server sees. */
type SignedStruct = "FramedContentTBS" | "LeafNodeTBS" | "KeyPackageTBS" | "GroupInfoTBS";
const prefixes: Record<SignedStruct, Buffer> = {
  FramedContentTBS: withLength("MLS 1.0 FramedContentTBS"),
  LeafNodeTBS: withLength("MLS 1.0 LeafNodeTBS"),
  KeyPackageTBS: withLength("MLS 1.0 KeyPackageTBS"),
  GroupInfoTBS: withLength("MLS 1.0 GroupInfoTBS"),
};
const KEY_PACKAGE_REF = withLength("MLS 1.0 KeyPackage Reference");
const PROPOSAL_REF = withLength("MLS 1.0 Proposal Reference");

// prefix || opaque value<V>, the form of SignContent and RefHashInput
function withPrefixed<T, R>(prefix: Buffer, encoder: BufferEncoder<T>, value: T, work: (bytes: Buffer) => R): R {
  const [length, write] = encoder(value);
  const [headLength, writeHead] = lengthEncoder(length);
  return withScratch(prefix.length + headLength + length, (bytes) => {
    const buffer = bytes.buffer as ArrayBuffer;
    bytes.set(prefix);
    writeHead(bytes.byteOffset + prefix.length, buffer);
    write(bytes.byteOffset + prefix.length + headLength, buffer);
    return work(bytes);
  });
}

/** RFC 9420 section 5.1.2. */
export const verifyWithLabel = <T>(
  publicKey: Uint8Array,
  label: SignedStruct,
  encoder: BufferEncoder<T>,
  value: T,
  signature: Uint8Array,
): boolean => withPrefixed(prefixes[label], encoder, value, (bytes) => ed25519Verify(publicKey, bytes, signature));

/** RFC 9420 section 5.1.2: `sign` is given the SignContent, wiped afterwards, and signs it with plain Ed25519. */
export const signWithLabel = <T>(
  label: SignedStruct,
  encoder: BufferEncoder<T>,
  value: T,
  sign: (content: Buffer) => void,
): void => withPrefixed(prefixes[label], encoder, value, sign);

/** RFC 9420 section 5.2: ProposalRef of a proposal sent as PublicMessage, 32 bytes, written into `out`. */
export const proposalRef = <B extends Uint8Array>(out: B, { content, auth }: PublicMessage): B =>
  withPrefixed(
    PROPOSAL_REF,
    authenticatedContentEncoder,
    { wireformat: "mls_public_message", content, auth },
    (bytes) => sha256(out, bytes),
  );

/** RFC 9420 section 5.2: KeyPackageRef, 32 bytes, written into `out`. */
export const keyPackageRef = <B extends Uint8Array>(out: B, keyPackage: KeyPackage): B =>
  withPrefixed(KEY_PACKAGE_REF, keyPackageEncoder, keyPackage, (bytes) => sha256(out, bytes));

/** The length in front of an opaque<V> (RFC 9420 section 2.1.2). */
export function lengthOf(length: number): Buffer {
  const [size, write] = lengthEncoder(length);
  const out = Buffer.alloc(size);
  write(out.byteOffset, out.buffer);
  return out;
}
