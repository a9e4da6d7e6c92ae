// One request through the house: decode, run the handler, and make its writes, its spent token and its receipt one batch.
import { derive } from "../crypto/derive.ts";
import { openInto, SEAL_OVERHEAD, sealInto } from "../crypto/aead.ts";
import { verify, SIGNATURE_LENGTH } from "../crypto/sign.ts";
import { Fault, faultOfNumber, faults, type FaultCode } from "../fault.ts";
import type { Arena } from "../memory/arena.ts";
import { equal } from "../memory/locked.ts";
import type { Store, Transaction } from "../store/store.ts";
import { decode, encode, type Codec } from "../wire/codec.ts";
import { header } from "../wire/frame.ts";
import { operations, type OperationName } from "../wire/operations.ts";
import { type Budget, charge } from "./budget.ts";
import type { Call, Handler, Handlers } from "./ports.ts";
import { Tries } from "./tries.ts";

/** A token that the gate holds for this request (tokens/holds.ts). */
export interface Reservation {
  readonly epoch: number;
  /** 32-byte keyed digest of the token: its name in `room`. */
  readonly name: Uint8Array;
  /** 16 bytes that only the same request id yields: the value there. */
  readonly binding: Uint8Array;
  /** `replay`: spent before, by a request with the same id. */
  readonly state: "fresh" | "replay";
  /** Where it is recorded: tokens by their epoch, work by its day. */
  readonly room: "spent" | "foreignSpent" | "work";
  /** Counted in the batch that spends it: tokens of another issuer have one. */
  readonly budget?: Budget;
  /** Called once the request that it paid for is durable; not for refusals. */
  readonly spent?: () => void;
  release(): void;
}

export interface Dispatched {
  readonly operation: OperationName;
  /** The 384 plaintext bytes of the header. */
  readonly header: Buffer;
  /** The body's payload: the operation's request, then a signature where the caller has one. */
  readonly payload: Buffer;
  /** As many as the operation costs; none where it costs none. */
  readonly reservations: readonly Reservation[];
  readonly arena: Arena;
  /** Unix seconds. */
  readonly now: number;
  /** Resolves when nobody waits for the answer any more. */
  readonly gone?: Promise<void>;
}

/** Never throws: a refusal is a code. `payload` lies in the arena or is empty. */
export type Dispatch = (request: Dispatched) => Promise<{ code: number; payload: Uint8Array }>;

const EMPTY = Buffer.alloc(0);
const DAY = 86400;
/** Days for which a retry gets the answer it missed. */
export const RECEIPT_DAYS = 2;

/** Faults of local layers are the server's own trouble; what they were is nobody's business on the wire. */
export const outward = (error: unknown): FaultCode => {
  if (!(error instanceof Fault)) return "server/error";
  if (error.code === "store/write") return "server/full";
  return faults[error.code].number >= faults["memory/exhausted"].number ? "server/error" : error.code;
};
/** Refusals that cost nothing: our own trouble, and a token that is as good tomorrow. */
const isFree = (code: FaultCode): boolean => code.startsWith("server/") || code === "token/budget";

interface Outcome {
  readonly code: number;
  readonly payload: Uint8Array;
}
const refusal = (code: FaultCode): Outcome => ({ code: faults[code].number, payload: EMPTY });

export function makeDispatch(deps: { domain: Uint8Array; store: Store; handlers: Handlers }): Dispatch {
  const { domain, store, handlers } = deps;
  const tries = new Tries();

  return async (request) => {
    const { arena, now, payload, reservations } = request;
    const [first] = reservations;
    const shape = operations[request.operation];
    const handler = handlers[request.operation] as Handler<OperationName>;
    const signed = shape.caller !== "anonymous";
    try {
      const { requestId } = decode(header, request.header);
      if (signed && payload.length < SIGNATURE_LENGTH) return refusal("wire/malformed");
      const body = signed ? payload.subarray(0, payload.length - SIGNATURE_LENGTH) : payload;
      const decoded = decode(shape.request as Codec<unknown>, body) as never;
      const receipt = first && makeReceipt(arena, first, reservations, requestId, body, now);
      if (receipt && first?.state === "replay") {
        return await store.read(arena, (view) => receipt.find(view)).catch((e: unknown) => refusal(outward(e)));
      }

      const attempt = async (): Promise<{ outcome: Outcome; wake?: Promise<void>; seconds: number }> => {
        let wake: Promise<void> | undefined;
        let seconds = 0;
        const after: (() => void)[] = [];
        const outcome = await store.transact(arena, async (tx) => {
          let authenticated = !signed;
          const call: Call = {
            arena,
            tx,
            now,
            authenticate(publicKey) {
              const signature = payload.subarray(payload.length - SIGNATURE_LENGTH);
              if (!verify(signature, "request", publicKey, domain, request.header, body)) {
                throw new Fault("auth/signature");
              }
              authenticated = true;
            },
            afterCommit: (task) => after.push(task),
            waitFor(promise, limit) {
              wake = promise;
              seconds = limit;
            },
          };
          const earlier = await receipt?.earlier(tx);
          if (earlier !== undefined) return earlier;
          const reply = await handler(decoded, call);
          if (!authenticated) throw new Fault("server/error");
          const bytes = encode(shape.reply as Codec<unknown>, reply, (size) => arena.take(size));
          const result = { code: 0, payload: bytes };
          await receipt?.write(tx, result);
          return result;
        });
        for (const task of after) task();
        return wake === undefined ? { outcome, seconds } : { outcome, wake, seconds };
      };

      try {
        const outcome = await untilAnswered(attempt, request.gone);
        for (const reservation of reservations) reservation.spent?.();
        if (first) tries.forget(first.name);
        return outcome;
      } catch (error) {
        const code = outward(error);
        // Work was done: the token is spent, and a retry learns the same refusal.
        if (first && receipt && !isFree(code) && !tries.another(code, first.name)) {
          return await store.transact(arena, async (tx) => {
            const earlier = await receipt.earlier(tx);
            if (earlier === undefined) await receipt.write(tx, refusal(code));
            return earlier ?? refusal(code);
          });
        }
        return refusal(code);
      }
    } catch (error) {
      return refusal(outward(error));
    } finally {
      for (const reservation of reservations) reservation.release();
    }
  };
}

