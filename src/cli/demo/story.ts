// The conversation: three people, each with a client, a state directory and circuits of their own.
import { join } from "node:path";
import { randomBytes } from "node:crypto";
import { openClient, type ClientEvent, type Group, type TacetClient, type Transport } from "../../client/index.ts";
import type { Needle } from "./disk-search.ts";
import { counted, type Seen, type Traffic } from "./seen.ts";

export interface Narrator {
  /** A numbered step begins. */
  step(title: string): void;
  /** A message arrives. */
  line(to: string, from: string, text: string): void;
  note(text: string): void;
  /** What the house saw of the step. */
  saw(operations: readonly Seen[], traffic: { requests: number; circuits: number; shapes: string[] }): void;
}

export interface Told {
  readonly users: number;
  readonly messagesDelivered: number;
  /** Every name, id and text that was used. */
  readonly needles: readonly Needle[];
}

export interface StoryOptions {
  readonly onion: string;
  /** Three of them. */
  readonly invitations: readonly string[];
  /** Where the clients keep their state. */
  readonly dir: string;
  /** A transport of its own for each person. */
  readonly transport: () => Transport;
  readonly narrator: Narrator;
}

class Person {
  readonly name: string;
  readonly #open: () => Promise<TacetClient>;
  readonly #close: () => unknown;
  readonly traffic: Traffic;
  #client: TacetClient | undefined;

  constructor(name: string, { onion, dir, transport }: StoryOptions) {
    const counting = counted(transport());
    const deviceKey = randomBytes(32);
    this.name = name;
    this.traffic = counting.traffic;
    this.#close = () => counting.transport.close();
    this.#open = () => openClient({ transport: counting.transport, onion, statePath: join(dir, name), deviceKey });
  }

