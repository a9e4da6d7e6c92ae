// The queuing service: knows pseudonyms and their queues, nothing of accounts and groups.
import type { GuardedKey } from "../../memory/guarded-key.ts";
import { operations } from "../../wire/operations.ts";
import type { DeliveryToQueue, QueueHandlers } from "../ports.ts";
import { Bell } from "./bell.ts";
import { block } from "./block.ts";
import { claim } from "./claim.ts";
import { createQueue } from "./create-queue.ts";
import { deleteQueue } from "./delete-queue.ts";
import { enqueue } from "./enqueue.ts";
import { QueueHandles } from "./handle.ts";
import { mintHandles } from "./mint-handles.ts";
import { publish } from "./publish.ts";
import { read } from "./read.ts";
import { refresh } from "./refresh.ts";
import { revokeHandles } from "./revoke-handles.ts";
import { rotateFriendship } from "./rotate-friendship.ts";

/** `domain`: the onion service's public key, 32 bytes. `handleKey`: 32 bytes, kept as long as handles are to open. */
export function makeQueueService(deps: { domain: Uint8Array; handleKey: GuardedKey; bell?: Bell }): {
  handlers: QueueHandlers;
  enqueue: DeliveryToQueue["enqueue"];
} {
  const handles = new QueueHandles(deps.handleKey, deps.domain);
  const bell = deps.bell ?? new Bell(operations["qs.read"].limits.waitSeconds);
  return {
    handlers: {
      "qs.createQueue": createQueue,
      "qs.publish": publish,
      "qs.claim": claim,
      "qs.mintHandles": mintHandles(handles),
      "qs.read": read(bell),
      "qs.deleteQueue": deleteQueue(bell),
      "qs.rotateFriendship": rotateFriendship,
      "qs.refresh": refresh,
      "qs.block": block,
      "qs.revokeHandles": revokeHandles,
    },
    enqueue: enqueue(handles, bell),
  };
}
