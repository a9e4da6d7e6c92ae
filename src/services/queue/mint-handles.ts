// Gives a queue's owner fresh handles, one for each group it will be in.
import { Fault } from "../../fault.ts";
import { operations } from "../../wire/operations.ts";
import type { Handler } from "../ports.ts";
import type { QueueHandles } from "./handle.ts";
import { ownedQueue } from "./owner.ts";

export const mintHandles =
  (handles: QueueHandles): Handler<"qs.mintHandles"> =>
  async ({ queueId, count }, call) => {
    await ownedQueue(call, queueId);
    if (count < 1 || count > operations["qs.mintHandles"].limits.handles) throw new Fault("queue/limit");
    return { handles: handles.mint(call.arena, queueId, count) };
  };
