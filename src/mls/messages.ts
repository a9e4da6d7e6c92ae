// MLSMessage (RFC 9420 section 6) in and out, one wire format per function.
import { decodeMlsMessage, type GroupInfo, type KeyPackage, type MLSMessage, type PrivateMessage } from "ts-mls";
import type { PublicMessage, RatchetTree, Welcome } from "ts-mls";
import { encodeMlsMessage } from "ts-mls";
import { mlsMessageEncoder } from "ts-mls/message.js";
import { decodeRatchetTree, ratchetTreeEncoder } from "ts-mls/ratchetTree.js";
import { Fault } from "../fault.ts";
import { strictDecode, within } from "./codec.ts";
import { MAX_KEY_PACKAGE } from "./suite.ts";

const decodeMessage = (bytes: Uint8Array): MLSMessage => strictDecode(decodeMlsMessage, mlsMessageEncoder, bytes);

export function readPublicMessage(bytes: Uint8Array): PublicMessage {
  const message = decodeMessage(bytes);
  if (message.wireformat !== "mls_public_message") throw new Fault("group/invalid");
  return message.publicMessage;
}

export function readGroupInfo(bytes: Uint8Array): GroupInfo {
  const message = decodeMessage(bytes);
  if (message.wireformat !== "mls_group_info") throw new Fault("group/invalid");
  return message.groupInfo;
}

export function readWelcome(bytes: Uint8Array): Welcome {
  const message = decodeMessage(bytes);
  if (message.wireformat !== "mls_welcome") throw new Fault("group/invalid");
  return message.welcome;
}

export function readKeyPackage(bytes: Uint8Array): KeyPackage {
  within(bytes.length <= MAX_KEY_PACKAGE);
  const message = decodeMessage(bytes);
  if (message.wireformat !== "mls_key_package") throw new Fault("group/invalid");
  return message.keyPackage;
}

/** What a member's queue may hand to its group: a public handshake or a private message. */
export function readHandshakeOrPrivate(
  bytes: Uint8Array,
): { wireformat: "mls_public_message"; publicMessage: PublicMessage } | PrivateWire {
  const message = decodeMessage(bytes);
  if (message.wireformat !== "mls_public_message" && message.wireformat !== "mls_private_message") {
    throw new Fault("group/invalid");
  }
  return message;
}
type PrivateWire = { wireformat: "mls_private_message"; privateMessage: PrivateMessage };

export const readRatchetTree = (bytes: Uint8Array): RatchetTree =>
  strictDecode(decodeRatchetTree, ratchetTreeEncoder, bytes);

type Unversioned<T> = T extends unknown ? Omit<T, "version"> : never;
export const writeMessage = (message: Unversioned<MLSMessage>): Uint8Array =>
  encodeMlsMessage({ version: "mls10", ...message });
