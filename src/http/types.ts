// What the transport asks of the rest of the house, by shape: who redeems a token, who answers a request.
import type { Arena } from "../memory/arena.ts";
import type { OperationName, TokenClass } from "../wire/operations.ts";

/** A token that is held for one request. */
export interface Reservation {
  readonly class: TokenClass;
  readonly epoch: number;
  readonly name: Uint8Array;
  readonly binding: Uint8Array;
  /** `replay`: it was spent before, by a request with the same id. */
  readonly state: "fresh" | "replay";
  /** Where it is recorded when it is spent. */
  readonly room: "spent" | "foreignSpent" | "work";
  /** What it is counted against then. */
  readonly budget?: { readonly issuer: Uint8Array; readonly day: number; readonly limit: number };
  /** Called once the request that it paid for is durable. */
  readonly spent?: () => void;
  /** Gives the token back unless it has been spent durably. */
  release(): void;
}

/** Checks and holds what is in a slot (354 bytes). Rejects with a Fault `token/*`, or `server/*` when it cannot tell. */
export type Redeem = (tokenClass: TokenClass, token: Uint8Array, requestId: Uint8Array) => Promise<Reservation>;

/** The value of WWW-Authenticate that asks for a token of this class (RFC 9577 section 2.1). */
export type Challenge = (tokenClass: TokenClass) => string;

/** An opened, authenticated-by-nobody-yet request. All bytes are views of the arena. */
export interface OpenedRequest {
  readonly operation: OperationName;
  /** 384 plaintext bytes. */
  readonly header: Buffer;
  readonly payload: Buffer;
  /** Whoever is handed the request owns it: `release` is then theirs to call. */
  readonly reservations: readonly Reservation[];
  readonly arena: Arena;
  /** Unix seconds. */
  readonly now: number;
  /** Resolves when the connection is over: nobody waits for the answer any more. */
  readonly gone: Promise<void>;
}

/** Code 0 is success, anything else a Fault's number. `payload` may lie in the arena. */
export interface Reply {
  readonly code: number;
  readonly payload: Uint8Array;
}

/** Never rejects: a refusal is a code. */
export type Dispatch = (request: OpenedRequest) => Promise<Reply>;

/** A token request that came over plain HTTP. All bytes are views of the arena, but for the media type. */
export interface ForeignRequest {
  readonly userId: Uint8Array;
  readonly clientId: Uint8Array;
  readonly window: number;
  readonly signature: Uint8Array;
  readonly mediaType: Uint8Array;
  readonly body: Uint8Array;
  readonly arena: Arena;
  /** Unix seconds. */
  readonly now: number;
}

/** Answers with the token response. Never rejects: a refusal is a code. */
export type Issuance = (request: ForeignRequest) => Promise<Reply>;

/** Public documents, served as they are. */
export interface Documents {
  /** The signed directory (PROTOCOL.md section 2). */
  directory(): Uint8Array;
  /** The token issuer directory (RFC 9578 section 4), JSON. Without it the path is not there. */
  issuers?(): Uint8Array;
}
