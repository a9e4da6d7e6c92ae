import assert from "node:assert/strict";
import { Fault } from "../../src/fault.ts";
import { admit } from "../../src/http/gate.ts";
import { ArenaPool } from "../../src/memory/arena.ts";
import { TOKEN_SLOT_LENGTH } from "../../src/wire/frame.ts";
import { operations, type OperationName } from "../../src/wire/operations.ts";
import { takesFives } from "./listening.ts";

describe("http/gate", () => {
  const pool = new ArenaPool([[1024, 2]]);
  const requestId = Buffer.alloc(16);
  const none = Buffer.alloc(TOKEN_SLOT_LENGTH);
  const some = Buffer.alloc(TOKEN_SLOT_LENGTH, 5);
  const ask = async (operation: OperationName, token: Buffer, log: string[] = [], redeem = takesFives(log)) => {
    const arena = pool.arena();
    try {
      return await admit({ operation, token, requestId, authorization: undefined }, redeem, arena);
    } finally {
      arena.close();
    }
  };

  for (const operation of Object.keys(operations) as OperationName[]) {
    it(`${operation}: asks for its token and for no other`, async () => {
      const wanted = operations[operation].token;
      if (wanted === "none") {
        assert.equal(await ask(operation, none), undefined);
        await assert.rejects(ask(operation, some), { code: "wire/malformed" });
        return;
      }
      await assert.rejects(ask(operation, none), { code: "token/required" });
      assert.equal((await ask(operation, some))?.class, wanted);
      const log: string[] = [];
      const other = wanted === "create" ? "connect" : "create";
      const wrong = takesFives(log);
      await assert.rejects(
        ask(operation, some, log, async (_, ...rest) => wrong(other, ...rest)),
        { code: "token/invalid" },
      );
      assert.deepEqual(log, ["redeem", "release"], "a token of another class is given back");
      await assert.rejects(
        ask(operation, some, [], () => Promise.reject(new Fault("token/spent"))),
        { code: "token/spent" },
      );
    });
  }
});
