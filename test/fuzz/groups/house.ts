// The house of a history: its services over the real store, asked through dispatch, so that tokens and receipts are real.
import { randomBytes } from "../../../src/crypto/random.ts";
import { sign, SIGNATURE_LENGTH } from "../../../src/crypto/sign.ts";
import { faultOfNumber, type FaultCode } from "../../../src/fault.ts";
import { ArenaPool } from "../../../src/memory/arena.ts";
import type { ClientGroup } from "../../../src/mls/client.ts";
import { makeDispatch, type Dispatch, type Reservation } from "../../../src/services/dispatch.ts";
import { decode, encode, type Codec } from "../../../src/wire/codec.ts";
import { header, pad, padReply, sizes, TOKEN_SLOT_LENGTH, windowOf } from "../../../src/wire/frame.ts";
import { operations, type OperationName, type ReplyOf, type RequestOf } from "../../../src/wire/operations.ts";
import { type KeyPair, Services } from "../../services/services.ts";

export type { KeyPair };
export type Signer = KeyPair | Pick<ClientGroup, "signWithLeaf">;

/** A request with its tokens: whoever misses the answer sends the very same again. */
export interface Prepared<N extends OperationName = OperationName> {
  readonly operation: N;
  readonly header: Buffer;
  readonly payload: Buffer;
  readonly tokens: readonly Pick<Reservation, "name" | "binding">[];
}

export interface Answer<N extends OperationName = OperationName> {
  readonly code: FaultCode | "ok";
  /** Undefined for a refusal. */
  readonly reply: ReplyOf<N> | undefined;
}

const EPOCH = 5;
/** Seconds by which the house's clock is ahead of the library's: what has just run out for the house can still be made. */
const AHEAD = 3000;
const alloc = (size: number): Buffer => Buffer.alloc(size);
const signatureOf = (as: Signer, ...parts: Uint8Array[]): Uint8Array =>
  "secretKey" in as
    ? sign(alloc(SIGNATURE_LENGTH), "request", as.secretKey, ...parts)
    : as.signWithLeaf("request", ...parts);

export class House {
  readonly services: Services;
  readonly #arenas = new ArenaPool([
    [64 << 10, 48],
    [1 << 20, 3],
  ]);
  #dispatch: Dispatch;

  private constructor(services: Services) {
    this.services = services;
    this.#dispatch = this.#start();
  }

  static async open(): Promise<House> {
    const services = await Services.open();
    services.now = Math.floor(Date.now() / 1000) + AHEAD;
    return new House(services);
  }

  #start(): Dispatch {
    const { domain, store, handlers } = this.services;
    return makeDispatch({ domain, store, handlers });
  }

  get now(): number {
    return this.services.now;
  }
  get senderKey(): Uint8Array {
    return this.services.deliveryKey.publicKey;
  }

  /** Closes the database and opens it again. */
  async restart(): Promise<void> {
    await this.services.reopen();
    this.#dispatch = this.#start();
  }

  async close(): Promise<void> {
    await this.services.close();
    if (this.#arenas.open > 0) throw new Error("an arena was left open");
  }

  prepare<N extends OperationName>(operation: N, request: RequestOf<N>, as?: Signer): Prepared<N> {
    const shape = operations[operation];
    const fields = { version: 1, reserved: 0, operation: shape.number, window: windowOf(this.now) };
    const rest = { requestId: randomBytes(16), token: alloc(TOKEN_SLOT_LENGTH), padding: alloc(6) };
    const head = encode(header, { ...fields, ...rest }, alloc);
    const body = encode(shape.request as Codec<unknown>, request, alloc);
    const signature = as === undefined ? alloc(0) : signatureOf(as, this.services.domain, head, body);
    const payload = Buffer.concat([body, signature]);
    pad(alloc(sizes[shape.size.request]), payload);
    const tokens = Array.from({ length: shape.price }, () => ({ name: randomBytes(32), binding: randomBytes(16) }));
    return { operation, header: head, payload, tokens };
  }

  /** `again`: the gate found the tokens spent by a request with the same id. */
  async send<N extends OperationName>(prepared: Prepared<N>, again = false): Promise<Answer<N>> {
    const { operation, tokens } = prepared;
    const shape = operations[operation];
    const arena = this.#arenas.arena();
    try {
      const { code, payload } = await this.#dispatch({
        operation,
        header: arena.copy(prepared.header),
        payload: arena.copy(prepared.payload),
        reservations: tokens.map((token) => ({
          ...token,
          epoch: EPOCH,
          state: again ? "replay" : "fresh",
          room: "spent",
          release: () => {},
        })),
        arena,
        now: this.now,
      });
      padReply(alloc(sizes[shape.size.reply]), code, payload);
      if (code !== 0) return { code: faultOfNumber(code) ?? "server/error", reply: undefined };
      // a copy: the arena's memory goes on to other requests
      return { code: "ok", reply: decode(shape.reply as Codec<unknown>, Buffer.from(payload)) as ReplyOf<N> };
    } finally {
      arena.close();
    }
  }

  async ask<N extends OperationName>(operation: N, request: RequestOf<N>, as?: Signer): Promise<Answer<N>> {
    return this.send(this.prepare(operation, request, as));
  }
}
