// How many tokens of another issuer are taken in a day: counted in the batch that spends them.
import { Fault } from "../fault.ts";
import type { Arena } from "../memory/arena.ts";
import type { Transaction, View } from "../store/store.ts";
import { decode, encode, struct, u32 } from "../wire/codec.ts";

/** What a token is counted against. */
export interface Budget {
  /** The issuer's onion host in ASCII: its name in the room `budget`. */
  readonly issuer: Uint8Array;
  /** Unix day: the partition. */
  readonly day: number;
  /** Tokens a day. */
  readonly limit: number;
}

export const budgetRecord = struct({ count: u32 });

async function counted(view: Pick<View, "get">, { issuer, day }: Budget): Promise<number> {
  const record = await view.get("budget", issuer, { partition: day });
  return record === undefined ? 0 : decode(budgetRecord, record).count;
}

/** Fault `token/budget` when nothing is left. A look, no promise: requests that are under way are not counted. */
export async function requireBudget(view: Pick<View, "get">, budget: Budget): Promise<void> {
  if ((await counted(view, budget)) >= budget.limit) throw new Fault("token/budget");
}

/** Counts one token against each budget given. Fault `token/budget` when one is used up; nothing is then to be written. */
export async function charge(tx: Transaction, arena: Arena, budgets: readonly Budget[]): Promise<void> {
  if (budgets.length === 0) return;
  await tx.lock("budget", ...budgets.map(({ issuer }) => issuer));
  for (const budget of budgets) {
    const count = (await counted(tx, budget)) + 1;
    if (count > budget.limit) throw new Fault("token/budget");
    const record = encode(budgetRecord, { count }, (size) => arena.take(size));
    tx.put("budget", budget.issuer, record, { partition: budget.day });
  }
}
