// Small changes of a member's own place in its group: it wants to go, or its queue is elsewhere.
import type { Handler } from "../ports.ts";
import { delivery, type Delivering } from "./fan-out.ts";
import { inEpoch } from "./in-epoch.ts";

/**
 * Takes a member's Remove of its own leaf (RFC 9420 section 12.1.3), which the next commit must carry. Faults
 * `group/unavailable`, `auth/signature`, `group/epoch`, `group/invalid`, `group/policy`, `group/limit`.
 */
export const leave =
  (service: Delivering): Handler<"ds.leave"> =>
  (request, call) =>
    inEpoch(service, call, request, (group, made) => {
      const { next } = group.validateLeave(request.proposal, request.leaf);
      made.push(next);
      const members = Array.from(next.handles(), ([, handle]) => handle);
      return { group: next, deliveries: [delivery(call, "proposal", request.proposal, members)] };
    });

/** What comes from now on goes there. Faults `group/unavailable`, `auth/signature`, `group/limit`. */
export const updateHandle =
  (service: Delivering): Handler<"ds.updateHandle"> =>
  (request, call) =>
    inEpoch(service, call, request, (group, made) => {
      const next = group.withHandle(request.leaf, request.handle);
      made.push(next);
      return { group: next };
    });
