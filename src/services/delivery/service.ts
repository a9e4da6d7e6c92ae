// The delivery service: knows a group only while one of its members asks, by the key that member brings.
import type { DeliveryHandlers, DeliveryToQueue } from "../ports.ts";
import { commit } from "./commit.ts";
import { create } from "./create.ts";
import { reserve } from "./reserve.ts";
import { send, sendTo } from "./send.ts";

export function makeDeliveryService({ queue }: { queue: DeliveryToQueue }): DeliveryHandlers {
  return {
    "ds.reserve": reserve,
    "ds.create": create,
    "ds.commit": commit(queue),
    "ds.send": send(queue),
    "ds.sendTo": sendTo(queue),
  };
}
