// The way back into a group that this client lost: up the ladder of keys to the house's epoch, there a leaf anew; and where
// that epoch is of no use to anybody, a vote to undo it.
import { Fault } from "../fault.ts";
import type { ClientGroup } from "../mls/client.ts";
import type { PendingCommit } from "../mls/client-results.ts";
import { ClientError } from "./errors.ts";
import { lostStep, recovered, withProposals } from "./group-health.ts";
import { readEpoch, type EpochInfo } from "./group-info.ts";
import { deliver } from "./group-outbox.ts";
import { healths, type GroupState, type PastKey } from "./group-record.ts";
import { draft, keep, leafSigner, question } from "./group-request.ts";
import type { HeldGroup } from "./groups.ts";
import { allOrNothing, type Parts } from "./parts.ts";
import { catchUp } from "./read-queue.ts";

/** Attempts, and how long after each the next one is made. Seconds. */
const WAITS = [120, 600, 3600, 86_400, 86_400] as const;
/** After how many of those that only have to wait the time between them grows no more: a day. */
const WAITED_MAX = 3;
/** Epochs that one attempt goes up, each for a token. */
const STEPS = 32;
/** What an attempt in a group of few members takes. */
const TOKENS = 4;
/** Kinds of a ds.recover reply. */
const NEXT_KEY = 1;

/** What the house refuses is one thing; that it cannot be reached, or that there are no tokens, is another. */
const isRefusal = (error: unknown): boolean => error instanceof Fault && /^(?:group|wire|auth)\//.test(error.code);

async function unlessRefused<T>(work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (isRefusal(error)) return undefined;
    throw error;
  }
}

/** Makes the next attempt when it is due. The number of attempts is bounded, then the group is stuck. */
export async function recover(parts: Parts, held: HeldGroup): Promise<void> {
  const { session } = parts;
  if (!isDue(parts, held)) return;
  // What waits in the queue may be all that is missing.
  await catchUp(parts);
  const { mls, pending } = held.state;
  if (mls === undefined || !isDue(parts, held)) return;
  if (held.state.care.health === healths.suspect) {
    if (await isCurrent(parts, held, mls)) return settle(parts, held, held.state);
    await lostStep(parts, held);
  }
  const { care } = held.state;
  const seconds = WAITS[care.tries];
  if (seconds === undefined) return give(parts, held);
  // Counted before: an attempt that is broken off was one.
  const next = { ...care, tries: care.tries + 1, at: later(parts, seconds) };
  await keep(parts, held, { ...held.state, care: next });
  // What waits is answered first: it may be the resync that an earlier attempt sent, or a message of before.
  if (pending !== undefined && (await deliver(parts, held).catch(passing)) === "done") {
    if (held.state.care.health === healths.good) return;
  }
  const way = await wayBack(parts, held);
  if (way === "found") return;
  if (way === "waits") return wait(parts, held);
  const epoch = await vote(parts, held);
  if (epoch === undefined) return;
  if (epoch === held.state.mls?.epoch) return settle(parts, held, held.state);
  await keep(parts, held, { ...held.state, care: { ...held.state.care, back: epoch + 1, at: session.clock() } });
}

const later = ({ session }: Parts, seconds: number): number => session.clock() + seconds + session.delay(seconds);

// The house has a group of which nothing is wrong but that a newcomer made its epoch. No vote then: it may be sound; and no
// attempt that counts, as the next commit of a member known here opens the way.
async function wait(parts: Parts, held: HeldGroup): Promise<void> {
  const { care } = held.state;
  const waited = Math.min(care.waited + 1, WAITED_MAX);
  await keep(parts, held, { ...held.state, care: { ...care, tries: 0, waited, at: later(parts, WAITS[waited]!) } });
}

// Without tokens there is no attempt, and none that counts.
function isDue({ session, tokens }: Parts, { state: { care } }: HeldGroup): boolean {
  const lost = care.health === healths.suspect || care.health === healths.diverged;
  return lost && session.clock() >= care.at && tokens.count("deliver") >= TOKENS;
}

/** Whether the house's group is in the epoch that this client knows: one question, however large the group. */
async function isCurrent(parts: Parts, held: HeldGroup, mls: ClientGroup): Promise<boolean> {
  const request = { groupId: held.state.groupId, groupKey: await mls.groupKey(), offset: 0 };
  const epoch = await unlessRefused(() => question(parts, held, "ds.joinInfo", request, (reply) => reply.epoch));
  return epoch === mls.epoch;
}

function passing(error: unknown): "again" {
  if (isRefusal(error) || (error instanceof ClientError && error.code === "group/diverged")) return "again";
  throw error;
}

const give = (parts: Parts, held: HeldGroup): Promise<void> =>
  allOrNothing(parts, async () => {
    const { events } = parts;
    events.add("groupLost", { groupId: held.state.groupId });
    const care = { ...held.state.care, health: healths.stuck };
    await keep(parts, held, { ...held.state, care }, events.entry());
  });

