// One operation asked of the server: sealed, sent on its circuit, retried as the same request, its reply opened.
import { setTimeout as sleep } from "node:timers/promises";
import { sha256 } from "../crypto/hash.ts";
import { CONTEXT_LENGTH, openReply, REPLY_OVERHEAD, sealWith, setupSender, TAG_LENGTH } from "../crypto/hpke.ts";
import { randomBelow, randomBytes } from "../crypto/random.ts";
import { SIGNATURE_LENGTH } from "../crypto/sign.ts";
import { Fault, faultOfNumber, type FaultCode } from "../fault.ts";
import type { Arena, ArenaPool } from "../memory/arena.ts";
import { decode, encode, type Codec } from "../wire/codec.ts";
import * as frame from "../wire/frame.ts";
import { operations, type OperationName, type ReplyOf, type RequestOf } from "../wire/operations.ts";
import type { DirectorySource, ServerDirectory } from "./directory.ts";
import { ClientError } from "./errors.ts";
import type { Transport, TransportReply } from "./transport.ts";

/** Writes the `request` signature of `parts` (64 bytes) into `out`; the key stays with whoever made this. */
export type RequestSigner = (out: Uint8Array, ...parts: Uint8Array[]) => void;

export interface Ask<N extends OperationName> {
  readonly operation: N;
  readonly circuit: string;
  readonly request: RequestOf<N>;
  /** One slot of 354 bytes for each token the operation costs, recorded as used before they get here. */
  readonly token?: Uint8Array;
  readonly signer?: RequestSigner;
  /** 16 bytes. Given when a request is repeated after a restart, so that the server knows it again. */
  readonly requestId?: Uint8Array;
  readonly timeoutMs?: number;
}

/**
 * Asks and hands the decoded reply to `use`; its byte fields are views of locked memory that is wiped when `use` is
 * done. Throws the server's refusal as Fault, the transport's last error when it stays out of reach, ClientError
 * `server/answer` when the reply cannot be one.
 */
export type Call = <N extends OperationName, T>(ask: Ask<N>, use: (reply: ReplyOf<N>) => T | Promise<T>) => Promise<T>;

const ATTEMPTS = 4;
const NO_TOKEN = Buffer.alloc(frame.TOKEN_SLOT_LENGTH);
const NO_PADDING = Buffer.alloc(6);

export interface CallDeps {
  readonly transport: Transport;
  readonly directory: DirectorySource;
  readonly pool: ArenaPool;
  /** Unix seconds. */
  readonly clock: () => number;
  /** Waits between attempts; milliseconds. */
  readonly pause?: (ms: number) => Promise<unknown>;
}

export function makeCall({ transport, directory, pool, clock, pause = sleep }: CallDeps): Call {
  // The difference of the server's clock to ours in windows, once the server has told us.
  let skew = 0;

  return async (ask, use) => {
    const requestId = ask.requestId ?? randomBytes(frame.REQUEST_ID_LENGTH);
    let failures = 0;
    let refreshed = false;
    let adopted = false;

    // After a failure the next attempt runs on a circuit of its own, later each time and never on a shared beat.
    const backOff = async (error: unknown): Promise<void> => {
      if (++failures >= ATTEMPTS || isFinal(error)) throw error;
      transport.closeCircuit(ask.circuit);
      await pause(250 * 2 ** failures + randomBelow(250));
    };

    for (;;) {
      const arena = pool.arena();
      try {
        let window: number;
        let sealed: Sealed;
        let reply: TransportReply;
        try {
          const server = await directory.current();
          window = frame.windowOf(clock()) + skew;
          sealed = sealRequest(arena, server, ask, requestId, window);
          reply = await transport.post(ask.circuit, frame.API_PATH, sealed.bytes, timeout(ask));
          if (reply.status !== 200 && reply.status !== 400 && reply.status !== 401) {
            throw new ClientError("server/answer");
          }
        } catch (error) {
          await backOff(error);
          continue;
        }
        if (reply.status === 400) {
          // No context to answer with: most likely our envelope key has been rotated away.
          if (refreshed) throw new Fault("envelope/unknown-key");
          refreshed = true;
          directory.forget();
          continue;
        }
        const { code, payload } = openFrame(arena, ask.operation, sealed, reply.body);
        if (code === undefined) return await use(decodeReply(ask.operation, payload));
        if (code === "auth/stale" && !adopted && payload.length === 4) {
          adopted = true;
          skew += payload.readUInt32BE(0) - window;
        } else if (code === "server/busy") {
          await backOff(new Fault(code));
        } else {
          throw new Fault(code);
        }
      } finally {
        arena.close();
      }
    }
  };
}

