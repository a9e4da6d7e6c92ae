// Undoes commits that the others cannot follow, once more than half of them say so.
import { Fault } from "../../fault.ts";
import { encode } from "../../wire/codec.ts";
import { resetNotice } from "../../wire/documents.ts";
import type { Handler } from "../ports.ts";
import { delivery, type Delivering } from "./fan-out.ts";
import { authenticate, openEpoch, saveGroup } from "./group-state.ts";
import { drop, find, keep } from "./kept.ts";
import { forgetStep } from "./ladder.ts";
import { countOf, holds, include } from "./leaf-set.ts";
import { announce, propose, type Made } from "./removals.ts";
import { runFrom, saveVotes } from "./run.ts";
import { epochName } from "./state-record.ts";
import { countUse } from "./use.ts";

/**
 * A vote, with the key of the epoch before the commits in question. Faults `group/unavailable` where nothing can be undone
 * (they are confirmed, or removed somebody), `auth/signature`, `group/policy` for who has no vote.
 */
export const reset =
  (service: Delivering): Handler<"ds.reset"> =>
  async ({ groupId, groupKey, leaf }, call) => {
    const keys = { groupId, groupKey };
    await call.tx.lock("group", groupId);
    const { run, removed, votes, kept } = await runFrom(call, keys);
    const opened = await openEpoch(call, keys);
    const { group, record } = opened;
    const made: Made = [];
    try {
      const member = authenticate(call, group, leaf);
      if (!holds(votes.voters, leaf)) throw new Fault("group/policy");
      await countUse(call, groupId, member.pseudonym);
      include(votes.votes, leaf);
      if (2 * countOf(votes.votes) <= countOf(votes.voters)) {
        saveVotes(call, keys, votes, kept);
        return { done: 0 };
      }
      const current = await find(call, "group", groupId);
      if (current === undefined) throw new Fault("group/unavailable");
      const notice = { groupId, epoch: group.epoch };
      const message = encode(resetNotice, notice, (size) => call.arena.take(size));
      const members = Array.from(group.handles(), ([, handle]) => handle);
      // Whom the run removed is a member again, whose removal waits: no vote undoes one.
      const changed = propose(service, group, removed, made);
      await service.queue.enqueue(call, [delivery(call, "reset", message, members), ...announce(call, changed)]);
      const name = epochName(call, keys);
      drop(call, "groupRun", groupId, run);
      drop(call, "groupVote", name, kept);
      drop(call, "groupEpoch", name, opened.kept);
      await forgetStep(call, keys);
      if (changed.group === group) keep(call, "group", groupId, record.sealAgain(), current);
      else saveGroup(call, keys, changed.group, record, current);
      return { done: 1 };
    } finally {
      for (const one of made) one.wipe();
      group.wipe();
    }
  };
