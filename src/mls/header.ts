// What an MLSMessage says in the clear (RFC 9420 section 6), for those who pass it on or sort it by group.
import { Fault } from "../fault.ts";
import { readHandshakeOrPrivate } from "./messages.ts";

export interface MessageHeader {
  readonly kind: "commit" | "proposal" | "application";
  /** True for a PrivateMessage. */
  readonly encrypted: boolean;
  /** A view of the message. */
  readonly groupId: Uint8Array;
  readonly epoch: number;
}

/** The header of a PublicMessage or PrivateMessage, all of whose bytes are well formed. Throws Fault `group/invalid`. */
export function readHeader(bytes: Uint8Array): MessageHeader {
  const message = readHandshakeOrPrivate(bytes);
  const encrypted = message.wireformat === "mls_private_message";
  const { groupId, epoch, contentType } = encrypted ? message.privateMessage : message.publicMessage.content;
  if (epoch >= 2n ** 48n) throw new Fault("group/invalid");
  return { kind: contentType, encrypted, groupId, epoch: Number(epoch) };
}
