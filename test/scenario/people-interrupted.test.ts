// A client that dies at any request of what it does with its account goes on where it was.
import assert from "node:assert/strict";
import { flaky, type Flaky } from "../client/flaky-transport.ts";
import { befriend, person, settled, type Person } from "../client/people.ts";
import { startTestHouse, type TestHouse } from "../house.ts";

type Loss = "lose-request" | "lose-reply";

describe("scenario: people, interrupted", function () {
  this.timeout(120_000);
  let house: TestHouse;
  let everybody: Person[];
  let count = 0;
  before(async () => {
    house = await startTestHouse();
  });
  beforeEach(() => (everybody = []));
  afterEach(async () => {
    for (const someone of everybody) await someone.stop();
  });
  after(async () => {
    assert.equal(house.arenas.open, 0);
    await house.stop();
  });

  interface Mortal {
    readonly it: Person;
    /** Runs `work`; the process "dies" at its `dies`-th post, and starts again from disk. True when it was finished. */
    readonly dying: (dies: number, loss: Loss, work: () => Promise<unknown>) => Promise<boolean>;
  }
  function mortal(someone: Person, wire: Flaky): Mortal {
    everybody.push(someone);
    return {
      it: someone,
      async dying(dies, loss, work) {
        const start = wire.posts.length;
        wire.loss = "tor/closed";
        wire.plan = (post) => (post - start < dies ? "pass" : post - start === dies ? loss : "lose-request");
        const finished = await work().then(
          () => true,
          () => false,
        );
        wire.plan = () => "pass";
        await someone.restart();
        return finished;
      },
    };
  }
  async function alice(): Promise<Mortal> {
    let wire: Flaky | undefined;
    const someone = await settled(house, `alice${++count}`, (transport) => (wire = flaky(transport)));
    return mortal(someone, wire!);
  }
  const known = async (name: string): Promise<Person> => {
    const someone = await settled(house, `${name}${count}`);
    everybody.push(someone);
    return someone;
  };

  /** `work` at each of its requests, and once more whole; then `check`. */
  const eachRequest = async (
    loss: Loss,
    work: (one: Mortal) => () => Promise<unknown>,
    check: (one: Mortal, at: string) => Promise<void>,
    make: () => Promise<Mortal>,
  ): Promise<void> => {
    for (let dies = 1, finished = false; !finished; dies++) {
      assert.ok(dies < 20);
      const one = await make();
      finished = await one.dying(dies, loss, work(one));
      if (!finished) await work(one)();
      await check(one, `died at request ${dies}`);
    }
  };

  for (const loss of ["lose-request", "lose-reply"] as const) {
    it(`a name taken back with the words (${loss})`, async () => {
      let words = "";
      let name = "";
      await eachRequest(
        loss,
        (one) => () =>
          one.it.client.name === undefined ? one.it.client.account.reset(words, name) : Promise.resolve(),
        async ({ it: someone }, at) => {
          assert.equal(someone.client.name, name, at);
          assert.equal(someone.client.account.devices().length, 1, at);
          await someone.sync();
        },
        async () => {
          const lost = await known(`lost${++count}x`);
          words = lost.client.account.recoveryWords()!;
          name = lost.client.name!;
          let wire: Flaky | undefined;
          const fresh = await person(house, (transport) => (wire = flaky(transport)));
          return mortal(fresh, wire!);
        },
      );
    });

    it(`another name (${loss})`, async () => {
      await eachRequest(
        loss,
        (one) => () => one.it.client.account.rename(`renamed${count}`),
        async ({ it: someone }, at) => {
          assert.equal(someone.client.name, `renamed${count}`, at);
          const bob = await known("bob");
          await befriend(bob, someone);
          assert.equal(bob.client.contacts()[0]?.name, `renamed${count}`, at);
        },
        alice,
      );
    });

    it(`an alias (${loss})`, async () => {
      await eachRequest(
        loss,
        (one) => () => one.it.client.account.createAlias(`mask${count}`, 3),
        async ({ it: someone }, at) => {
          assert.equal(someone.client.account.aliases().length, 1, at);
          const bob = await known("bob");
          await bob.client.requestContact(`mask${count}`);
          await someone.sync();
          assert.equal(someone.client.contactRequests().length, 1, at);
        },
        alice,
      );
    });

    it(`a request that is made, and refused, once (${loss})`, async () => {
      let bob: Person;
      await eachRequest(
        loss,
        (one) => async () => {
          await one.it.sync();
          const [request] = one.it.client.contactRequests();
          if (request !== undefined) await one.it.client.refuse(request);
        },
        async ({ it: someone }, at) => {
          await someone.sync();
          assert.deepEqual(await bob.sync(), [{ kind: "contactRefused", name: someone.client.name! }], at);
        },
        async () => {
          const one = await alice();
          bob = await known("bob");
          await bob.client.requestContact(one.it.client.name!);
          return one;
        },
      );
    });

    it(`somebody blocked (${loss})`, async () => {
      let bob: Person;
      await eachRequest(
        loss,
        (one) => () => one.it.client.block(bob.client.name!),
        async ({ it: someone }, at) => {
          await someone.sync();
          assert.deepEqual(someone.client.blocked(), [bob.client.name], at);
          await assert.rejects(bob.client.createGroup(bob.client.contacts()), { code: "queue/no-key-package" });
          const carol = await known("carol");
          await befriend(carol, someone);
          await carol.client.createGroup(carol.client.contacts());
          assert.equal((await someone.sync()).filter(({ kind }) => kind === "joinedGroup").length, 1, at);
        },
        async () => {
          const one = await alice();
          bob = await known("bob");
          await befriend(one.it, bob);
          return one;
        },
      );
    });
  }
});
