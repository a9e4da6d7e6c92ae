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
import { adopted, commitOf } from "./group-pending.ts";
import { catchUp } from "./read-queue.ts";
import { groupEntry, type GroupState, type Outgoing } from "./group-record.ts";
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
    if ((await deliver(parts, held)) === "behind") behind++;
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
  await tokens.spend("deliver", (token) => {
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
 * Sends the pending request. `done`: it had its effect, which is saved. `behind`: the group has moved on without it;
 * it is dropped, the queue is read, and the caller makes it anew. Errors that leave its fate open leave it pending.
 */
export async function deliver(parts: Parts, held: HeldGroup): Promise<"done" | "behind"> {
  const { pending, mls } = held.state;
  const operation = pending && operationOfNumber(pending.operation);
  if (pending === undefined || mls === undefined || operation === undefined) return "behind";
  const answer = await send(parts, held, operation, pending.request).catch(outcomeOf);

  if (commitOf(pending) !== undefined) {
    // The queue decides: it holds our commit in its place if it was accepted, whether or not we got the answer.
    await catchUp(parts);
    if (held.adopted !== undefined && equal(held.adopted, pending.requestId)) return "done";
    if (held.state.pending !== pending) return "behind";
    if (answer !== "accepted") {
      await keep(parts, held, { ...held.state, pending: undefined });
      if (answer instanceof Fault) throw answer;
      return "behind";
    }
    // Accepted, and yet not in the queue: it was full.
    await keep(parts, held, adopted(parts, held.state));
    return "done";
  }

  if (operation === "ds.create" && answer === "behind") {
    await parts.tokens.spend("create", (token) => {
      const renewed = { ...pending, token: Buffer.from(token), requestId: randomBytes(REQUEST_ID_LENGTH) };
      return keep(parts, held, { ...held.state, pending: renewed });
    });
    return "behind";
  }
  // A message that was sent, or that is refused for what it is, is not sent again.
  const settled = operation === "ds.send" && answer !== "behind" ? 1 : 0;
  await keep(parts, held, { ...held.state, outgoing: held.state.outgoing.slice(settled), pending: undefined });
  if (answer instanceof Fault) throw answer;
  if (answer !== "behind") return "done";
  await catchUp(parts);
  return "behind";
}

type Answer = "accepted" | "answered before" | "behind" | Fault;

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

// The key of an epoch that is over opens nothing, so a group that moved on looks like one that does not exist. A token
// whose key is gone is made up for by a fresh one.
const BEHIND: ReadonlySet<FaultCode> = new Set([
  "group/epoch",
  "group/unavailable",
  "token/invalid",
  "token/unknown-key",
]);
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
  if (BEFORE.has(error.code)) return "answered before";
  if (REFUSED.has(error.code)) return error;
  throw error;
}
