// Gives out the id of a group to be: chosen here, so that nobody can wait for an id or take one.
import { randomFill } from "../../crypto/random.ts";
import type { Handler } from "../ports.ts";
import { keep } from "./kept.ts";

const RESERVED = Buffer.alloc(0);

export const reserve: Handler<"ds.reserve"> = async (_, call) => {
  const groupId = randomFill(call.arena.take(16));
  keep(call, "groupReserved", groupId, RESERVED);
  return { groupId };
};
