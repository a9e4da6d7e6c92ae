// A client below the SDK: builds any request, right or wrong, and opens the reply. For tests of the gate and for benches.
import { CONTEXT_LENGTH, ENC_LENGTH, openReply, REPLY_OVERHEAD, sealWith, setupSender } from "../src/crypto/hpke.ts";
import { sha256 } from "../src/crypto/hash.ts";
import { randomBytes } from "../src/crypto/random.ts";
import { sign } from "../src/crypto/sign.ts";
import { faultOfNumber, type FaultCode } from "../src/fault.ts";
import { lockedAlloc } from "../src/memory/locked.ts";
import { decode, encode, type Codec } from "../src/wire/codec.ts";
import { directory, splitSigned } from "../src/wire/documents.ts";
import * as frame from "../src/wire/frame.ts";
import { operations, type OperationName, type ReplyOf, type RequestOf } from "../src/wire/operations.ts";

export interface RawRequest<N extends OperationName = OperationName> {
  readonly operation: N;
  /** The request's fields, or the payload's bytes as they are. */
  readonly request: RequestOf<N> | Buffer;
  /** Slots of 354 bytes, one behind the other; zeros when there is none. */
  readonly token?: Uint8Array;
  readonly requestId?: Uint8Array;
  /** Signs the payload: given the parts, returns 64 bytes. */
  readonly signer?: (...parts: Uint8Array[]) => Uint8Array;
  /** Unix seconds of the client's clock. */
  readonly now: number;
  /** Deviations from the protocol. */
  readonly operationNumber?: number;
  readonly size?: frame.SizeClass;
}

export interface RawReply {
  readonly status: number;
  readonly code: FaultCode | "ok" | "unopened";
  readonly payload: Buffer;
}

export interface SealedRequest {
  readonly body: Buffer;
  open(reply: { status: number; body: Buffer }): RawReply;
}

/** `signer` for a key pair's secret half. */
export const keySigner =
  (secretKey: Uint8Array) =>
  (...parts: Uint8Array[]): Uint8Array =>
    sign(Buffer.alloc(64), "request", secretKey, ...parts);

/** What a client takes from the directory. */
export function readDirectory(document: Buffer) {
  const value = decode(directory, splitSigned(document).body);
  const [envelopeKey] = value.envelopeKeys;
  if (envelopeKey === undefined) throw new Error("no envelope key");
  return { ...value, envelopeKey: envelopeKey.publicKey };
}

/** Builds one request towards the envelope key (32 bytes) of the house `domain` (32 bytes). */
export function sealRequest<N extends OperationName>(
  to: { readonly envelopeKey: Uint8Array; readonly domain: Uint8Array },
  raw: RawRequest<N>,
): SealedRequest {
  const shape = operations[raw.operation];
  const size = raw.size ?? shape.size.request;
  const header = encode(
    frame.header,
    {
      version: frame.PROTOCOL_VERSION,
      reserved: 0,
      operation: raw.operationNumber ?? shape.number,
      window: frame.windowOf(raw.now),
      requestId: raw.requestId ?? randomBytes(16),
      token: raw.token?.subarray(0, frame.TOKEN_SLOT_LENGTH) ?? Buffer.alloc(frame.TOKEN_SLOT_LENGTH),
      padding: Buffer.alloc(6),
    },
    Buffer.alloc,
  );
  const bytes = Buffer.isBuffer(raw.request)
    ? raw.request
    : encode(shape.request as Codec<unknown>, raw.request, Buffer.alloc);
  const rest = raw.token?.subarray(frame.TOKEN_SLOT_LENGTH) ?? Buffer.alloc(0);
  const payload = Buffer.concat([rest, bytes, raw.signer?.(to.domain, header, bytes) ?? Buffer.alloc(0)]);
  const plain = Buffer.alloc(frame.sizes[size]);
  frame.pad(plain, payload);

  const body = Buffer.alloc(frame.requestLength(size));
  body[0] = frame.PROTOCOL_VERSION;
  body.set(sha256(Buffer.alloc(32), to.envelopeKey).subarray(0, frame.KEY_ID_LENGTH), 1);
  const context = lockedAlloc(CONTEXT_LENGTH);
  const enc = body.subarray(frame.ENC_OFFSET, frame.ENC_OFFSET + ENC_LENGTH);
  setupSender(context, enc, "request", to.envelopeKey);
  sealWith(
    context,
    0,
    body.subarray(frame.HEADER_OFFSET, frame.PREAMBLE_LENGTH),
    header,
    body.subarray(0, frame.ENC_OFFSET),
  );
  sealWith(context, 1, body.subarray(frame.PREAMBLE_LENGTH), plain);

  return {
    body,
    open({ status, body: sealed }) {
      const out = Buffer.alloc(Math.max(0, sealed.length - REPLY_OVERHEAD));
      try {
        openReply(out, context, enc, sealed);
      } catch {
        return { status, code: "unopened", payload: Buffer.alloc(0) };
      }
      const { code, payload } = frame.unpadReply(out);
      const name = code === 0 ? "ok" : faultOfNumber(code);
      if (name === undefined) throw new Error("unknown code");
      return { status, code: name, payload };
    },
  };
}

/** Decodes a successful reply. */
export const replyOf = <N extends OperationName>(operation: N, reply: RawReply): ReplyOf<N> =>
  decode(operations[operation].reply as Codec<unknown>, reply.payload) as ReplyOf<N>;
