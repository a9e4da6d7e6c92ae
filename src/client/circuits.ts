// Circuit labels: one for each thing the server must not be able to connect with another.
import { randomBytes } from "../crypto/random.ts";

export const DIRECTORY = "directory";
export const ACCOUNT = "account";
export const QUEUE = "queue";
export const ISSUANCE = "issuance";

/** A label never used before: for one anonymous redemption, or for one group while this process runs. */
export const freshCircuit = (purpose: "discover" | "connect" | "claim" | "reserve" | "group" | "alias"): string =>
  `${purpose}:${randomBytes(8).toString("hex")}`;
