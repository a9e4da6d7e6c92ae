// The gate: decides on the token before the body is read.
import { Fault } from "../fault.ts";
import type { Arena } from "../memory/arena.ts";
import { isZero } from "../memory/locked.ts";
import { TOKEN_LENGTH } from "../wire/frame.ts";
import { operations, type OperationName } from "../wire/operations.ts";
import type { Redeem, Reservation } from "./types.ts";

/** What a request shows of itself before its body. */
export interface Shown {
  readonly operation: OperationName;
  /** The header's token slot, 162 bytes; zeros when there is none. */
  readonly token: Uint8Array;
  readonly requestId: Uint8Array;
  /** The HTTP header of that name. Ours never send one; other clients of Privacy Pass do (RFC 9577 section 2.2). */
  readonly authorization: string | undefined;
}

const SCHEME = "privatetoken ";
const PARAMETER = "token=";
// 162 bytes are 216 characters of base64url, without padding.
const ENCODED_LENGTH = (TOKEN_LENGTH / 3) * 4;

/**
 * The token of an Authorization header, decoded straight into the arena, or undefined when there is none. No regular
 * expression looks at it: those keep their last subject alive. Fault `token/invalid` when it has another form.
 */
function headerToken(authorization: string | undefined, arena: Arena): Buffer | undefined {
  if (authorization?.slice(0, SCHEME.length).toLowerCase() !== SCHEME) return undefined;
  const parameter = authorization.indexOf(PARAMETER, SCHEME.length);
  let at = parameter + PARAMETER.length;
  const quoted = authorization[at] === '"';
  if (quoted) at++;
  const behind = authorization[at + ENCODED_LENGTH];
  const ends = quoted ? behind === '"' : behind === undefined || behind === "," || behind === " ";
  const token = arena.take(TOKEN_LENGTH);
  const text = authorization.slice(at, at + ENCODED_LENGTH);
  if (parameter < 0 || !ends || token.write(text, "base64url") !== TOKEN_LENGTH) throw new Fault("token/invalid");
  return token;
}

/**
 * Holds the token that the operation asks for; undefined where it asks for none.
 * Faults `token/required`, `token/invalid`, those of `redeem`; `wire/malformed` for a token that nobody asked for.
 */
export async function admit(shown: Shown, redeem: Redeem, arena: Arena): Promise<Reservation | undefined> {
  const wanted = operations[shown.operation].token;
  const token = isZero(shown.token) ? headerToken(shown.authorization, arena) : shown.token;
  if (wanted === "none") {
    if (token !== undefined) throw new Fault("wire/malformed");
    return undefined;
  }
  if (token === undefined) throw new Fault("token/required");
  const reservation = await redeem(wanted, token, shown.requestId);
  if (reservation.class !== wanted) {
    reservation.release();
    throw new Fault("token/invalid");
  }
  return reservation;
}
