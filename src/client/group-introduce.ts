// Introductions that got lost, or were never made: whoever speaks without one is asked for it, and tells.
import { groupMessageKinds } from "../wire/documents.ts";
import { introductionMessages } from "./group-pending.ts";
import { introductionOf, type GroupState } from "./group-record.ts";
import type { HeldGroup } from "./groups.ts";

/** Times for each leaf while this process runs, as a queue may lose them: nobody is made to spend more. */
const TIMES = 3;

function again(times: Map<string, number>, leafKey: Uint8Array): boolean {
  const name = Buffer.from(leafKey).toString("hex");
  const before = times.get(name) ?? 0;
  times.set(name, before + 1);
  return before < TIMES;
}

/** The group with a question to who has the leaf key, unless it is known who that is. */
export function asking({ asked }: HeldGroup, state: GroupState, leafKey: Uint8Array): GroupState {
  if (introductionOf(state, leafKey) !== undefined || !again(asked, leafKey)) return state;
  const question = { kind: groupMessageKinds.whoAreYou, body: Buffer.alloc(0), to: Buffer.from(leafKey) };
  return { ...state, outgoing: [...state.outgoing, question] };
}

/** The group with the answer to such a question. */
export function telling({ told }: HeldGroup, state: GroupState, leafKey: Uint8Array): GroupState {
  const own = state.mls?.members().find(({ leafIndex }) => leafIndex === state.mls?.ownLeaf);
  const introduction = own && introductionOf(state, own.signaturePublicKey);
  if (introduction === undefined || !again(told, leafKey)) return state;
  return { ...state, outgoing: [...state.outgoing, ...introductionMessages([introduction], Buffer.from(leafKey))] };
}
