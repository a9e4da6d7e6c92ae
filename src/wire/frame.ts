// The fixed-size frame of a request and a reply (PROTOCOL.md section 3): what the wire shows is one of few shapes.
import { Fault } from "../fault.ts";
import { isZero } from "../memory/locked.ts";
import { fixed, struct, u16, u32, u8 } from "./codec.ts";

export const PROTOCOL_VERSION = 1;
/** The one path of the API. */
export const API_PATH = "/v1";
export const DIRECTORY_PATH = "/.well-known/tacet/directory";

/** Plaintext bytes of a body, per size class. */
// A small request with its 440 bytes of preamble and 16 of tag fills nine cells of Tor nearly to the end.
export const sizes = { small: 3904, medium: 32768, large: 524288 } as const;
export type SizeClass = keyof typeof sizes;

export const KEY_ID_LENGTH = 7;
export const ENC_OFFSET = 1 + KEY_ID_LENGTH;
export const HEADER_OFFSET = ENC_OFFSET + 32;
/** Plaintext bytes of the header. */
export const HEADER_LENGTH = 384;
/** version(1) || envelope key id(7) || enc(32) || sealed header(384 + 16). */
export const PREAMBLE_LENGTH = HEADER_OFFSET + HEADER_LENGTH + 16;
/** The longest token is one of type 0x0002 (RFC 9578 section 8.2.2); what is shorter is followed by zeros. */
export const TOKEN_SLOT_LENGTH = 354;
export const REQUEST_ID_LENGTH = 16;

/** Bytes of a whole request on the wire. */
export const requestLength = (size: SizeClass): number => PREAMBLE_LENGTH + sizes[size] + 16;
/** Bytes of a whole reply on the wire: response nonce(32) || sealed frame || tag(16). */
export const replyLength = (size: SizeClass): number => sizes[size] + 48;

/** Sealed with sequence number 0; the gate reads it before the body arrives. `token` is all zeros when there is none. */
export const header = struct({
  version: u8,
  reserved: u8,
  operation: u16,
  /** floor(unix seconds / 600) of the client's clock. */
  window: u32,
  requestId: fixed(REQUEST_ID_LENGTH),
  token: fixed(TOKEN_SLOT_LENGTH),
  padding: fixed(6),
});

export const WINDOW_SECONDS = 600;
export const windowOf = (unixSeconds: number): number => Math.floor(unixSeconds / WINDOW_SECONDS);

/** Writes u32 length || payload || zeros over all of `frame`. Fault `wire/size-class` when it does not fit. */
export function pad(frame: Buffer, payload: Uint8Array): void {
  if (payload.length > frame.length - 4) throw new Fault("wire/size-class");
  frame.writeUInt32BE(payload.length, 0);
  frame.set(payload, 4);
  frame.fill(0, 4 + payload.length);
}

/** The payload as a view of `frame`. Padding must be zero, so that a frame has one form. Fault `wire/malformed`. */
export function unpad(frame: Buffer): Buffer {
  const length = frame.readUInt32BE(0);
  if (length > frame.length - 4 || !isZero(frame.subarray(4 + length))) throw new Fault("wire/malformed");
  return frame.subarray(4, 4 + length);
}

/** Writes a reply frame: u16 code (0: success) || u32 length || payload || zeros. */
export function padReply(frame: Buffer, code: number, payload: Uint8Array): void {
  frame.writeUInt16BE(code, 0);
  pad(frame.subarray(2), payload);
}

/** Code and payload (a view) of a reply frame. Fault `wire/malformed`. */
export function unpadReply(frame: Buffer): { code: number; payload: Buffer } {
  return { code: frame.readUInt16BE(0), payload: unpad(frame.subarray(2)) };
}
