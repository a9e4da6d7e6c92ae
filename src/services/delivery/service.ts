// The delivery service: knows a group only while one of its members asks, by the key that member brings.
import type { DeliveryHandlers } from "../ports.ts";
import { commit } from "./commit.ts";
import { create } from "./create.ts";
import { end } from "./end.ts";
import { join, resync } from "./external.ts";
import type { Delivering } from "./fan-out.ts";
import { joinInfo, welcomeInfo } from "./info.ts";
import { recover } from "./ladder.ts";
import { leave, updateHandle } from "./leave.ts";
import { reserve } from "./reserve.ts";
import { reset } from "./reset.ts";
import { send, sendTo } from "./send.ts";

export function makeDeliveryService(service: Delivering): DeliveryHandlers {
  return {
    "ds.reserve": reserve,
    "ds.create": create(service),
    "ds.commit": commit(service),
    "ds.commitLarge": commit(service),
    "ds.send": send(service),
    "ds.sendTo": sendTo(service),
    "ds.leave": leave(service),
    "ds.welcomeInfo": welcomeInfo,
    "ds.joinInfo": joinInfo,
    "ds.resync": resync(service),
    "ds.join": join(service),
    "ds.updateHandle": updateHandle(service),
    "ds.delete": end(service),
    "ds.reset": reset(service),
    "ds.recover": recover,
  };
}