const timeout = ({ timeoutMs }: { timeoutMs?: number }): { timeoutMs?: number } =>
  timeoutMs === undefined ? {} : { timeoutMs };

// What another try cannot mend: our own end, or a request that has no valid form.
const FINAL: ReadonlySet<string> = new Set(["tor/closed", "tor/onion-address", "server/identity", "client/closed"]);
const isFinal = (error: unknown): boolean =>
  (error instanceof Fault && (FINAL.has(error.code) || error.code.startsWith("wire/"))) ||
  (error instanceof ClientError && FINAL.has(error.code));

interface Sealed {
  readonly bytes: Buffer;
  readonly context: Buffer;
  readonly enc: Buffer;
}

// PROTOCOL.md section 3. Each attempt has an encapsulation of its own, so two tries of one request look unrelated.
function sealRequest<N extends OperationName>(
  arena: Arena,
  server: ServerDirectory,
  ask: Ask<N>,
  requestId: Uint8Array,
  window: number,
): Sealed {
  const shape = operations[ask.operation];
  const key = server.envelopeKeys.reduce((newest, next) => (next.notAfter > newest.notAfter ? next : newest)).publicKey;
  const headerBytes = encode(
    frame.header,
    {
      version: frame.PROTOCOL_VERSION,
      reserved: 0,
      operation: shape.number,
      window,
      requestId,
      token: ask.token?.subarray(0, frame.TOKEN_SLOT_LENGTH) ?? NO_TOKEN,
      padding: NO_PADDING,
    },
    (size) => arena.take(size),
  );
  const codec = shape.request as Codec<unknown>;
  const length = codec.size(ask.request);
  const rest = ask.token?.subarray(frame.TOKEN_SLOT_LENGTH) ?? Buffer.alloc(0);
  const payload = arena.take(rest.length + length + (ask.signer === undefined ? 0 : SIGNATURE_LENGTH));
  payload.set(rest);
  const request = payload.subarray(rest.length, rest.length + length);
  codec.write(ask.request, request, 0);
  ask.signer?.(payload.subarray(rest.length + length), server.domain, headerBytes, request);

  const bytes = Buffer.alloc(frame.requestLength(shape.size.request));
  const context = arena.take(CONTEXT_LENGTH);
  const enc = bytes.subarray(frame.ENC_OFFSET, frame.HEADER_OFFSET);
  bytes[0] = frame.PROTOCOL_VERSION;
  sha256(Buffer.alloc(32), key).copy(bytes, 1, 0, frame.KEY_ID_LENGTH);
  setupSender(context, enc, "request", key);
  const prefix = bytes.subarray(0, frame.ENC_OFFSET);
  sealWith(context, 0, bytes.subarray(frame.HEADER_OFFSET, frame.PREAMBLE_LENGTH), headerBytes, prefix);
  const body = arena.take(frame.sizes[shape.size.request]);
  frame.pad(body, payload);
  sealWith(context, 1, bytes.subarray(frame.PREAMBLE_LENGTH), body);
  if (body.length + TAG_LENGTH !== bytes.length - frame.PREAMBLE_LENGTH) throw new Fault("crypto/input");
  return { bytes, context, enc };
}

function openFrame(
  arena: Arena,
  operation: OperationName,
  sealed: Sealed,
  reply: Buffer,
): { code: FaultCode | undefined; payload: Buffer } {
  const expected = frame.replyLength(operations[operation].size.reply);
  if (reply.length !== expected && reply.length !== frame.replyLength("small")) throw new ClientError("server/answer");
  try {
    const plain = arena.take(reply.length - REPLY_OVERHEAD);
    openReply(plain, sealed.context, sealed.enc, reply);
    const { code, payload } = frame.unpadReply(plain);
    return { code: code === 0 ? undefined : (faultOfNumber(code) ?? "server/error"), payload };
  } catch {
    throw new ClientError("server/answer");
  }
}

function decodeReply<N extends OperationName>(operation: N, payload: Buffer): ReplyOf<N> {
  try {
    return decode(operations[operation].reply as Codec<unknown>, payload) as ReplyOf<N>;
  } catch {
    throw new ClientError("server/answer");
  }
}
