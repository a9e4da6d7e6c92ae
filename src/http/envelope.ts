// The sealed envelope on the server's side (PROTOCOL.md section 3): opened in place, in locked memory only.
import { CONTEXT_LENGTH, ENC_LENGTH, openWith, sealReply } from "../crypto/hpke.ts";
import { Fault } from "../fault.ts";
import type { Arena } from "../memory/arena.ts";
import { decode } from "../wire/codec.ts";
import {
  ENC_OFFSET,
  HEADER_LENGTH,
  HEADER_OFFSET,
  PREAMBLE_LENGTH,
  PROTOCOL_VERSION,
  header,
  padReply,
  replyLength,
  sizes,
  unpad,
  type SizeClass,
} from "../wire/frame.ts";
import { isZero } from "../memory/locked.ts";
import type { ValueOf } from "../wire/codec.ts";
import type { EnvelopeKeys } from "./envelope-keys.ts";
import type { Reply } from "./types.ts";

/** What opens the body and seals the reply. Views of the arena. */
export interface Envelope {
  readonly context: Buffer;
  readonly enc: Buffer;
  /** 384 plaintext bytes. */
  readonly header: Buffer;
}

/** Opens the first 440 bytes of a request. Faults `envelope/unknown-key`, `envelope/open`, `server/busy`. */
export function openPreamble(preamble: Buffer, keys: EnvelopeKeys, arena: Arena, now: number): Envelope {
  if (preamble.length !== PREAMBLE_LENGTH) throw new Fault("wire/malformed");
  if (preamble[0] !== PROTOCOL_VERSION) throw new Fault("envelope/unknown-key");
  const key = keys.find(preamble.subarray(1, ENC_OFFSET), now);
  if (key === undefined) throw new Fault("envelope/unknown-key");
  const enc = preamble.subarray(ENC_OFFSET, ENC_OFFSET + ENC_LENGTH);
  const context = arena.take(CONTEXT_LENGTH);
  const sealed = preamble.subarray(HEADER_OFFSET);
  const opened = sealed.subarray(0, HEADER_LENGTH);
  try {
    key.setup(context, enc);
    openWith(context, 0, opened, sealed, preamble.subarray(0, ENC_OFFSET));
  } catch {
    throw new Fault("envelope/open");
  }
  return { context, enc, header: opened };
}

/** The header's fields, as views. A reserved or padding byte other than zero is refused: Fault `wire/malformed`. */
export function readHeader(plain: Buffer): ValueOf<typeof header> {
  const fields = decode(header, plain);
  if (fields.version !== PROTOCOL_VERSION || fields.reserved !== 0 || !isZero(fields.padding)) {
    throw new Fault("wire/malformed");
  }
  return fields;
}

/** Opens a sealed body where it lies and gives its payload, a view. Faults `envelope/open`, `wire/malformed`. */
export function openBody(context: Buffer, sealed: Buffer): Buffer {
  const frame = sealed.subarray(0, sealed.length - 16);
  try {
    openWith(context, 1, frame, sealed);
  } catch {
    throw new Fault("envelope/open");
  }
  return unpad(frame);
}

/**
 * The reply's bytes on the wire, in ordinary memory: they are ciphertext, and the socket needs them longer than the
 * arena lives. Faults `wire/size-class` when the payload does not fit, `server/busy`.
 */
export function sealAnswer(envelope: Envelope, arena: Arena, size: SizeClass, reply: Reply): Buffer {
  const frame = arena.take(sizes[size]);
  padReply(frame, reply.code, reply.payload);
  const out = Buffer.allocUnsafeSlow(replyLength(size));
  sealReply(out, envelope.context, envelope.enc, frame);
  return out;
}