  get client(): TacetClient {
    if (this.#client === undefined) throw new Error("offline");
    return this.#client;
  }
  async online(): Promise<void> {
    this.#client ??= await this.#open();
  }
  async offline(): Promise<void> {
    await this.#client?.close();
    this.#client = undefined;
  }
  async end(): Promise<void> {
    await this.offline();
    await this.#close();
  }
}

const NAMES = ["amara.osei", "benedikt.kranz", "chiamaka.udo"] as const;

/** Plays the whole story; throws when anything does not happen as it should. */
export async function tell(options: StoryOptions): Promise<Told> {
  const { invitations, narrator } = options;
  const [amara, benedikt, chiamaka] = NAMES.map((name) => new Person(name, options)) as [Person, Person, Person];
  const people = [amara, benedikt, chiamaka];
  const needles: Needle[] = NAMES.map((name) => ({ what: "user name", bytes: Buffer.from(name) }));
  let delivered = 0;

  const saw = (...operations: Seen[]): void => {
    const all = people.map(({ traffic }) => traffic.take());
    narrator.saw(operations, {
      requests: all.reduce((sum, { requests }) => sum + requests, 0),
      circuits: all.reduce((sum, { circuits }) => sum + circuits, 0),
      shapes: [...new Set(all.flatMap(({ shapes }) => shapes))],
    });
  };
  /** Everything that has come for `person`; its messages are told. */
  const sync = async (person: Person): Promise<ClientEvent[]> => {
    const events: ClientEvent[] = [];
    for (let more = await person.client.sync(); more.length > 0; more = await person.client.sync())
      events.push(...more);
    for (const event of events) {
      if (event.kind !== "message") continue;
      delivered++;
      narrator.line(person.name, event.from ?? "somebody unverified", event.text);
    }
    return events;
  };
  const texts = (events: ClientEvent[]): string[] =>
    events.flatMap((event) => (event.kind === "message" ? [event.text] : []));
  const expect = (ok: boolean, what: string): void => {
    if (!ok) throw new Error(`the demo expected ${what}`);
  };
  const say = async (group: Group, text: string): Promise<void> => {
    needles.push({ what: "message text", bytes: Buffer.from(text) });
    await group.send(text);
  };
  const befriend = async (asking: Person, asked: Person): Promise<Group> => {
    await asking.client.requestContact(asked.name);
    await sync(asked);
    const [request] = asked.client.contactRequests();
    if (request === undefined) throw new Error("the demo expected a contact request");
    expect(request.name === asking.name, "the asking person's verified name");
    const group = await asked.client.accept(request);
    await sync(asking);
    return group;
  };

  try {
    narrator.step("three people redeem an invitation each and register a user name");
    for (const [i, person] of people.entries()) {
      await person.online();
      await person.client.register(invitations[i] ?? "", person.name);
    }
    saw("as.register", "as.putConnectionPackages");

    narrator.step("each draws batches of 100 Privacy Pass tokens into a wallet");
    await Promise.all(people.map((person) => person.client.drawTokens()));
    saw("as.issueTokens");

    narrator.step("each opens a queue under a pseudonym and publishes KeyPackages in it");
    await Promise.all(people.map((person) => person.client.createInbox()));
    saw("qs.createQueue", "qs.mintHandles", "qs.publish");

    narrator.step(
      `${amara.name} finds ${benedikt.name} by full name and asks to be a contact; ${benedikt.name} accepts`,
    );
    const theirs = await befriend(amara, benedikt);
    saw(
      "as.discover",
      "as.connect",
      "as.readDirect",
      "qs.claim",
      "ds.reserve",
      "ds.create",
      "ds.commit",
      "ds.welcomeInfo",
      "ds.sendTo",
      "qs.read",
    );

    narrator.step("they form an MLS group under per-group pseudonyms and talk in both directions");
    const contact = amara.client.contacts().find(({ name }) => name === benedikt.name);
    if (contact === undefined) throw new Error("the demo expected a contact");
    const group = await amara.client.createGroup([contact]);
    await sync(benedikt);
    const joined = benedikt.client.groups().find((one) => one !== theirs);
    if (joined === undefined) throw new Error("the demo expected a second group");
    await say(group, "The archive is with the lighthouse keeper.");
    expect(texts(await sync(benedikt)).length === 1, "one message");
    await say(joined, "Understood. I go on Thursday, before the tide.");
    expect(texts(await sync(amara)).length === 1, "one message");
    saw("qs.claim", "ds.reserve", "ds.create", "ds.commit", "ds.welcomeInfo", "ds.send", "qs.read");

    narrator.step(`${amara.name} adds ${chiamaka.name}; the three talk`);
    await befriend(amara, chiamaka);
    const third = amara.client.contacts().find(({ name }) => name === chiamaka.name);
    if (third === undefined) throw new Error("the demo expected a third contact");
    await group.add(third);
    await Promise.all([sync(benedikt), sync(chiamaka)]);
    await say(group, "Chiamaka has the second key and joins us.");
    expect(texts(await sync(benedikt)).length === 1, "one message");
    expect(texts(await sync(chiamaka)).length === 1, "one message");
    const hers = chiamaka.client.groups().find((one) => one.members().length === 3);
    if (hers === undefined) throw new Error("the demo expected a group of three");
    expect(
      hers.members().every(({ name }) => name !== undefined),
      "three verified members",
    );
    await say(hers, "Good evening, both of you.");
    await Promise.all([sync(amara), sync(benedikt)]);
    saw("as.discover", "as.connect", "qs.claim", "ds.commit", "ds.welcomeInfo", "ds.send", "ds.sendTo", "qs.read");

    // The ids are noted while all of them are in use.
    for (const { client } of people) needles.push(...client.identifiers());

    narrator.step(`${amara.name} removes ${chiamaka.name}; the others talk on`);
    await group.remove(chiamaka.name);
    await say(group, "From here on it is the two of us again.");
    expect(texts(await sync(benedikt)).length === 1, "one message");
    await say(joined, "The second key is changed as well.");
    expect(texts(await sync(amara)).length === 1, "one message");
    const after = await sync(chiamaka);
    expect(texts(after).length === 0, "nothing readable for the removed one");
    expect(
      after.some(({ kind }) => kind === "removedFromGroup"),
      "the removed one to learn that it was removed",
    );
    narrator.note(`${chiamaka.name} is told of the removal and can read nothing further`);
    saw("ds.commit", "ds.send", "qs.read");

    narrator.step(`${benedikt.name} goes offline; what is sent meanwhile arrives when he returns`);
    await benedikt.offline();
    for (const text of ["Are you on the boat already?", "The keeper expects you at nine.", "Burn this after reading."])
      await say(group, text);
    await benedikt.online();
    expect(texts(await sync(benedikt)).length === 3, "three messages");
    saw("ds.send", "qs.read");

    return { users: people.length, messagesDelivered: delivered, needles };
  } finally {
    await Promise.allSettled(people.map((person) => person.end()));
  }
}
