// Who takes a token: the house's own redeemer, or for a registration the gate that takes work instead.
import { Fault } from "../fault.ts";
import type { ArenaPool } from "../memory/arena.ts";
import { LockedKey } from "../memory/locked-key.ts";
import type { Store } from "../store/store.ts";
import type { TokenClass } from "../../tokens/classes.ts";
import type { IssuerKeys } from "../../tokens/keys.ts";
import type { Reservation, SpentSet } from "../../tokens/holds.ts";
import { Redeemer } from "../../tokens/redeemer.ts";
import { tokenOfSlot } from "../../tokens/token.ts";
import { WorkGate } from "../../tokens/work-gate.ts";
import { WORK_TYPE } from "../../tokens/work.ts";
import type { Identity } from "./identity.ts";
import type { TokenPolicy } from "./policy.ts";

/** A reservation that says where it is recorded, and is told when it was spent for good. */
export type Held = Reservation & { readonly room: "spent" | "work"; readonly spent?: () => void };

export interface Spending {
  /** Undefined unless the house takes work. */
  readonly work: WorkGate | undefined;
  /** Wipes what this made of the identity. */
  destroy(): void;
  /** `slot`: a token or a solution followed by zeros, 354 bytes. */
  redeem(tokenClass: TokenClass, slot: Uint8Array, requestId: Uint8Array): Promise<Held>;
}

const WORK_QUEUE = 16;

export function makeSpending(deps: {
  store: Store;
  arenas: ArenaPool;
  keys: IssuerKeys;
  identity: Identity;
  onion: string;
  clock: () => number;
  policy: TokenPolicy;
}): Spending {
  const { store, arenas, keys, identity, onion, clock, policy } = deps;
  const spentIn = (room: "spent" | "work"): SpentSet => ({
    // 16 bytes that say nothing without the token: ordinary memory.
    async lookup(partition, name) {
      const arena = arenas.arena();
      try {
        const record = await store.read(arena, (view) => view.get(room, name, { partition }));
        return record === undefined ? undefined : Buffer.from(record);
      } finally {
        arena.close();
      }
    },
  });
  // Locked, but not guarded: it is opened for every token (tokens/redeemer.ts says what it is worth).
  const secret = identity.spentKey.use((key) => new LockedKey(key.length, (memory) => memory.set(key)));
  const redeemer = new Redeemer({ keys, origin: onion, spent: spentIn("spent"), secret, now: clock });
  const work =
    policy.registration === "proof_of_work"
      ? new WorkGate({
          ...policy.work,
          effort: policy.work.minEffort,
          queue: WORK_QUEUE,
          secret: identity.spentKey,
          spent: spentIn("work"),
          now: clock(),
        })
      : undefined;

  return {
    work,
    destroy: () => secret.destroy(),
    async redeem(tokenClass, slot, requestId) {
      const isWork = slot[0] === WORK_TYPE >> 8 && slot[1] === (WORK_TYPE & 0xff);
      if (!isWork) {
        return Object.assign(await redeemer.reserve(tokenOfSlot(slot), requestId, tokenClass), {
          room: "spent",
        } as const);
      }
      if (work === undefined || tokenClass !== "invite") throw new Fault("token/invalid");
      const reservation = await work.reserve(slot, requestId, clock());
      return Object.assign(reservation, { room: "work", spent: () => work.registered(clock()) } as const);
    },
  };
}
