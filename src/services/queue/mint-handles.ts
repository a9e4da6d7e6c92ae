// Gives a queue's owner fresh handles, one for each leaf it will have in a group.
import { Fault } from "../../fault.ts";
import type { Handler } from "../ports.ts";
import type { QueueHandles } from "./handle.ts";
import { ownedQueue } from "./owner.ts";

export const mintHandles =
  (handles: QueueHandles): Handler<"qs.mintHandles"> =>
  async ({ queueId, generation, tags }, call) => {
    const queue = await ownedQueue(call, queueId);
    if (tags.length === 0) throw new Fault("queue/limit");
    // Those of the next are handed out before the earlier ones are revoked.
    const ahead = generation - queue.handleGeneration;
    if (ahead < 0 || ahead > 1) throw new Fault("queue/limit");
    return { handles: handles.mint(call.arena, queueId, generation, tags) };
  };