/**
 * Runs `attempt` again each time the wake-up it asked for comes, until it asks no more, its seconds are over or the asker
 * is gone: an arena must not be held for nobody.
 */
async function untilAnswered(
  attempt: () => Promise<{ outcome: Outcome; wake?: Promise<void>; seconds: number }>,
  gone: Promise<void> | undefined,
): Promise<Outcome> {
  let timer: NodeJS.Timeout | undefined;
  let over: Promise<boolean> | undefined;
  try {
    for (;;) {
      const { outcome, wake, seconds } = await attempt();
      if (wake === undefined || seconds <= 0) return outcome;
      over ??= new Promise((resolve) => {
        timer = setTimeout(() => resolve(true), seconds * 1000);
        void gone?.then(() => resolve(true));
      });
      if (await Promise.race([wake.then(() => false), over])) return outcome;
    }
  } finally {
    clearTimeout(timer);
  }
}

// A receipt lets a retry (same token, request id and request) have the answer it missed, and nobody else anything: the
// reply is sealed under a key derived from the request id, which the server forgets. The signature is no part of what
// must be the same: it covers the header, whose window moves on.
function makeReceipt(
  arena: Arena,
  { name }: Reservation,
  all: readonly Reservation[], // the first among them
  requestId: Uint8Array,
  body: Buffer,
  now: number,
) {
  const key = derive(arena.take(32), "receiptKey", requestId);
  const digest = derive(arena.take(32), "receiptBinding", requestId, body);
  const today = Math.floor(now / DAY);

  return {
    /**
     * The answer to a token that is spent already. The gate looked before the transaction began; a batch of unknown
     * outcome may have come to light since.
     */
    async earlier(tx: Transaction): Promise<Outcome | undefined> {
      let again = false;
      for (const one of all) {
        const before = await tx.get(one.room, one.name, { partition: one.epoch });
        if (before === undefined) continue;
        if (!equal(before, one.binding)) return refusal("token/spent");
        again = true;
      }
      return again ? this.find(tx) : undefined;
    },
    async write(tx: Transaction, outcome: Outcome): Promise<void> {
      const budgets = all.flatMap(({ budget }) => budget ?? []);
      await charge(tx, arena, budgets);
      const plain = arena.take(34 + outcome.payload.length);
      plain.set(digest);
      plain.writeUInt16BE(outcome.code, 32);
      plain.set(outcome.payload, 34);
      for (const spent of all) tx.put(spent.room, spent.name, spent.binding, { partition: spent.epoch });
      const sealed = sealInto(arena.take(plain.length + SEAL_OVERHEAD), plain, name, key);
      tx.put("receipt", name, sealed, { partition: today });
    },
    async find(view: Pick<Transaction, "get">): Promise<Outcome> {
      for (let age = 0; age <= RECEIPT_DAYS; age++) {
        const sealed = await view.get("receipt", name, { partition: today - age });
        if (sealed === undefined) continue;
        const plain = openInto(arena.take(sealed.length - SEAL_OVERHEAD), sealed, name, key);
        const code = plain.readUInt16BE(32);
        if (!equal(plain.subarray(0, 32), digest) || (code !== 0 && faultOfNumber(code) === undefined)) break;
        return { code, payload: plain.subarray(34) };
      }
      return refusal("token/spent");
    },
  };
}
