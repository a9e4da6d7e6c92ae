// What one operation is, as the table of them says it.
import { fixed, struct, type Codec } from "./codec.ts";
import type { SizeClass } from "./frame.ts";

export type TokenClass = "invite" | "create" | "discover" | "connect" | "deliver";
/** Whose signature a request ends with: nobody's, an account's (PROTOCOL.md [5.1]), a queue's owner, a group's member. */
type Caller = "anonymous" | "account" | "queue" | "member";
type Service = "auth" | "queue" | "delivery";

type Limits = Readonly<Record<string, number>>;
interface Shape<Q, R, L extends Limits = Limits> {
  /** On the wire (u16); never reused. */
  readonly number: number;
  readonly service: Service;
  readonly caller: Caller;
  /** The class of token a request must carry; `none` only where the caller proves an account or a queue of its own. */
  readonly token: TokenClass | "none";
  /** Tokens a request costs: the first in the header, the others in front of the request. 1 to MAX_PRICE; 0 for `none`. */
  readonly price: number;
  readonly size: { readonly request: SizeClass; readonly reply: SizeClass };
  /** Counts the handler enforces per subject, named by what they count. */
  readonly limits: L;
  readonly request: Codec<Q>;
  readonly reply: Codec<R>;
}
export const operation = <Q, R, L extends Limits>(shape: Shape<Q, R, L>): Shape<Q, R, L> => shape;

export const id = fixed(16);
export const key = fixed(32);
export const small = { request: "small", reply: "small" } as const;
export const nothing = struct({});
