// The issuer's keys in the store: made durable before they are used, gone when their window is over.
import { Fault } from "../fault.ts";
import { randomBelow } from "../crypto/random.ts";
import { type AuthToIssuer } from "../services/ports.ts";
import type { ArenaPool } from "../memory/arena.ts";
import type { Store } from "../store/store.ts";
import { allTokenClasses, tokenClasses, type TokenClass } from "../../tokens/classes.ts";
import { epochOf } from "../../tokens/epochs.ts";
import { identifyBatch, issueBatch } from "../../tokens/issuer.ts";
import { exportIssuerKey, importIssuerKey, IssuerKeys, keyRecordLength, type IssuerKey } from "../../tokens/keys.ts";
import { allTokenTypes, type TokenType } from "../../tokens/types.ts";
import type { TokenPolicy } from "./policy.ts";

// Room `issuerKey`, one record a class, type and epoch.
const nameOf = (tokenClass: TokenClass, type: TokenType, epoch: number): Buffer => {
  const name = Buffer.alloc(7);
  name.writeUInt8(tokenClasses[tokenClass]);
  name.writeUInt16BE(type, 1);
  name.writeUInt32BE(epoch, 3);
  return name;
};
const nameOfKey = (key: IssuerKey): Buffer => nameOf(key.class, key.type, key.epoch);

/** Seconds before an epoch in which its keys are made: a moment of this house's own between an hour and a day. */
const AHEAD_LEAST = 3600;
const AHEAD_MOST = 86400;

/** Epochs back in which secrets may lie that a house forgot while it was off: two years. */
const LOOK_BACK = 24;

/**
 * The keys of this epoch, of the one before, and of the next where a clock was ahead once: a key must never be made
 * twice. The secrets of older epochs are deleted.
 */
export async function loadIssuerKeys(
  store: Store,
  arenas: ArenaPool,
  now: number,
  types: readonly TokenType[],
): Promise<IssuerKeys> {
  const keys = new IssuerKeys(types, AHEAD_LEAST + randomBelow(AHEAD_MOST - AHEAD_LEAST));
  const arena = arenas.arena();
  const current = epochOf(now);
  try {
    await store.transact(arena, async (tx) => {
      for (const tokenClass of allTokenClasses) {
        for (const type of allTokenTypes) {
          for (let epoch = Math.max(0, current - LOOK_BACK); epoch <= current + 1; epoch++) {
            const record = await tx.get("issuerKey", nameOf(tokenClass, type, epoch));
            if (record === undefined) continue;
            if (epoch < current - 1) tx.delete("issuerKey", nameOf(tokenClass, type, epoch));
            else if (epoch <= current) keys.add(importIssuerKey(record));
            else addIfFree(keys, importIssuerKey(record));
          }
        }
      }
    });
    return keys;
  } finally {
    arena.close();
  }
}

/** False for a key of which the set has another with the same last byte: not ours to use while that one lives. */
function addIfFree(keys: IssuerKeys, key: IssuerKey): boolean {
  const free = !keys.all.some((other) => other.type === key.type && other.truncatedKeyId === key.truncatedKeyId);
  if (free) keys.add(key);
  else key.secret.destroy();
  return free;
}

/**
 * Makes what the epoch of `now` lacks and drops what is over, durably. True when the set has changed. A key that lies in
 * the store already, from a clock that was further ahead, is taken as it is.
 */
export async function rotateIssuerKeys(
  keys: IssuerKeys,
  store: Store,
  arenas: ArenaPool,
  now: number,
): Promise<boolean> {
  let changed = false;
  let found = false;
  const rotation = keys.rotate(now, async (created, expired) => {
    const arena = arenas.arena();
    try {
      await store.transact(arena, async (tx) => {
        for (const key of created) {
          const record = await tx.get("issuerKey", nameOfKey(key));
          if (record !== undefined && addIfFree(keys, importIssuerKey(record))) found = true;
          else tx.put("issuerKey", nameOfKey(key), exportIssuerKey(arena.take(keyRecordLength(key)), key));
        }
        if (found) throw new Fault("store/exists");
        for (const key of expired) tx.delete("issuerKey", nameOfKey(key));
      });
      changed = true;
    } finally {
      arena.close();
    }
  });
  try {
    await rotation;
  } catch (error) {
    if (!found) throw error;
    // once more, with what was found: only what is still lacking is made
    await rotateIssuerKeys(keys, store, arenas, now);
    changed = true;
  }
  return changed;
}

/** The issuer as the authentication service sees it. */
export function issuerPort(keys: IssuerKeys, policy: TokenPolicy): AuthToIssuer {
  const { maxBatch } = policy;
  const maxInvitations = policy.registration === "closed" ? 0 : policy.invitationsPerEpoch;
  return {
    identify(tokenRequest, now) {
      const { key } = identifyBatch(keys, tokenRequest, { maxBatch, maxInvitations, now });
      return { epoch: key.epoch, keyId: key.keyId };
    },
    liveKeys: () => keys.all.map(({ epoch, keyId }) => ({ epoch, keyId })),
    issue: (tokenRequest, now, allocate) => issueBatch(keys, tokenRequest, { maxBatch, maxInvitations, now, allocate }),
  };
}
