// Who takes a token: the house's own redeemer, that of other issuers, or for a registration the gate that takes work.
import { Fault } from "../fault.ts";
import type { ArenaPool } from "../memory/arena.ts";
import { type Budget, requireBudget } from "../services/budget.ts";
import { LockedKey } from "../memory/locked-key.ts";
import type { Store, View } from "../store/store.ts";
import { dayOf } from "../../tokens/epochs.ts";
import type { TokenClass } from "../../tokens/classes.ts";
import type { IssuerKeys } from "../../tokens/keys.ts";
import { ExternalRedeemer } from "../../tokens/external.ts";
import type { Reservation, SpentSet } from "../../tokens/holds.ts";
import { Redeemer } from "../../tokens/redeemer.ts";
import { parseToken, tokenOfSlot } from "../../tokens/token.ts";
import { WorkGate } from "../../tokens/work-gate.ts";
import { WORK_TYPE } from "../../tokens/work.ts";
import type { Identity } from "./identity.ts";
import type { TokenPolicy } from "./policy.ts";

/** A reservation that says where it is recorded, and is told when it was spent for good. */
export type Held = Reservation & {
  readonly room: "spent" | "foreignSpent" | "work";
  readonly budget?: Budget;
  readonly spent?: () => void;
};

export interface Spending {
  /** Undefined unless the house takes work. */
  readonly work: WorkGate | undefined;
  /** Undefined unless the house takes tokens of other issuers. */
  readonly external: ExternalRedeemer | undefined;
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
  const reading = async <T>(look: (view: View) => Promise<T>): Promise<T> => {
    const arena = arenas.arena();
    try {
      return await store.read(arena, look);
    } finally {
      arena.close();
    }
  };
  const spentIn = (room: Held["room"]): SpentSet => ({
    // 16 bytes that say nothing without the token: ordinary memory.
    lookup: (partition, name) =>
      reading(async (view) => {
        const record = await view.get(room, name, { partition });
        return record === undefined ? undefined : Buffer.from(record);
      }),
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
  const { externalIssuers: issuers } = policy;
  const external =
    issuers.length === 0
      ? undefined
      : new ExternalRedeemer({ issuers, origin: onion, spent: spentIn("foreignSpent"), secret, now: clock });

  const redeemExternal = async (
    redeemer: ExternalRedeemer,
    ...[token, requestId, tokenClass]: Parameters<ExternalRedeemer["reserve"]>
  ): Promise<Held> => {
    const reservation = await redeemer.reserve(token, requestId, tokenClass);
    try {
      const { onion: name, dailyBudget: limit } = issuers.find((one) => one.onion === reservation.issuer)!;
      const budget = { issuer: Buffer.from(name, "ascii"), day: dayOf(clock()), limit };
      if (reservation.state === "fresh") await reading((view) => requireBudget(view, budget));
      return Object.assign(reservation, { room: "foreignSpent", budget } as const);
    } catch (error) {
      reservation.release();
      throw error;
    }
  };

  return {
    work,
    external,
    destroy: () => secret.destroy(),
    async redeem(tokenClass, slot, requestId) {
      const isWork = slot[0] === WORK_TYPE >> 8 && slot[1] === (WORK_TYPE & 0xff);
      if (!isWork) {
        const token = tokenOfSlot(slot);
        // a key of the house's own stays its own, whoever else lists it
        const foreign = external !== undefined && keys.byKeyId(parseToken(token).keyId) === undefined;
        if (foreign) return redeemExternal(external, token, requestId, tokenClass);
        return Object.assign(await redeemer.reserve(token, requestId, tokenClass), { room: "spent" } as const);
      }
      if (work === undefined || tokenClass !== "invite") throw new Fault("token/invalid");
      const reservation = await work.reserve(slot, requestId, clock());
      return Object.assign(reservation, { room: "work", spent: () => work.registered(clock()) } as const);
    },
  };
}
