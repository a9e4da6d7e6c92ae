// The keys of other issuers whose tokens the house takes: fetched each day, remembered since when they are known.
import { randomBytes } from "../crypto/random.ts";
import { Fault } from "../fault.ts";
import type { ArenaPool } from "../memory/arena.ts";
import type { Store } from "../store/store.ts";
import { bytes, decode, encode, list, struct, u32, u48, u8, type ValueOf } from "../wire/codec.ts";
import { EXTERNAL_KEY_EPOCHS, type ExternalKey, type ExternalRedeemer } from "../../tokens/external.ts";
import { epochOf } from "../../tokens/epochs.ts";
import { type ListedKey, parseIssuerDirectory } from "../../tokens/issuer-directory.ts";
import { samePublic } from "../../tokens/token.ts";
import type { AcceptedIssuer } from "./policy.ts";

/** Fetches an issuer's directory. It may take its time, must end when `signal` does, and rejects when it fails. */
export type FetchDirectory = (onion: string, signal: AbortSignal) => Promise<Uint8Array>;

const DAY = 86400;
/** Seconds until an issuer that could not be asked is asked again, and as many at random. */
const RETRY = 600;
const MAX_REMEMBERED = 24;
const PUBLIC_KEY_MAX = 400;

/** Room `externalIssuer`: one record an issuer, named by its onion host. */
export const externalIssuerRecord = struct({
  /** `listed` is 1 for keys that the newest directory has: only those are taken. */
  keys: list(struct({ publicKey: bytes(PUBLIC_KEY_MAX), notBefore: u48, firstSeen: u32, listed: u8 }), MAX_REMEMBERED),
});
type Remembered = ValueOf<typeof externalIssuerRecord>["keys"];

/**
 * What is to be remembered of an issuer that now lists `listed`. When a key was first seen is not forgotten as long as it
 * is listed, or could be taken if it were listed again: its spent tokens are filed under that epoch. Fault
 * `wire/malformed` when an issuer changes its keys too often to keep up with.
 */
export function remember(before: Remembered, listed: readonly ListedKey[], epoch: number): Remembered {
  const now = listed.map(({ publicKey, notBefore }) => {
    const known = before.find((key) => samePublic(key.publicKey, publicKey));
    return { publicKey, notBefore, firstSeen: known?.firstSeen ?? epoch, listed: 1 };
  });
  const gone = before
    .filter(({ publicKey }) => !listed.some((key) => samePublic(key.publicKey, publicKey)))
    .filter(({ firstSeen }) => epoch - firstSeen <= EXTERNAL_KEY_EPOCHS)
    .map((key) => ({ ...key, listed: 0 }));
  if (now.length + gone.length > MAX_REMEMBERED) throw new Fault("wire/malformed");
  return [...now, ...gone];
}

const listedOf = (keys: Remembered): ExternalKey[] => keys.filter(({ listed }) => listed === 1);

export interface ExternalDirectories {
  /**
   * Asks every issuer that is due at `now` (unix seconds), and resolves when that is over, whatever came of it. A call
   * during another asks nobody twice.
   */
  refresh(now: number): Promise<void>;
  /** Gives up what is under way. */
  stop(): Promise<void>;
}

export interface ExternalDirectoriesOptions {
  readonly issuers: readonly AcceptedIssuer[];
  readonly redeemer: Pick<ExternalRedeemer, "setKeys">;
  readonly fetchDirectory: FetchDirectory;
  readonly store: Store;
  readonly arenas: ArenaPool;
  /** Told when a directory could not be had; what is known of its issuer stays. */
  readonly failed: () => void;
}

/** Gives the redeemer the keys that are in the store. Nothing is asked before the first `refresh`. */
export async function openExternalDirectories(options: ExternalDirectoriesOptions): Promise<ExternalDirectories> {
  const { issuers, redeemer, fetchDirectory, store, arenas, failed } = options;
  const stopping = new AbortController();
  const { signal } = stopping;
  const stopped = new Promise<never>((_, reject) => {
    signal.addEventListener("abort", () => reject(new Fault("tor/closed")), { once: true });
  });
  stopped.catch(() => undefined);

  const update = async (onion: string, change: (before: Remembered) => Remembered): Promise<void> => {
    const arena = arenas.arena();
    const name = Buffer.from(onion, "ascii");
    try {
      const keys = await store.transact(arena, async (tx) => {
        await tx.lock("externalIssuer", name);
        const record = await tx.get("externalIssuer", name);
        const before = record === undefined ? [] : decode(externalIssuerRecord, record).keys;
        const after = change(before);
        if (after !== before)
          tx.put("externalIssuer", name, encode(externalIssuerRecord, { keys: after }, Buffer.alloc));
        // out of the arena: a public key is used for longer than this
        return after.map((key) => ({ ...key, publicKey: Buffer.from(key.publicKey) }));
      });
      redeemer.setKeys(onion, listedOf(keys));
    } finally {
      arena.close();
    }
  };

  const ask = async (issuer: AcceptedIssuer, now: number): Promise<number> => {
    try {
      const directory = await Promise.race([fetchDirectory(issuer.onion, signal), stopped]);
      const listed = parseIssuerDirectory(directory, issuer.class);
      await update(issuer.onion, (before) => remember(before, listed, epochOf(now)));
      return now + between(0.75 * DAY, 1.25 * DAY);
    } catch {
      if (!signal.aborted) failed();
      return now + between(RETRY, 2 * RETRY);
    }
  };

  for (const { onion } of issuers) await update(onion, (before) => before);
  const next = new Map<string, number>();
  const running = new Map<string, Promise<void>>();

  return {
    async refresh(now) {
      for (const issuer of issuers) {
        const { onion } = issuer;
        if (signal.aborted || running.has(onion) || now < (next.get(onion) ?? -Infinity)) continue;
        const asked = ask(issuer, now).then((again) => {
          next.set(onion, again);
          running.delete(onion);
        });
        running.set(onion, asked);
      }
      await Promise.all(running.values());
    },
    async stop() {
      stopping.abort();
      await Promise.all(running.values());
    },
  };
}

// When houses ask must not show who has which issuers.
const between = (from: number, to: number): number => from + ((to - from) * randomBytes(4).readUInt32BE(0)) / 2 ** 32;
