// People for tests: clients on state directories of their own that can be stopped and opened again from disk.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  openClient,
  type ClientEvent,
  type Group,
  type NewGroup,
  type TacetClient,
  type Transport,
} from "../../src/client/index.ts";
import { randomBytes } from "../../src/crypto/random.ts";
import type { TestHouse } from "../house.ts";

export interface Person {
  readonly statePath: string;
  readonly client: TacetClient;
  readonly transport: Transport;
  readonly deviceKey: Uint8Array;
  /** The group this person is in; fails unless it is exactly one. */
  readonly group: Group;
  /** Closes the client and opens it again from its files. */
  restart(): Promise<void>;
  /** All events until nothing more comes. */
  sync(): Promise<ClientEvent[]>;
  stop(): Promise<void>;
}

/** `wrap` may put something between the client and the house; `deviceCode` makes it another device of who gave that. */
export async function person(
  house: TestHouse,
  wrap = (transport: Transport): Transport => transport,
  deviceCode?: string,
): Promise<Person> {
  const statePath = await mkdtemp(join(tmpdir(), "tacet-client-"));
  const deviceKey = randomBytes(32);
  const transport = wrap(house.transport());
  const common = { transport, onion: house.onion, statePath, deviceKey, clock: house.now, delay: () => 0 };
  const open = (): Promise<TacetClient> => openClient({ ...common, ...(deviceCode !== undefined && { deviceCode }) });
  let client = await open();
  return {
    statePath,
    deviceKey,
    transport,
    get client() {
      return client;
    },
    get group() {
      const [group, ...others] = client.groups();
      if (group === undefined || others.length > 0) throw new Error("not in exactly one group");
      return group;
    },
    async restart() {
      await client.close();
      client = await open();
    },
    async sync() {
      const events: ClientEvent[] = [];
      for (;;) {
        const more = await client.sync();
        if (more.length === 0) return events;
        events.push(...more);
      }
    },
    async stop() {
      await client.close();
      await transport.close();
      await rm(statePath, { recursive: true, force: true });
    },
  };
}

/** A person with a user name, tokens and an inbox. */
export async function settled(
  house: TestHouse,
  name: string,
  wrap?: (transport: Transport) => Transport,
): Promise<Person> {
  const someone = await person(house, wrap);
  const [invitation] = house.invite();
  await someone.client.register(invitation!, name);
  await someone.client.drawTokens();
  await someone.client.createInbox();
  return someone;
}

/** Makes `a` and `b` contacts, and a group of the two. */
export async function befriend(a: Person, b: Person): Promise<void> {
  await a.client.requestContact(b.client.name!);
  await b.sync();
  await b.client.accept(b.client.contactRequests()[0]!);
  await a.sync();
}

export interface Circle {
  readonly people: Person[];
  /** The circle's group as somebody has it; fails unless it is a member. */
  of(someone: Person): Group;
  isMember(someone: Person): boolean;
}

/** People with these names, the first of whom has all others as contacts, and founds a group of all. */
export async function circle(
  house: TestHouse,
  names: readonly string[],
  options: NewGroup & { readonly wrap?: (transport: Transport) => Transport } = {},
): Promise<Circle> {
  const people: Person[] = [];
  for (const name of names) people.push(await settled(house, name, people.length === 0 ? options.wrap : undefined));
  const [first, ...others] = people;
  for (const other of others) await befriend(first!, other);
  return gather(people, options);
}

/** A new group that the first of these people founds with the others, all contacts of the first. */
export async function gather(people: Person[], options: NewGroup = {}): Promise<Circle> {
  const [first, ...others] = people.map(({ client }) => client);
  const invited = first!.contacts().filter(({ name }) => others.some((other) => other.name === name));
  const { id } = await first!.createGroup(invited, options);
  for (const someone of people) await someone.sync();
  const find = (someone: Person): Group | undefined =>
    someone.client.groups().find((group) => Buffer.compare(group.id, id) === 0);
  return {
    people,
    isMember: (someone) => find(someone) !== undefined,
    of(someone) {
      const group = find(someone);
      if (group === undefined) throw new Error("not in the circle");
      return group;
    },
  };
}

/** The verified names of a group's members, in alphabetical order; `admins` only of those. */
export const namesIn = (group: Group, only: "admins" | "members" = "members"): string[] =>
  group[only]()
    .map(({ name }) => name ?? "?")
    .toSorted((a, b) => a.localeCompare(b));

/** `from: text` of each message among the events. */
export const texts = (events: readonly ClientEvent[]): string[] =>
  events.flatMap((event) => (event.kind === "message" ? [`${event.from ?? "?"}: ${event.text}`] : []));
