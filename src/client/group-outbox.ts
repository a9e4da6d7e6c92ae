// What a group has to ask of the delivery service: one request at a time, saved before it is sent, repeated until it is
// answered. A request that is repeated is the very same, so the server answers it as it did the first time.
import { randomBytes } from "../crypto/random.ts";
import { Fault, type FaultCode } from "../fault.ts";
import { equal } from "../memory/locked.ts";
import { decode, encode, type Codec } from "../wire/codec.ts";
import { AUTHENTICATOR_LENGTH, groupMessage } from "../wire/documents.ts";
import { REQUEST_ID_LENGTH } from "../wire/frame.ts";
import { operationOfNumber, operations, type OperationName, type RequestOf } from "../wire/operations.ts";
import { ClientError } from "./errors.ts";
import { lostStep, missedProposals } from "./group-health.ts";
import { adopted, isCommit } from "./group-pending.ts";
import { endedGroup, healths, type GroupState, type Outgoing, type Pending } from "./group-record.ts";
import { draft, keep, leafSigner } from "./group-request.ts";
import type { HeldGroup } from "./groups.ts";
import { allOrNothing, type Parts } from "./parts.ts";
import { catchUp } from "./read-queue.ts";

const ATTEMPTS = 4;

/** Adds a message to what is to be sent, durable when this resolves. `to`: the leaf key of the only one to get it. */
export const enqueue = (
  parts: Parts,
  held: HeldGroup,
  { to = Buffer.alloc(0), ...message }: Omit<Outgoing, "to"> & { readonly to?: Uint8Array },
): Promise<void> => keep(parts, held, { ...held.state, outgoing: [...held.state.outgoing, { ...message, to }] });

/**
 * Sends what is pending and all messages that wait, in order. ClientError `group/contended`, `group/not-member`,
 * `group/diverged`.
 */
export async function flush(parts: Parts, held: HeldGroup): Promise<void> {
  for (let behind = 0; behind < ATTEMPTS;) {
    const { mls, pending, outgoing, care } = held.state;
    if (mls === undefined) throw new ClientError("group/not-member");
    if (pending === undefined) {
      if (outgoing[0] === undefined) return;
      if (care.health >= healths.diverged) throw new ClientError("group/diverged");
      if (!(await prepare(parts, held, outgoing[0]))) continue;
    }
    if ((await deliver(parts, held)) !== "done") behind++;
  }
  throw new ClientError("group/contended");
}

// The ratcheted state is saved with the ciphertext: no message key is ever used twice, whatever happens after.
async function prepare(parts: Parts, held: HeldGroup, { kind, body, to }: Outgoing): Promise<boolean> {
  const { groupId, mls, outgoing } = held.state;
  if (mls === undefined) throw new ClientError("group/not-member");
  const recipient = mls.members().find(({ signaturePublicKey }) => equal(signaturePublicKey, to))?.leafIndex;
  if (to.length > 0 && recipient === undefined) {
    await keep(parts, held, { ...held.state, outgoing: outgoing.slice(1) });
    return false;
  }
  const authenticator = mls.epochAuthenticator.subarray(0, AUTHENTICATOR_LENGTH);
  const plain = encode(groupMessage, { kind, authenticator, body }, Buffer.alloc);
  const { privateMessage: message, next, settle } = await mls.send(plain);
  plain.fill(0);
  const request = { groupId, groupKey: await mls.groupKey(), leaf: mls.ownLeaf, message };
  const save = (pending: Pending): Promise<void> => keep(parts, held, { ...held.state, mls: next, pending });
  if (recipient === undefined) await draft(parts, "ds.send", request, save);
  else await draft(parts, "ds.sendTo", { ...request, recipient }, save);
  settle();
  return true;
}

/**
 * Sends the pending request. `done`: it had its effect, which is saved. `again`: it is dropped, since the group moved on
 * without it or its token was of no use, and the caller makes it anew on what the queue has brought. Errors that leave
 * its fate open leave it pending. ClientError `group/diverged` when the group has not moved and is not there either.
 */
