import assert from "node:assert/strict";
import { BLIND_RSA, VOPRF } from "../../tokens/types.ts";
import { startTestHouse, type TestHouse } from "../house.ts";
import { befriend, person, settled, texts } from "./people.ts";

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

  const nothing = { code: "client/no-invitations" };

  it("hands out the invitations of an epoch one by one, each once, and another registers with one", async () => {
    house = await startTestHouse({ policy: { registration: "invitation" } });
    const alice = await settled(house, "alice");
    const handed = [await alice.client.invite(), await alice.client.invite()];
    await alice.restart();
    for (let i = 0; i < 3; i++) handed.push(await alice.client.invite());
    await assert.rejects(alice.client.invite(), nothing);
    await alice.client.drawTokens();
    await assert.rejects(alice.client.invite(), nothing);
    assert.equal(new Set(handed).size, 5);
    for (const [i, invitation] of handed.entries()) {
      const guest = await person(house);
      await guest.client.register(invitation, `guest.${"abcde"[i]}`);
      if (i === 0) {
        // Somebody invited is like anybody else.
        await guest.client.drawTokens();
        assert.match(await guest.client.invite(), /^tacet-invite:/);
      }
      await guest.stop();
    }
    const late = await person(house);
    await assert.rejects(late.client.register(handed[0]!, "late"), { code: "token/spent" });
    await late.stop();
    await alice.stop();
  });

  it("draws as many invitations as the house allows, and none where the operator invites", async () => {
    house = await startTestHouse({ policy: { registration: "proof_of_work", invitationsPerEpoch: 2 } });
    const alice = await settled(house, "alice");
    for (let i = 0; i < 2; i++) await alice.client.invite();
    await assert.rejects(alice.client.invite(), nothing);
    await alice.stop();
    await house.stop();

    house = await startTestHouse();
    const bob = await settled(house, "bob");
    await assert.rejects(bob.client.invite(), nothing);
    await bob.stop();
  });
});
