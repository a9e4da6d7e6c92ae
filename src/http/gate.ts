// The gate: decides on the token before the body is read.
import { Fault } from "../fault.ts";
import type { Arena } from "../memory/arena.ts";
import { isZero } from "../memory/locked.ts";
import { TOKEN_SLOT_LENGTH } from "../wire/frame.ts";
import { MAX_TOKEN_LENGTH, TOKEN_LENGTH } from "../../tokens/token.ts";
import { operations, type OperationName } from "../wire/operations.ts";
import type { Redeem, Reservation } from "./types.ts";

/** What a request shows of itself before its body. */
export interface Shown {
  readonly operation: OperationName;
  /** The header's token slot, 354 bytes; zeros when there is none. */
  readonly token: Uint8Array;
  readonly requestId: Uint8Array;
  /** The HTTP header of that name. Ours never send one; other clients of Privacy Pass do (RFC 9577 section 2.2). */
  readonly authorization: string | undefined;
}

const SCHEME = "privatetoken ";
const PARAMETER = "token=";
// Both types of token have a length that is a multiple of three: no padding (RFC 9578 sections 8.2.1 and 8.2.2).
const ENCODED_LENGTHS = [TOKEN_LENGTH, MAX_TOKEN_LENGTH].map((length) => (length / 3) * 4);

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
  const length = ENCODED_LENGTHS.find((characters) => {
    const behind = authorization[at + characters];
    return quoted ? behind === '"' : behind === undefined || behind === "," || behind === " ";
  });
  const slot = arena.take(TOKEN_SLOT_LENGTH);
  if (parameter < 0 || length === undefined) throw new Fault("token/invalid");
  const text = authorization.slice(at, at + length);
  if (slot.write(text, "base64url") !== (length / 4) * 3) throw new Fault("token/invalid");
  return slot;
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

/**
 * Holds the tokens that an operation costs besides the first: slots in front of the request, one behind the other. Adds
 * them to `held` as they come, so that the caller releases what was held when one is refused. Returns the request.
 */
export async function admitRest(
  operation: OperationName,
  payload: Buffer,
  requestId: Uint8Array,
  redeem: Redeem,
  held: Reservation[],
): Promise<Buffer> {
  const { token, price } = operations[operation];
  if (token === "none") return payload;
  const end = (price - 1) * TOKEN_SLOT_LENGTH;
  if (payload.length < end) throw new Fault("wire/malformed");
  for (let at = 0; at < end; at += TOKEN_SLOT_LENGTH) {
    held.push(await redeem(token, payload.subarray(at, at + TOKEN_SLOT_LENGTH), requestId));
  }
  return payload.subarray(end);
}
