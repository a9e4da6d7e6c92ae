// The issuer's keys in the store: made durable before they are used, gone when their window is over.
import { type AuthToIssuer } from "../services/ports.ts";
import type { ArenaPool } from "../memory/arena.ts";
import type { Store } from "../store/store.ts";
import { allTokenClasses, tokenClasses } from "../../tokens/classes.ts";
import { epochOf } from "../../tokens/epochs.ts";
import { identifyBatch, issueBatch } from "../../tokens/issuer.ts";
import { exportIssuerKey, importIssuerKey, IssuerKeys, KEY_RECORD_LENGTH } from "../../tokens/keys.ts";

// Room `issuerKey`, one record a class and epoch.
const nameOf = (tokenClass: number, epoch: number): Buffer => {
  const name = Buffer.alloc(5);
  name.writeUInt8(tokenClass);
  name.writeUInt32BE(epoch, 1);
  return name;
};

/** The keys that may still be accepted at `now`: those of this epoch and the one before. */
export async function loadIssuerKeys(store: Store, arenas: ArenaPool, now: number): Promise<IssuerKeys> {
  const keys = new IssuerKeys();
  const arena = arenas.arena();
  try {
    for (const tokenClass of allTokenClasses) {
      for (const epoch of [epochOf(now) - 1, epochOf(now)]) {
        const record = await store.read(arena, (view) =>
          view.get("issuerKey", nameOf(tokenClasses[tokenClass], epoch)),
        );
        if (record !== undefined) keys.add(importIssuerKey(record));
      }
    }
    return keys;
  } finally {
    arena.close();
  }
}

/** Makes what the epoch of `now` lacks and drops what is over, durably. True when the set has changed. */
export async function rotateIssuerKeys(
  keys: IssuerKeys,
  store: Store,
  arenas: ArenaPool,
  now: number,
): Promise<boolean> {
  let changed = false;
  await keys.rotate(now, async (created, expired) => {
    changed = true;
    const arena = arenas.arena();
    try {
      await store.transact(arena, async (tx) => {
        for (const key of created) {
          const record = exportIssuerKey(arena.take(KEY_RECORD_LENGTH), key);
          tx.put("issuerKey", nameOf(tokenClasses[key.class], key.epoch), record);
        }
        for (const key of expired) tx.delete("issuerKey", nameOf(tokenClasses[key.class], key.epoch));
      });
    } finally {
      arena.close();
    }
  });
  return changed;
}

/** The issuer as the authentication service sees it; `maxBatch` tokens at most in one batch. */
export function issuerPort(keys: IssuerKeys, maxBatch: number): AuthToIssuer {
  return {
    identify(tokenRequest, now) {
      const { key } = identifyBatch(keys, tokenRequest, { maxBatch, now });
      return { class: key.class, epoch: key.epoch, keyId: key.keyId };
    },
    issue: (tokenRequest, now, allocate) => issueBatch(keys, tokenRequest, { maxBatch, now, allocate }),
  };
}
