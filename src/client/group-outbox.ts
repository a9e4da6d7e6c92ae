// What a group has to ask of the delivery service: one request at a time, saved before it is sent, repeated until it is
// answered. A request that is repeated is the very same, so the server answers it as it did the first time.
import { randomBytes } from "../crypto/random.ts";
import { Fault, type FaultCode } from "../fault.ts";
import { equal } from "../memory/locked.ts";
import { decode, encode, type Codec } from "../wire/codec.ts";
import { groupMessage } from "../wire/documents.ts";
import { REQUEST_ID_LENGTH } from "../wire/frame.ts";
import { operationOfNumber, operations, type OperationName, type RequestOf } from "../wire/operations.ts";
import { ClientError } from "./errors.ts";
import { adopted } from "./group-pending.ts";
import { catchUp } from "./read-queue.ts";
import { groupEntry, type GroupState, type Outgoing, type Pending } from "./group-record.ts";
import type { HeldGroup } from "./groups.ts";
import type { Parts } from "./parts.ts";

const shape = operations["ds.send"];
const ATTEMPTS = 4;
const EMPTY = Buffer.alloc(0);

async function keep(parts: Parts, held: HeldGroup, state: GroupState): Promise<void> {
  await parts.session.sections.save(groupEntry(state));
  held.state = state;
}

/** Adds a message to what is to be sent, durable when this resolves. */
export const enqueue = (parts: Parts, held: HeldGroup, message: Outgoing): Promise<void> =>
  keep(parts, held, { ...held.state, outgoing: [...held.state.outgoing, message] });

/** Sends what is pending and all messages that wait, in order. ClientError `group/contended`, `group/not-member`. */
export async function flush(parts: Parts, held: HeldGroup): Promise<void> {
  for (let behind = 0; behind < ATTEMPTS;) {
    const { mls, pending, outgoing } = held.state;
    if (mls === undefined) throw new ClientError("group/not-member");
    if (pending === undefined) {
      if (outgoing[0] === undefined) return;
      await prepare(parts, held, outgoing[0]);
    }
    if ((await deliver(parts, held)) !== "done") behind++;
  }
  throw new ClientError("group/contended");
}

// The ratcheted state is saved with the ciphertext: no message key is ever used twice, whatever happens after.
async function prepare(parts: Parts, held: HeldGroup, message: Outgoing): Promise<void> {
  const { tokens } = parts;
  const { groupId, mls } = held.state;
  if (mls === undefined) throw new ClientError("group/not-member");
  const plain = encode(groupMessage, message, Buffer.alloc);
  const sent = await mls.send(plain);
  plain.fill(0);
  const request = { groupId, groupKey: await mls.groupKey(), leaf: mls.ownLeaf, message: sent.privateMessage };
  await tokens.spend("ds.send", (token) => {
    const pending = {
      operation: shape.number,
      requestId: randomBytes(REQUEST_ID_LENGTH),
      token: Buffer.from(token),
      request: encode(shape.request, request, Buffer.alloc),
      next: EMPTY,
      introductions: [],
      befriends: 0,
    };
    return keep(parts, held, { ...held.state, mls: sent.next, pending });
  });
  sent.settle();
}

/**
 * Sends the pending request. `done`: it had its effect, which is saved. `again`: it is dropped, since the group moved on
 * without it or its token was of no use, and the caller makes it anew on what the queue has brought. Errors that leave
 * its fate open leave it pending. Fault `group/unavailable` when the group has not moved and is not there either.
 */
export async function deliver(parts: Parts, held: HeldGroup): Promise<"done" | "again"> {
  const { pending, mls } = held.state;
  const operation = pending && operationOfNumber(pending.operation);
  if (pending === undefined || mls === undefined || operation === undefined) return "again";
  const answer = await send(parts, held, operation, pending.request).catch(outcomeOf);
  const settled =
    operation === "ds.commit"
      ? await settleCommit(parts, held, pending, answer)
      : await settleOther(parts, held, pending, answer);
  if (settled) return "done";
  if (answer instanceof Fault) throw answer;
  if (answer === "no token") return "again";
  await catchUp(parts);
  if (held.state.mls?.epoch !== mls.epoch) return "again";
  held.unavailableIn = mls.epoch;
  throw new Fault("group/unavailable");
}

// The queue decides: it holds our commit in its place if it was accepted, whether or not we got the answer.
async function settleCommit(parts: Parts, held: HeldGroup, pending: Pending, answer: Answer): Promise<boolean> {
  await catchUp(parts);
  if (held.adopted !== undefined && equal(held.adopted, pending.requestId)) return true;
  if (held.state.pending !== pending) return false;
  // Accepted, and yet not in the queue: it was full.
  const accepted = answer === "accepted";
  await keep(parts, held, accepted ? adopted(parts, held.state) : { ...held.state, pending: undefined });
  return accepted;
}

async function settleOther(parts: Parts, held: HeldGroup, pending: Pending, answer: Answer): Promise<boolean> {
  const { outgoing } = held.state;
  const done = answer === "accepted" || answer === "answered before";
  if (pending.operation === shape.number) {
    // A message that was sent, or that is refused for what it is, is not sent again.
    const sent = done || answer instanceof Fault ? 1 : 0;
    await keep(parts, held, { ...held.state, outgoing: outgoing.slice(sent), pending: undefined });
  } else if (answer === "no token") {
    await parts.tokens.spend("ds.create", (token) => {
      const renewed = { ...pending, token: Buffer.from(token), requestId: randomBytes(REQUEST_ID_LENGTH) };
      return keep(parts, held, { ...held.state, pending: renewed });
    });
  } else {
    await keep(parts, held, { ...held.state, pending: undefined });
  }
  return done;
}

type Answer = "accepted" | "answered before" | "behind" | "no token" | Fault;

async function send(parts: Parts, held: HeldGroup, operation: OperationName, encoded: Uint8Array): Promise<Answer> {
  const { pending, mls } = held.state;
  const request = decode(operations[operation].request as Codec<unknown>, encoded) as RequestOf<typeof operation>;
  const { token, requestId } = pending!;
  const ask = { operation, circuit: held.circuit, request, token, requestId };
  const signed = operations[operation].caller === "member";
  const signer = (out: Uint8Array, ...signedParts: Uint8Array[]): void =>
    out.set(mls!.signWithLeaf("request", ...signedParts));
  await parts.session.call(signed ? { ...ask, signer } : ask, () => undefined);
  return "accepted";
}

// The key of an epoch that is over opens nothing, so a group that moved on looks like one that does not exist.
const BEHIND: ReadonlySet<FaultCode> = new Set(["group/epoch", "group/unavailable"]);
// Its issuer key is gone: it lay too long.
const NO_TOKEN: ReadonlySet<FaultCode> = new Set(["token/invalid", "token/unknown-key"]);
// Group ids are random: one that exists was made by this very request.
const BEFORE: ReadonlySet<FaultCode> = new Set(["token/spent", "group/exists"]);
const REFUSED: ReadonlySet<FaultCode> = new Set([
  "group/invalid",
  "group/policy",
  "group/limit",
  "auth/signature",
  "wire/malformed",
]);

function outcomeOf(error: unknown): Answer {
  if (!(error instanceof Fault)) throw error;
  if (BEHIND.has(error.code)) return "behind";
  if (NO_TOKEN.has(error.code)) return "no token";
  if (BEFORE.has(error.code)) return "answered before";
  if (REFUSED.has(error.code)) return error;
  throw error;
}
