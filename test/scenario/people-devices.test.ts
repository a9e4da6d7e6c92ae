// Several devices of one person: invited by a code, equal members of all groups, seen by contacts, removed.
import assert from "node:assert/strict";
import { openClient, type ClientEvent } from "../../src/client/index.ts";
import { flaky, type Flaky } from "../client/flaky-transport.ts";
import { befriend, gather, namesIn, person, settled, texts, type Person } from "../client/people.ts";
import { startTestHouse, type TestHouse } from "../house.ts";

const kinds = (events: readonly ClientEvent[]): string[] => events.map(({ kind }) => kind);

describe("scenario: devices", function () {
  this.timeout(120_000);
  let house: TestHouse;
  let everybody: Person[];
  let count = 0;
  // The MLS library looks at the system's clock.
  const now = Date.now;
  let ahead = 0;
  const pass = (seconds: number): Promise<void> => {
    ahead += seconds * 1000;
    return house.advance(0);
  };

  before(async () => {
    Date.now = () => now() + ahead;
    house = await startTestHouse();
  });
  beforeEach(() => {
    everybody = [];
    count++;
  });
  afterEach(async () => {
    for (const someone of everybody) await someone.stop();
  });
  after(async () => {
    Date.now = now;
    assert.equal(house.arenas.open, 0);
    await house.stop();
  });

  const keep = (someone: Person): Person => {
    everybody.push(someone);
    return someone;
  };
  const known = async (name: string): Promise<Person> => keep(await settled(house, `${name}${count}`));

  /** One more device of `of`, which has an inbox and is in all groups when this resolves. */
  async function another(of: Person): Promise<Person> {
    const code = await of.client.account.inviteDevice();
    const device = keep(await person(house, undefined, code));
    await settle(of, device);
    return device;
  }
  /** What each leaves for the other is taken up. */
  async function settle(of: Person, device: Person): Promise<void> {
    for (let round = 0; round < 3; round++) {
      await of.sync();
      await device.sync();
    }
  }

  it("[6.7] a second device is a member of the groups there are and of new ones; contacts see it", async () => {
    const [alice, bob] = [await known("alice"), await known("bob")];
    const name = alice.client.name!;
    await befriend(alice, bob);
    const number = bob.client.safetyNumber(bob.client.contacts()[0]!);
    const code = await alice.client.account.inviteDevice();
    assert.match(code, /^tacet-device:[\w-]{107}$/);
    assert.equal(await alice.client.account.inviteDevice(), code);
    const phone = keep(await person(house, undefined, code));
    assert.equal(phone.client.name, name);
    await settle(alice, phone);

    // The code is worth nothing any more, and what it stood for is gone.
    await assert.rejects(person(house, undefined, code), { code: "account/code" });
    for (const device of [alice, phone]) {
      assert.equal(device.client.account.devices().length, 2);
      assert.ok(device.client.account.devices().every(({ invited }) => !invited));
    }
    assert.deepEqual(
      phone.client.contacts().map((contact) => contact.name),
      [bob.client.name],
    );

    // The group of before.
    const events = await bob.sync();
    assert.deepEqual(
      events.filter(({ kind }) => kind === "devicesChanged"),
      [{ kind: "devicesChanged", name }],
    );
    assert.deepEqual(namesIn(bob.group), [name, name, bob.client.name]);
    await bob.group.send("hello both");
    assert.deepEqual(texts(await alice.sync()), [`${bob.client.name}: hello both`]);
    assert.deepEqual(texts(await phone.sync()), [`${bob.client.name}: hello both`]);
    await phone.group.send("from the phone");
    assert.deepEqual(texts(await bob.sync()), [`${name}: from the phone`]);
    assert.deepEqual(texts(await alice.sync()), [`${name}: from the phone`]);

    // The safety number is another, and the same for all.
    const next = bob.client.safetyNumber(bob.client.contacts()[0]!);
    assert.notEqual(next, number);
    for (const device of [alice, phone]) assert.equal(device.client.safetyNumber(device.client.contacts()[0]!), next);

    // A new group, by the contact: both at once.
    await bob.sync();
    assert.equal(bob.client.contacts()[0]!.devices.length, 2);
    const { id } = await bob.client.createGroup(bob.client.contacts());
    for (const device of [alice, phone]) {
      await device.sync();
      assert.ok(device.client.groups().some((group) => Buffer.compare(group.id, id) === 0));
    }
  });

  it("[6.8] a device that is removed is refused, leaves the groups, and everybody sees it", async () => {
    const [alice, bob] = [await known("alice"), await known("bob")];
    const name = alice.client.name!;
    await befriend(alice, bob);
    const phone = await another(alice);
    await bob.sync();
    assert.equal(bob.group.members().length, 3);
    const device = alice.client.account.devices().find(({ self }) => !self)!;
    await alice.client.account.removeDevice(device);
    await assert.rejects(alice.client.account.removeDevice(device), { code: "account/unknown-device" });
    await alice.sync();
    assert.ok(kinds(await phone.sync()).includes("accountEnded"));
    const events = await bob.sync();
    assert.ok(events.some((event) => event.kind === "devicesChanged" && event.name === name));
    assert.deepEqual(namesIn(bob.group), [name, bob.client.name]);
    await alice.group.send("alone again");
    assert.deepEqual(texts(await bob.sync()), [`${name}: alone again`]);
    assert.ok(texts(await phone.sync()).length === 0 && phone.client.groups().length === 0);
    assert.equal(bob.client.contacts()[0]!.devices.length, 1);
  });

  it("[6.15] another device cancels a deletion", async () => {
    const alice = await known("alice");
    const phone = await another(alice);
    await phone.client.account.delete();
    await pass(3601);
    assert.ok(kinds(await alice.sync()).includes("deletionBegun"));
    await alice.client.account.cancelDeletion();
    await pass(2 * 86400);
    assert.ok(!kinds(await alice.sync()).includes("accountEnded"));
    await phone.sync();
    assert.equal(phone.client.account.endsAt, undefined);
  });

  it("[6.7] a code that nobody used runs out", async () => {
    const alice = await known("alice");
    const code = await alice.client.account.inviteDevice();
    assert.equal(alice.client.account.devices().filter(({ invited }) => invited).length, 1);
    await pass(3601);
    await alice.sync();
    assert.equal(alice.client.account.devices().length, 1);
    await assert.rejects(person(house, undefined, code), { code: "account/code" });
    await assert.rejects(person(house, undefined, code.slice(0, -1)), { code: "account/code" });
  });

  it("[9.3] a newcomer to a group believes both devices of somebody it has never met", async () => {
    const [alice, bob, carol] = [await known("alice"), await known("bob"), await known("carol")];
    await befriend(alice, bob);
    await befriend(bob, carol);
    await another(alice);
    await bob.sync();
    await carol.sync();
    const trio = await gather([bob, carol, alice]);
    for (const someone of [alice, bob, carol]) await someone.sync();
    const names = namesIn(trio.of(carol));
    assert.deepEqual(
      names,
      [alice, alice, bob, carol].map(({ client }) => client.name),
    );
  });

  for (const loss of ["lose-request", "lose-reply"] as const) {
    it(`a device code that is used while its device dies at each of its requests (${loss})`, async () => {
      const alice = await known("alice");
      const code = await alice.client.account.inviteDevice();
      let wire: Flaky | undefined;
      const wrap = (transport: Person["transport"]): Person["transport"] => {
        const fresh = flaky(transport);
        fresh.loss = "tor/closed";
        fresh.plan = (post) => (post < dies ? "pass" : post === dies ? loss : "lose-request");
        return (wire = fresh);
      };
      // Its state is kept between the tries by the one client that is opened over and over.
      let dies = Infinity;
      const phone = keep(await person(house, wrap));
      await phone.client.close();
      const { statePath, deviceKey, transport } = phone;
      const open = () =>
        openClient({ transport, onion: house.onion, statePath, deviceKey, clock: house.now, deviceCode: code });
      for (dies = 1; ; dies++) {
        assert.ok(dies < 12);
        wire!.posts.length = 0;
        const opened = await open().catch(() => undefined);
        if (opened === undefined) continue;
        await opened.close();
        break;
      }
      assert.ok(dies > 2);
      dies = Infinity;
      await phone.restart();
      await settle(alice, phone);
      assert.equal(alice.client.account.devices().length, 2);
      assert.equal(phone.client.name, alice.client.name);
    });
  }
});
