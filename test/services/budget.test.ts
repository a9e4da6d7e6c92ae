import assert from "node:assert/strict";
import { charge, requireBudget, type Budget } from "../../src/services/budget.ts";
import { MemoryDriver, storeOver, withArena } from "../store/harness.ts";

const budget = (issuer: string, limit: number, day = 20_000): Budget => ({ issuer: Buffer.from(issuer), day, limit });

describe("services/budget", () => {
  it("counts to its limit and no further, however many ask at once", async () => {
    const store = storeOver(new MemoryDriver());
    const take = (...budgets: Budget[]): Promise<string> =>
      withArena((arena) =>
        store
          .transact(arena, (tx) => charge(tx, arena, budgets))
          .then(
            () => "ok",
            (error: Error) => error.message,
          ),
      );
    const codes = await Promise.all(Array.from({ length: 9 }, () => take(budget("a", 5))));
    assert.equal(codes.filter((code) => code === "ok").length, 5);
    assert.equal(codes.filter((code) => code === "token/budget").length, 4);
    assert.equal(await take(budget("a", 5, 20_001)), "ok");
    // another's is untouched by a request that one of its issuers has nothing left for
    assert.equal(await take(budget("b", 2), budget("a", 5)), "token/budget");
    assert.equal(await take(budget("b", 2), budget("c", 2), budget("b", 2)), "ok");
    assert.equal(await take(budget("b", 2)), "token/budget");
    assert.equal(await take(budget("c", 2)), "ok");
    const look = (one: Budget) => withArena((arena) => store.read(arena, (view) => requireBudget(view, one)));
    await assert.rejects(look(budget("c", 2)), { code: "token/budget" });
    await look(budget("c", 3)); // the limit is the configuration's of today
    await look(budget("d", 1));
  });

  it("never waits for another request in a circle", async () => {
    const store = storeOver(new MemoryDriver());
    const both = [budget("a", 100), budget("b", 100)];
    const take = (budgets: Budget[]) => withArena((arena) => store.transact(arena, (tx) => charge(tx, arena, budgets)));
    await Promise.all(Array.from({ length: 40 }, (_, i) => take(i % 2 === 0 ? both : both.toReversed())));
  });
});
