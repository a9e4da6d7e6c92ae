// One request from its first byte to its sealed reply; whatever happens on the way, everything is wiped behind it.
import { flushNativeTraces } from "../crypto/flush.ts";
import { randomFill } from "../crypto/random.ts";
import { Fault, faultOfNumber, faults } from "../fault.ts";
import type { Arena, ArenaPool } from "../memory/arena.ts";
import type { Observer } from "../observe/observer.ts";
import { PREAMBLE_LENGTH, replyLength, requestLength, sizes, windowOf, type SizeClass } from "../wire/frame.ts";
import { operationOfNumber, operations, type OperationName } from "../wire/operations.ts";
import { UploadEnded, type Upload } from "./body.ts";
import type { EnvelopeKeys } from "./envelope-keys.ts";
import { openBody, openPreamble, readHeader, sealAnswer, type Envelope } from "./envelope.ts";
import { admit, admitRest } from "./gate.ts";
import type { Challenge, Dispatch, Redeem, Reply, Reservation } from "./types.ts";

export interface ExchangeDeps {
  readonly arenas: ArenaPool;
  readonly keys: EnvelopeKeys;
  readonly redeem: Redeem;
  readonly challenge: Challenge;
  readonly dispatch: Dispatch;
  /** False for operations that this house does not have; all of them, unless given. */
  readonly serves?: (operation: OperationName) => boolean;
  /** Unix seconds. */
  readonly clock: () => number;
  readonly observe: Observer;
}

/** What goes out over HTTP. `body` is ciphertext or random, of one of the reply lengths. */
export interface Answer {
  readonly status: number;
  readonly body: Buffer;
  /** The value of WWW-Authenticate. */
  readonly challenge?: string;
}

const EMPTY = Buffer.alloc(0);

const classOfLength = (length: number | undefined): SizeClass | undefined =>
  (Object.keys(sizes) as SizeClass[]).find((size) => requestLength(size) === length);

/** The answer to what could not be opened: there is no context to seal with, so it is random, and 400 or 503 says why. */
const unopened = (status: 400 | 503): Answer => ({
  status,
  body: randomFill(Buffer.allocUnsafeSlow(replyLength("small"))),
});

function refusal(error: unknown, now: number, observe: Observer): Reply {
  if (!(error instanceof Fault)) observe.event("request-crashed");
  const code = error instanceof Fault ? error.code : "server/error";
  if (code !== "auth/stale") return { code: faults[code].number, payload: EMPTY };
  const window = Buffer.alloc(4);
  window.writeUInt32BE(windowOf(now));
  return { code: faults[code].number, payload: window };
}

function seal(
  envelope: Envelope,
  arena: Arena,
  operation: OperationName | undefined,
  reply: Reply,
  deps: ExchangeDeps,
): Answer {
  const size = operation === undefined ? "small" : operations[operation].size.reply;
  const wanted = operation === undefined ? "none" : operations[operation].token;
  const body = sealAnswer(envelope, arena, size, reply);
  const code = faultOfNumber(reply.code);
  if (code === undefined) deps.observe.served();
  else deps.observe.refused(code);
  // 400 is kept for what cannot be opened: to a client it means that the directory must be read again.
  return code !== undefined && faults[code].status === 401 && wanted !== "none"
    ? { status: 401, body, challenge: deps.challenge(wanted) }
    : { status: 200, body };
}

/** Answers one request of the API. Rejects with UploadEnded when the client went away before its request was whole. */
export async function exchange(
  upload: Upload,
  authorization: string | undefined,
  gone: Promise<void>,
  deps: ExchangeDeps,
): Promise<Answer> {
  const { arenas, keys, observe } = deps;
  const length = classOfLength(upload.length);
  if (length === undefined) {
    observe.refused("wire/size-class");
    return unopened(400);
  }
  const arena = arenas.arena();
  let held: Reservation[] = [];
  let leave = (): void => undefined;
  try {
    const preamble = arena.take(PREAMBLE_LENGTH);
    await upload.fill(preamble);
    const now = deps.clock();
    const envelope = openPreamble(preamble, keys, arena, now);
    let operation: OperationName | undefined;
    let reply: Reply;
    try {
      const fields = readHeader(envelope.header);
      const known = operationOfNumber(fields.operation);
      if (known !== undefined && (deps.serves?.(known) ?? true)) operation = known;
      if (operation === undefined) throw new Fault("wire/unknown-operation");
      if (operations[operation].size.request !== length) throw new Fault("wire/size-class");
      if (Math.abs(fields.window - windowOf(now)) > 1) throw new Fault("auth/stale");
      const { requestId } = fields;
      const first = await admit({ operation, authorization, token: fields.token, requestId }, deps.redeem, arena);
      if (first !== undefined) held.push(first);
      if (length === "large") leave = arenas.enterLarge();
      const sealed = arena.take(sizes[length] + 16);
      await upload.fill(sealed);
      const payload = openBody(envelope.context, sealed);
      const request = await admitRest(operation, payload, requestId, deps.redeem, held);
      for (let i = 0; i < held.length; i++) observe.redeemed();
      const reservations = held;
      held = []; // dispatch gives them back or spends them
      reply = await deps.dispatch({
        operation,
        header: envelope.header,
        payload: request,
        reservations,
        arena,
        now,
        gone,
      });
    } catch (error) {
      if (error instanceof UploadEnded) throw error;
      reply = refusal(error, now, observe);
    }
    try {
      return seal(envelope, arena, operation, reply, deps);
    } catch (error) {
      if (error instanceof Fault && error.code === "server/busy") throw error;
      // a reply that does not fit its class is the house's own mistake
      return seal(envelope, arena, operation, refusal(undefined, now, observe), deps);
    }
  } catch (error) {
    if (error instanceof UploadEnded) throw error;
    const code = error instanceof Fault ? error.code : "server/error";
    observe.refused(code);
    return unopened(code.startsWith("server/") ? 503 : 400);
  } finally {
    for (const reservation of held) reservation.release();
    arena.close();
    leave();
    flushNativeTraces();
  }
}