export async function deliver(parts: Parts, held: HeldGroup): Promise<"done" | "again"> {
  const { pending, mls } = held.state;
  const operation = pending && operationOfNumber(pending.operation);
  if (pending === undefined || mls === undefined || operation === undefined) return "again";
  const answer = await send(parts, held, operation, pending).catch(outcomeOf);
  const settled = isCommit(operation)
    ? await settleCommit(parts, held, pending, answer)
    : await settleOther(parts, held, operation, pending, answer);
  if (settled) return "done";
  if (answer instanceof Fault) throw answer;
  if (answer === "no token") return "again";
  if (operation === "ds.create") throw new Fault("group/unavailable");
  await catchUp(parts);
  const now = held.state.mls;
  if (now === undefined || now.epoch !== mls.epoch) return "again";
  if (answer === "proposals") {
    if (now.pending.length === mls.pending.length) await missedProposals(parts, held);
    return "again";
  }
  // A resync takes another way; everything else needs the group where it was.
  if (operation !== "ds.resync") await lostStep(parts, held);
  throw new ClientError("group/diverged");
}

// The queue decides: it holds our commit in its place if it was accepted, whether or not we got the answer.
async function settleCommit(parts: Parts, held: HeldGroup, pending: Pending, answer: Answer): Promise<boolean> {
  await catchUp(parts);
  if (held.adopted !== undefined && equal(held.adopted, pending.requestId)) return true;
  if (held.state.pending !== pending) return false;
  if (answer !== "accepted") {
    await keep(parts, held, { ...held.state, pending: undefined });
    return false;
  }
  // Accepted, and yet not in the queue: it was full.
  await allOrNothing(parts, async () => {
    await keep(parts, held, await adopted(parts, held.state), parts.events.entry());
  });
  return true;
}

const isMessage = (operation: OperationName): boolean => operation === "ds.send" || operation === "ds.sendTo";

async function settleOther(
  parts: Parts,
  held: HeldGroup,
  operation: OperationName,
  pending: Pending,
  answer: Answer,
): Promise<boolean> {
  const { outgoing } = held.state;
  const done = answer === "accepted" || answer === "answered before";
  const answered: GroupState = { ...held.state, pending: undefined };
  if (isMessage(operation)) {
    // A message that was sent, or that is refused for what it is, is not sent again.
    const sent = done || answer instanceof Fault ? 1 : 0;
    await keep(parts, held, { ...answered, outgoing: outgoing.slice(sent) });
  } else if (operation !== "ds.create" || done) {
    await keep(parts, held, answered);
  } else if (answer === "no token") {
    await parts.tokens.spend("ds.create", (token) => {
      const renewed = { ...pending, token: Buffer.from(token), requestId: randomBytes(REQUEST_ID_LENGTH) };
      return keep(parts, held, { ...held.state, pending: renewed });
    });
  } else {
    // Never founded: the id's reservation had run out.
    await keep(parts, held, endedGroup(held.state));
  }
  return done;
}

type Answer = "accepted" | "answered before" | "behind" | "proposals" | "no token" | Fault;

async function send(parts: Parts, held: HeldGroup, operation: OperationName, pending: Pending): Promise<Answer> {
  const request = decode(operations[operation].request as Codec<unknown>, pending.request) as RequestOf<
    typeof operation
  >;
  const { token, requestId } = pending;
  const ask = { operation, circuit: held.circuit, request, token, requestId };
  const signed = operations[operation].caller === "member";
  await parts.session.call(signed ? { ...ask, signer: leafSigner(held) } : ask, () => undefined);
  return "accepted";
}

// The key of an epoch that is over opens nothing, so a group that moved on looks like one that does not exist.
const BEHIND: ReadonlySet<FaultCode> = new Set(["group/epoch", "group/unavailable"]);
// Its issuer key is gone: it lay too long.
const NO_TOKEN: ReadonlySet<FaultCode> = new Set(["token/invalid", "token/unknown-key"]);
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
  if (error.code === "token/spent") return "answered before";
  if (error.code === "group/proposals") return "proposals";
  if (REFUSED.has(error.code)) return error;
  throw error;
}
