import assert from "node:assert/strict";
import { BLIND_RSA, VOPRF } from "../../tokens/types.ts";
import { startTestHouse, type TestHouse } from "../house.ts";
import { befriend, settled, texts } from "./people.ts";

describe("client/wallet", function () {
  this.timeout(60_000);
  let house: TestHouse;
  afterEach(async () => {
    assert.equal(house.arenas.open, 0);
    await house.stop();
  });

  it("draws and spends the house's own currency where it issues both types of token", async () => {
    house = await startTestHouse({ policy: { types: [VOPRF, BLIND_RSA] } });
    const types = house.serving.house.challenge("deliver").match(/PrivateToken/g);
    assert.equal(types?.length, 2);
    const [alice, bob] = [await settled(house, "alice"), await settled(house, "bob")];
    await befriend(alice, bob);
    await alice.group.send("hello");
    assert.deepEqual(texts(await bob.sync()), ["alice: hello"]);
    await alice.stop();
    await bob.stop();
  });
});
