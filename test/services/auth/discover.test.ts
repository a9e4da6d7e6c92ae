// That an answer for a name nobody has is worked out like any other: the same steps, the same time.
import assert from "node:assert/strict";
import { discover } from "../../../src/services/auth/discover.ts";
import { loadName } from "../../../src/services/auth/names.ts";
import type { Call, Handler } from "../../../src/services/ports.ts";
import { openArenas, Services } from "../services.ts";
import { TestUser } from "./test-user.ts";

type Discover = Handler<"as.discover">;

/** The mistake: an answer as soon as it is clear that there is nobody. */
const hasty: Discover = async (request, call) => {
  if ((await loadName(call, request.name)) !== undefined) return discover(request, call);
  const nothing = Buffer.alloc(0);
  return { found: 0, credential: nothing, clientList: nothing, connectionPackage: nothing };
};

describe("services/auth/discover", () => {
  let services: Services;
  beforeEach(async () => {
    services = await Services.open();
    for (const name of ["alice", "bobby", "carol"]) {
      const user = await TestUser.register(services, name);
      await user.put(
        Array.from({ length: 64 }, () => user.package()),
        user.package(1),
      );
    }
  });
  afterEach(async () => {
    await services.close();
    assert.equal(openArenas(), 0);
  });

  /** What the store is asked for, with which rooms and how much memory is taken. */
  const traceOf = (handler: Discover, name: string): Promise<string[]> => {
    const steps: string[] = [];
    return services.call(async (call) => {
      const noted = new Proxy(call.tx, {
        get(tx, method) {
          const found: unknown = Reflect.get(tx, method);
          if (typeof found !== "function") return found;
          return (...of: unknown[]): unknown => {
            const write = method === "delete" || method === "deleteRange";
            steps.push(write ? "delete" : `${String(method)} ${String(of[0])}`);
            return Reflect.apply(found, tx, of);
          };
        },
      });
      const own: Call = { ...call, tx: noted };
      await handler({ name: Buffer.from(name) }, own);
      return steps;
    });
  };

  it("takes the same steps whether the name exists or not", async () => {
    await traceOf(discover, "the first makes what stands in for the others");
    const [known, unknown] = [await traceOf(discover, "alice"), await traceOf(discover, "nobody")];
    assert.deepEqual(unknown, known);
    assert.deepEqual(known, ["lock name", "get name", "get name", "range connectionPackage", "delete", "delete"]);
    assert.notDeepEqual(await traceOf(hasty, "nobody"), await traceOf(hasty, "alice")); // control
  });

  /**
   * The share of pairs in which the known name took longer: a half when nobody can tell. The order of a pair changes, so
   * that what came before weighs on both.
   */
  const apart = async (handler: Discover): Promise<number> => {
    const time = (name: string): Promise<number> =>
      services.call(async (call) => {
        const begin = process.hrtime.bigint();
        await handler({ name: Buffer.from(name) }, call);
        return Number(process.hrtime.bigint() - begin);
      });
    const known = ["alice", "bobby", "carol"];
    let longer = 0;
    const pairs = 180;
    for (let i = -20; i < pairs; i++) {
      const names = [known[(i + 21) % 3]!, `nobody${i + 20}`] as const;
      const first = i % 2 === 0 ? 0 : 1;
      const taken = [0, 0];
      taken[first] = await time(names[first]);
      taken[1 - first] = await time(names[1 - first]!);
      if (i >= 0 && taken[0]! > taken[1]!) longer++;
    }
    return longer / pairs;
  };

  it("takes the same time: who measures it guesses little better than by chance", async function () {
    this.timeout(60_000);
    const [fair, unfair] = [await apart(discover), await apart(hasty)];
    assert.ok(unfair > 0.9, `the early answer shows in ${unfair} of the pairs`); // control
    assert.ok(Math.abs(fair - 0.5) < 0.3, `${fair} of the pairs`);
  });
});
