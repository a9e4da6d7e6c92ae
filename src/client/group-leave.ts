// Leaving a group: one's own removal is proposed, and the next commit of somebody else takes it in.
import { Fault } from "../fault.ts";
import { ClientError } from "./errors.ts";
import { change } from "./group-commit.ts";
import { missedProposals } from "./group-health.ts";
import { deliver, flush } from "./group-outbox.ts";
import { endedGroup, healths, isLeaving } from "./group-record.ts";
import { draft, keep } from "./group-request.ts";
import type { HeldGroup } from "./groups.ts";
import { allOrNothing, type Parts } from "./parts.ts";

const ATTEMPTS = 4;

/**
 * Says what is still to be said, then asks to be removed; saved first. A group of one ends at once, and one that this
 * client has lost is only forgotten here.
 */
export async function leave(parts: Parts, held: HeldGroup): Promise<void> {
  const { mls, care } = held.state;
  if (mls === undefined) throw new ClientError("group/not-member");
  if (care.health === healths.stuck) return forget(parts, held);
  await keep(parts, held, { ...held.state, leaving: true });
  await goOnLeaving(parts, held);
}

/**
 * Ends the group here and has the house drop what still comes from it, which nobody but this client learns: the others go
 * on seeing a member.
 */
export async function block(parts: Parts, held: HeldGroup): Promise<void> {
  const { blocklist, events, inbox } = parts;
  const { groupId, mls } = held.state;
  const own = mls?.members().find(({ leafIndex }) => leafIndex === mls.ownLeaf);
  if (own === undefined) throw new ClientError("group/not-member");
  await blocklist.tell(inbox);
  await allOrNothing(parts, async () => {
    blocklist.add(inbox.tagOf(own.pseudonym));
    events.add("leftGroup", { groupId });
    await keep(parts, held, endedGroup(held.state), events.entry(), blocklist.entry());
  });
  await blocklist.tell(inbox);
}

/** Asks to be removed unless that waits already: a proposal ends with its epoch. */
export async function goOnLeaving(parts: Parts, held: HeldGroup): Promise<void> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    if (!held.state.leaving || held.state.mls === undefined) return;
    await flush(parts, held);
    const { groupId, mls } = held.state;
    if (mls === undefined || isLeaving(mls) || held.fullIn === mls.epoch) return;
    if (mls.members().length === 1) return end(parts, held);
    const { proposal } = await mls.leave();
    const request = { groupId, groupKey: await mls.groupKey(), leaf: mls.ownLeaf, proposal };
    await draft(parts, "ds.leave", request, (pending) => keep(parts, held, { ...held.state, pending }));
    const outcome = await deliver(parts, held).catch(async (error: unknown) => {
      // So many wait to be removed that no more can: after the next commit there is room.
      if (error instanceof Fault && error.code === "group/limit") {
        held.fullIn = mls.epoch;
        return "again" as const;
      }
      // The house wants it, too, and asked first.
      if (!(error instanceof Fault && error.code === "group/policy")) throw error;
      await missedProposals(parts, held);
      return "again" as const;
    });
    if (outcome !== "done") continue;
    if (held.state.mls?.epoch !== mls.epoch) continue;
    const taken = await held.state.mls.takeProposal(proposal);
    return keep(parts, held, { ...held.state, mls: taken });
  }
  throw new ClientError("group/contended");
}

// Nobody is there to take the removal in.
async function end(parts: Parts, held: HeldGroup): Promise<void> {
  await change(parts, held, { ends: true });
  await told(parts, held);
}

const forget = (parts: Parts, held: HeldGroup): Promise<void> => told(parts, held);

const told = (parts: Parts, held: HeldGroup): Promise<void> =>
  allOrNothing(parts, async () => {
    const { events } = parts;
    events.add("leftGroup", { groupId: held.state.groupId });
    await keep(parts, held, endedGroup(held.state), events.entry());
  });