const settle = (parts: Parts, held: HeldGroup, state: GroupState): Promise<void> =>
  allOrNothing(parts, async () => {
    const next = recovered(parts.events, held.state.care, state);
    await keep(parts, held, next, parts.events.entry());
  });

// From the newest key on; then from the one before, as the key of this epoch may not be the one that the house was given;
// from older ones only where the house said that it went back to them.
async function startsOf(mls: ClientGroup, { keys, care }: GroupState): Promise<PastKey[]> {
  const own = { epoch: mls.epoch, groupKey: await mls.groupKey(), leaf: mls.ownLeaf };
  return [own, ...keys.filter(({ epoch }, i) => i === 0 || (care.back > 0 && epoch + 1 >= care.back))];
}

/** `waits`: nothing is wrong with the house's group but that nobody known here made its epoch. */
type Way = "found" | "waits" | "none";

async function wayBack(parts: Parts, held: HeldGroup): Promise<Way> {
  const { mls } = held.state;
  if (mls === undefined) return "found";
  for (const start of await startsOf(mls, held.state)) {
    const reached = await climb(parts, held, mls, start);
    if (reached.epoch < mls.epoch && held.state.care.back === 0) continue;
    const info = await unlessRefused(() => readEpoch(parts, held, reached.groupKey));
    if (info === undefined) continue;
    if (reached.epoch === mls.epoch && start.epoch === mls.epoch) {
      await settle(parts, held, await withProposals(held.state, info.proposals));
      return "found";
    }
    const way = await resync(parts, held, mls, info, reached.groupKey);
    if (way !== "none") return way;
  }
  return "none";
}

async function climb(parts: Parts, held: HeldGroup, mls: ClientGroup, start: PastKey): Promise<PastKey> {
  const { groupId } = held.state;
  let { epoch, groupKey } = start;
  const { leaf } = start;
  for (let step = 0; step < STEPS; step++) {
    const next = await unlessRefused(async () => {
      const found = await question(parts, held, "ds.recover", { groupId, groupKey, leaf }, ({ kind, value }) => ({
        kind,
        value: Buffer.from(value),
      }));
      return found.kind === NEXT_KEY ? found.value : await mls.openRecovery(epoch, found.value);
    });
    if (next === undefined || next.length !== groupKey.length) break;
    groupKey = next;
    epoch++;
  }
  return { epoch, groupKey, leaf };
}

// `none`: the house's epoch is of no use, as nobody can come back into it.
async function resync(
  parts: Parts,
  held: HeldGroup,
  mls: ClientGroup,
  { groupInfo, tree, epoch }: EpochInfo,
  groupKey: Uint8Array,
): Promise<Way> {
  const { session } = parts;
  const afterReset = held.state.care.back > 0 && epoch + 1 >= held.state.care.back;
  const offer = { groupInfo, tree, now: session.clock(), afterReset };
  const made: PendingCommit | undefined = await unlessRefused(() => mls.resync(offer));
  if (made === undefined) return mls.isOfStranger(offer) ? "waits" : "none";
  const { commit, groupInfo: nextInfo, nextGroupKey, next } = made;
  const { groupId } = held.state;
  const request = { groupId, groupKey, nextGroupKey, leaf: mls.ownLeaf, commit, groupInfo: nextInfo };
  await draft(parts, "ds.resync", request, (pending) => keep(parts, held, { ...held.state, pending }), {
    next: next.serialize(),
  });
  const outcome = await unlessRefused(() => deliver(parts, held).catch(passing));
  if (outcome !== "done") return outcome === "again" ? "found" : "none";
  // The confirmation that the queue holds has told so already, unless the queue was full.
  if (held.state.care.health !== healths.good) await settle(parts, held, held.state);
  return "found";
}

/** Takes a leaf anew in the epoch of now, which ends with that, and with it what cannot be taken in. */
export async function renew(parts: Parts, held: HeldGroup, mls: ClientGroup): Promise<void> {
  const groupKey = await mls.groupKey();
  await resync(parts, held, mls, await readEpoch(parts, held, groupKey), groupKey);
}

/** Says that the commits after an epoch which this client knows are of no use. The epoch, when the group went back to it. */
async function vote(parts: Parts, held: HeldGroup): Promise<number | undefined> {
  const { groupId, mls, keys } = held.state;
  if (mls === undefined) return undefined;
  const own = { epoch: mls.epoch, groupKey: await mls.groupKey(), leaf: mls.ownLeaf };
  for (const { epoch, groupKey, leaf } of [own, ...keys.slice(0, 1)]) {
    const request = { groupId, groupKey, leaf };
    const done = await unlessRefused(() =>
      question(parts, held, "ds.reset", request, (reply) => reply.done, leafSigner(held)),
    );
    if (done !== undefined) return done === 1 ? epoch : undefined;
  }
  return undefined;
}
