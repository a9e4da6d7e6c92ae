// Requests of a group: saved whole before they are sent, as what has to be asked for again after a crash; and questions,
// which change nothing and are simply asked anew.
import { randomBytes } from "../crypto/random.ts";
import { Fault } from "../fault.ts";
import { SIGNATURE_LENGTH } from "../crypto/sign.ts";
import { encode, type Codec } from "../wire/codec.ts";
import { REQUEST_ID_LENGTH, sizes, TOKEN_SLOT_LENGTH } from "../wire/frame.ts";
import { operations, type OperationName, type ReplyOf, type RequestOf } from "../wire/operations.ts";
import type { RequestSigner } from "./call.ts";
import { groupEntries, type GroupState, type Pending } from "./group-record.ts";
import type { HeldGroup } from "./groups.ts";
import type { Parts } from "./parts.ts";
import type { Entry } from "./sections.ts";

/** Saves `state` in the place of the group's, with further entries, and holds it from then on. */
export async function keep(parts: Parts, held: HeldGroup, state: GroupState, ...others: Entry[]): Promise<void> {
  await parts.session.sections.save(...groupEntries(state, held.state), ...others);
  held.state = state;
}

/** u32 length of the payload. */
const LENGTH = 4;

/** Whether a request has room in its size class, with signature and further tokens. */
export function fits<N extends OperationName>(operation: N, request: RequestOf<N>): boolean {
  const { request: codec, size, price } = operations[operation];
  const room = sizes[size.request] - LENGTH - SIGNATURE_LENGTH - (price - 1) * TOKEN_SLOT_LENGTH;
  try {
    return encode(codec as Codec<unknown>, request, Buffer.alloc).length <= room;
  } catch (error) {
    if (error instanceof Fault && error.code === "wire/malformed") return false;
    throw error;
  }
}

type Rest = Partial<Pick<Pending, "next" | "introductions" | "befriends">>;

/** Pays for a request and hands it over, to be saved as pending before it is sent. ClientError `client/no-tokens`. */
export function draft<N extends OperationName, T>(
  { tokens }: Parts,
  operation: N,
  request: RequestOf<N>,
  save: (pending: Pending) => Promise<T>,
  rest: Rest = {},
): Promise<T> {
  const { number, request: codec } = operations[operation];
  return tokens.spend(operation, (token) =>
    save({
      operation: number,
      requestId: randomBytes(REQUEST_ID_LENGTH),
      token: Buffer.from(token),
      request: encode(codec as Codec<unknown>, request, Buffer.alloc),
      next: rest.next ?? Buffer.alloc(0),
      introductions: rest.introductions ?? [],
      befriends: rest.befriends ?? 0,
    }),
  );
}

/** Asks what may be asked twice, for a token. */
export const question = <N extends OperationName, T>(
  { tokens, session }: Parts,
  held: HeldGroup,
  operation: N,
  request: RequestOf<N>,
  use: (reply: ReplyOf<N>) => T,
  signer?: RequestSigner,
): Promise<T> =>
  tokens.spend(operation, (token) =>
    session.call({ operation, circuit: held.circuit, request, token, ...(signer && { signer }) }, use),
  );

/** Signs as the member that this client is in the group. */
export const leafSigner =
  ({ state: { mls } }: HeldGroup): RequestSigner =>
  (out, ...signed) =>
    out.set(mls!.signWithLeaf("request", ...signed));
