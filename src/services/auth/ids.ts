// Ids that nobody chooses: digests of the keys they stand for. Whoever knows the keys computes them, and no server is asked.
import { derive } from "../../crypto/derive.ts";
import type { Call } from "../ports.ts";

const ID_LENGTH = 16;

/** Of a user: stays over renaming and reset. */
export const userIdOf = (call: Call, domain: Uint8Array, firstClient: Uint8Array, firstRecovery: Uint8Array): Buffer =>
  derive(call.arena.take(ID_LENGTH), "userId", undefined, domain, firstClient, firstRecovery);

export const clientIdOf = (call: Call, userId: Uint8Array, clientKey: Uint8Array): Buffer =>
  derive(call.arena.take(ID_LENGTH), "clientId", undefined, userId, clientKey);
