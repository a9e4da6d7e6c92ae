// Profiles: sealed by their owners, found by a token that only contacts have.
import { derive } from "../../crypto/derive.ts";
import { Fault } from "../../fault.ts";
import { equal } from "../../memory/locked.ts";
import { PROFILE_LENGTHS } from "../../wire/documents.ts";
import { operations } from "../../wire/operations.ts";
import type { Handler } from "../ports.ts";
import { signedInAlone } from "./client.ts";
import { accountRecord, load, profileRecord, save, type Scope } from "./records.ts";
import { count } from "./uses.ts";

const { putsPerPeriod } = operations["as.putProfile"].limits;

// The token is random: no key is needed to hide it.
const nameOf = (call: Scope, token: Uint8Array): Buffer =>
  derive(call.arena.take(32), "profileToken", undefined, token);

/**
 * Puts the profile in the place of the one before; an empty one only takes that away. Faults `wire/malformed` (its length
 * is none of the few), `account/conflict` (the version has been there, or the token is somebody else's), `account/limit`.
 */
export const putProfile: Handler<"as.putProfile"> = async ({ userId, clientId, version, token, profile }, call) => {
  const { account } = await signedInAlone(call, { userId, clientId });
  if (profile.length > 0 && !PROFILE_LENGTHS.includes(profile.length)) throw new Fault("wire/malformed");
  const name = nameOf(call, token);
  const before = account.profile;
  const own = before.length > 0 && equal(before, name);
  await call.tx.lock("profile", name, ...(before.length > 0 ? [before] : []));
  const there = await load(call, "profile", profileRecord, name);
  if (version === account.profileVersion && version > 0) {
    const same =
      profile.length === 0 ? before.length === 0 : own && there !== undefined && equal(there.sealed, profile);
    if (!same) throw new Fault("account/conflict");
    return {};
  }
  if (version < account.profileVersion || (there !== undefined && !own)) throw new Fault("account/conflict");
  await count(call, userId, "profile", putsPerPeriod);
  if (before.length > 0 && (profile.length === 0 || !own)) call.tx.delete("profile", before);
  if (profile.length > 0) save(call, "profile", profileRecord, name, { sealed: profile });
  const kept = profile.length > 0 ? name : name.subarray(0, 0);
  save(call, "account", accountRecord, userId, { ...account, profile: kept, profileVersion: version });
  return {};
};

/** The profile behind a token; nothing where there is none. */
export const getProfile: Handler<"as.getProfile"> = async ({ token }, call) => {
  const found = await load(call, "profile", profileRecord, nameOf(call, token));
  return { profile: found?.sealed ?? call.arena.take(0) };
};
