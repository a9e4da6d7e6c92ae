// Whether a group is in step: marked when something shows that it is not, told to the app, mended by group-recovery.ts.
import { Fault } from "../fault.ts";
import type { EventLog } from "./events.ts";
import { readEpoch } from "./group-info.ts";
import { healths, wellCare, type Care, type GroupState } from "./group-record.ts";
import { keep } from "./group-request.ts";
import type { HeldGroup } from "./groups.ts";
import type { Parts } from "./parts.ts";

/** Seconds within which a client that lost step asks for the way back, at a moment of its own. */
const SOON = 60;

/**
 * The group once this client has seen that it is out of step. Told once; a group that is stuck gets another chance. `back`:
 * the epoch in which the house says the group is again.
 */
export function diverged({ session, events }: Parts, state: GroupState, back?: number): GroupState {
  const { care } = state;
  if (care.health < healths.diverged) events.add("groupDiverged", { groupId: state.groupId });
  const at = care.health === healths.diverged ? care.at : session.clock() + session.delay(SOON);
  const health = healths.diverged;
  return { ...state, care: { ...care, health, tries: 0, at, ...(back !== undefined && { back: back + 1 }) } };
}

/** The group when this client may have missed something: it will look, without a word unless something is wrong. */
export function suspected({ session }: Parts, state: GroupState): GroupState {
  const { care, mls } = state;
  if (mls === undefined || care.health !== healths.good) return state;
  return { ...state, care: { ...wellCare, health: healths.suspect, at: session.clock() + session.delay(SOON) } };
}

/** The group when it is in step again. */
export function recovered(events: EventLog, before: Care, state: GroupState): GroupState {
  if (before.health >= healths.diverged) events.add("groupRecovered", { groupId: state.groupId });
  return { ...state, care: wellCare };
}

/** Marks and saves that this client is out of step. */
export async function lostStep(parts: Parts, held: HeldGroup): Promise<void> {
  const put = parts.events.snapshot();
  try {
    await keep(parts, held, diverged(parts, held.state), parts.events.entry());
  } catch (error) {
    put();
    throw error;
  }
}

/** The proposals of this epoch that never came. Those that do not hold are passed over: the house cannot see that. */
export async function withProposals(state: GroupState, proposals: readonly Uint8Array[]): Promise<GroupState> {
  let { mls } = state;
  for (const proposal of proposals) {
    try {
      mls = await mls?.takeProposal(proposal);
    } catch (error) {
      if (!(error instanceof Fault && error.code.startsWith("group/"))) throw error;
    }
  }
  return { ...state, mls };
}

/**
 * Fetches the proposals that the house holds and this client does not. Where one does not hold, which the house cannot see,
 * no member's commit is possible in this epoch.
 */
export async function missedProposals(parts: Parts, held: HeldGroup): Promise<void> {
  const { mls } = held.state;
  if (mls === undefined) return;
  const { proposals } = await readEpoch(parts, held, await mls.groupKey());
  const state = await withProposals(held.state, proposals);
  await keep(parts, held, state);
  if ((state.mls?.pending.length ?? 0) < proposals.length) held.blockedIn = mls.epoch;
}
