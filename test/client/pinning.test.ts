import assert from "node:assert/strict";
import type { ClientEvent } from "../../src/client/index.ts";
import { SKELETON_MAX, skeletonOf } from "../../src/wire/documents.ts";
import { startTestHouse, type TestHouse } from "../house.ts";
import { befriend, settled, texts, type Person } from "./people.ts";

const kinds = (events: readonly ClientEvent[]): string[] => events.map(({ kind }) => kind);

/** What a malicious house can do about a name: forget who has it, and sign it away to somebody else. */
async function giveAway(house: TestHouse, name: string): Promise<void> {
  const arena = house.arenas.arena();
  const place = skeletonOf(Buffer.from(name), Buffer.alloc(SKELETON_MAX));
  try {
    await house.store.transact(arena, async (tx) => tx.delete("name", place));
  } finally {
    arena.close();
  }
}

describe("[9.3] a name keeps the key it was first seen with", function () {
  this.timeout(60_000);
  let house: TestHouse;
  let people: Person[];
  let amara: Person;
  let impostor: Person;

  beforeEach(async () => {
    house = await startTestHouse();
    amara = await settled(house, "amara.osei");
    const benedikt = await settled(house, "benedikt.kranz");
    await befriend(amara, benedikt);
    await giveAway(house, "benedikt.kranz");
    impostor = await settled(house, "benedikt.kranz");
    people = [amara, benedikt, impostor];
  });
  afterEach(async () => {
    for (const one of people) await one.stop();
    await house.stop();
  });

  it("when it is looked up", async () => {
    await assert.rejects(amara.client.requestContact("benedikt.kranz"), { code: "contact/changed" });
    assert.equal(amara.client.contacts().length, 1);
  });

  it("when it asks to be a contact, also after a restart; control: forgotten, it may ask", async () => {
    await amara.restart();
    await impostor.client.requestContact("amara.osei");
    assert.deepEqual(kinds(await amara.sync()), ["identityChanged"]);
    assert.deepEqual(amara.client.contactRequests(), []);
    await amara.client.forget("benedikt.kranz");
    assert.deepEqual(amara.client.contacts(), []);
    await impostor.client.requestContact("amara.osei");
    assert.deepEqual(kinds(await amara.sync()), ["contactRequest"]);
  });

  it("when a member introduces it; control: who never met the first one sees the name", async () => {
    const chiamaka = await settled(house, "chiamaka.udo");
    people.push(chiamaka);
    await befriend(chiamaka, impostor);
    await chiamaka.client.requestContact("amara.osei");
    await amara.sync();
    const request = amara.client.contactRequests().find(({ name }) => name === "chiamaka.udo");
    assert.ok(request !== undefined);
    await amara.client.accept(request);
    await chiamaka.sync();

    const byName = (name: string) => chiamaka.client.contacts().find((contact) => contact.name === name)!;
    const group = await chiamaka.client.createGroup([byName("benedikt.kranz"), byName("amara.osei")]);
    await impostor.sync();
    const seen = await amara.sync();
    assert.ok(kinds(seen).includes("identityChanged"));
    const [theirs] = impostor.client.groups().filter((one) => one.members().length === 3);
    assert.ok(theirs !== undefined);
    await theirs.send("It is me, Benedikt. Send the key again.");
    assert.deepEqual(texts(await amara.sync()), ["?: It is me, Benedikt. Send the key again."]);
    assert.deepEqual(texts(await chiamaka.sync()), ["benedikt.kranz: It is me, Benedikt. Send the key again."]);
    const names = new Set(group.members().map(({ name }) => name));
    assert.deepEqual(names, new Set(["amara.osei", "benedikt.kranz", "chiamaka.udo"]));
  });
});
