// Passes a member's application message on: to all other members, or to one of them.
import { Fault } from "../../fault.ts";
import { equal } from "../../memory/locked.ts";
import { readHandshakeOrPrivate } from "../../mls/messages.ts";
import type { PublicGroup } from "../../mls/public-group.ts";
import type { Handler } from "../ports.ts";
import { delivery, type Delivering } from "./fan-out.ts";
import { inEpoch } from "./in-epoch.ts";

/** Faults `group/unavailable`, `auth/signature`, `group/epoch`, `group/invalid`, `group/limit`. */
export const send =
  (service: Delivering): Handler<"ds.send"> =>
  (request, call) =>
    inEpoch(service, call, request, (group) => {
      check(request.message, group);
      const others: Uint8Array[] = [];
      for (const [leaf, handle] of group.handles()) if (leaf !== request.leaf) others.push(handle);
      return { deliveries: [delivery(call, "application", request.message, others)] };
    });

/**
 * To one member only; the others will find a generation missing, which their ratchets allow for. Faults as of `send`, and
 * `group/invalid` for a recipient that is not there.
 */
export const sendTo =
  (service: Delivering): Handler<"ds.sendTo"> =>
  (request, call) =>
    inEpoch(service, call, request, (group) => {
      check(request.message, group);
      const recipient = group.leaf(request.recipient);
      if (recipient === undefined || request.recipient === request.leaf) throw new Fault("group/invalid");
      return { deliveries: [delivery(call, "application", request.message, [recipient.handle])], forFew: true };
    });

// All that can be seen of a PrivateMessage (RFC 9420 section 6.3). Who wrote it is inside.
function check(bytes: Uint8Array, group: PublicGroup): void {
  const message = readHandshakeOrPrivate(bytes);
  if (message.wireformat !== "mls_private_message") throw new Fault("group/invalid");
  const { groupId, epoch, contentType, authenticatedData } = message.privateMessage;
  if (!equal(groupId, group.groupId)) throw new Fault("group/invalid");
  if (Number(epoch) !== group.epoch) throw new Fault("group/epoch");
  if (contentType !== "application" || authenticatedData.length > 0) throw new Fault("group/invalid");
}
