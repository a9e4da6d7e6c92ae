// What a handler gets, and the few calls between the services, named by the caller. Services know each other only by this.
import type { Arena } from "../memory/arena.ts";
import type { Transaction } from "../store/store.ts";
import type { OperationName, ReplyOf, RequestOf } from "../wire/operations.ts";

/** One request on its way through a service. Everything in it is gone when the reply is sealed. */
export interface Call {
  /** Where the handler's plaintext lives; closed by the caller. */
  readonly arena: Arena;
  /** The request's one atomic batch. */
  readonly tx: Transaction;
  /** Unix seconds. */
  readonly now: number;
  /**
   * Checks that the request ends with a signature by `publicKey` (32 bytes) over domain, header and body. Fault
   * `auth/signature`. Every operation whose caller is not `anonymous` must call it before its first write.
   */
  authenticate(publicKey: Uint8Array): void;
  /** Runs `task` after the batch is durable; for wake-ups only, its failure changes nothing. */
  afterCommit(task: () => void): void;
  /** Ask to be run again, in a new transaction, when `wake` resolves; the answer given now is the one at the deadline. */
  waitFor(wake: Promise<void>, seconds: number): void;
}

/** A handler throws a Fault to refuse; nothing it staged is then written. */
export type Handler<N extends OperationName> = (request: RequestOf<N>, call: Call) => Promise<ReplyOf<N>>;
export type Handlers<S extends OperationName = OperationName> = { readonly [N in S]: Handler<N> };
type Prefixed<P extends string> = Extract<OperationName, `${P}.${string}`>;
export type AuthHandlers = Handlers<Prefixed<"as">>;
export type QueueHandlers = Handlers<Prefixed<"qs">>;
export type DeliveryHandlers = Handlers<Prefixed<"ds">>;

/** One item and the sealed handles of the queues it goes to. */
export interface Delivery {
  readonly handles: readonly Uint8Array[];
  /** A queueItem's bytes; what is longer than ITEM_MAX is appended in parts. */
  readonly item: Uint8Array;
}

/** Delivery service -> queuing service: fan-out inside the sender's own transaction. */
export interface DeliveryToQueue {
  /**
   * Appends each item, in the order given, to the queue behind each of its handles, in one transaction with everything
   * else. Once a call: all queues are locked together, so that two fan-outs never wait for each other. A handle that
   * does not open and a full queue are passed over: its owner learns from the queue's mark.
   *
   * `gone`: those of the handles given (the same objects) that open, but to a queue that is deleted. What follows from
   * that may be sent by a second call, to no other queues than these and those behind `later`.
   */
  enqueue(
    call: Call,
    deliveries: readonly Delivery[],
    later?: readonly Uint8Array[],
  ): Promise<{ gone: readonly Uint8Array[] }>;
}

/** Delivery service -> the key under which groups know it as a sender of proposals. */
export interface DeliverySigner {
  /** Ed25519, 32 bytes. */
  readonly publicKey: Uint8Array;
  /** Writes the 64-byte signature of `message` as it is. */
  sign(signature: Uint8Array, message: Uint8Array): void;
}

/** Authentication service -> token issuer. */
export interface AuthToIssuer {
  /**
   * The epoch and the key (its id, 32 bytes) that a token request is for, without issuing. Faults `token/unknown-key`,
   * `token/batch`, `token/allowance` for a class that accounts do not draw.
   */
  identify(tokenRequest: Uint8Array, now: number): { epoch: number; keyId: Uint8Array };
  /** The token response for a whole batch; an identical request gives identical bytes. */
  issue(tokenRequest: Uint8Array, now: number, allocate: (size: number) => Buffer): Promise<Uint8Array>;
  /** All that a token request can be for. */
  liveKeys(): readonly { epoch: number; keyId: Uint8Array }[];
}

/** Authentication service -> the credential it signs with. */
export interface AuthSigner {
  /** Raw public key of the AS intermediate that signs client credentials now. */
  readonly publicKey: Uint8Array;
  /** Writes the 64-byte signature of a credential's body. */
  sign(signature: Uint8Array, body: Uint8Array, purpose: "credential" | "aliasCredential"): void;
}
