// The contact list, which only the client has: who is a contact and through which devices, who asks, who was asked, who is
// blocked.
import { verify } from "../crypto/sign.ts";
import { equal } from "../memory/locked.ts";
import { bytes, decode, fixed, list, struct, u48, u8, type ValueOf } from "../wire/codec.ts";
import * as documents from "../wire/documents.ts";
import { isSameClient, readCredential, type Identity } from "./credentials.ts";
import { ClientError } from "./errors.ts";
import type { EventLog } from "./events.ts";
import { keepFriendship, type Friendship, type Offer } from "./offers.ts";
import type { People } from "./people.ts";
import { entry, type Entry } from "./sections.ts";
import type { Session } from "./session.ts";

const SECTION = "contacts";
const MAX = 10000;
const NONE = Buffer.alloc(0);

const device = struct({ credential: bytes(documents.CREDENTIAL_MAX), friendship: documents.friendship });
const contact = struct({
  devices: list(device, documents.MAX_CLIENTS),
  /** 1 when the user has compared the safety number. */
  verified: u8,
  /** 1 when the contact has been told how to reach this client, as it is reached now. */
  told: u8,
});
const asking = struct({
  credential: bytes(documents.CREDENTIAL_MAX),
  clientList: bytes(documents.CLIENT_LIST_MAX),
  request: documents.connectionRequest,
  /** Key of the alias it came to, or empty. */
  alias: bytes(32),
});
const record = struct({
  contacts: list(contact, MAX),
  /** Requests of others that wait for an answer here. */
  requests: list(asking, MAX),
  /** Credentials of those who were asked and have not accepted yet. */
  asked: list(bytes(documents.CREDENTIAL_MAX), MAX),
  /** Keys of aliases that were asked. */
  askedAliases: list(fixed(32), MAX),
  /** The other clients of the own user. */
  siblings: list(device, documents.MAX_CLIENTS),
  blocked: list(struct({ userId: fixed(16), name: bytes(documents.NAME_MAX) }), MAX),
  /** When the next contact is looked up, and how many were. */
  watchAt: u48,
  watched: u48,
});

/** A client of a contact, and how to reach it. */
export interface Device {
  readonly identity: Identity;
  readonly friendship: Friendship;
}

/** Somebody whose identity was verified, and how to reach them. */
export interface Contact {
  readonly name: string;
  /** True when the user has said that the safety number was compared, and no reset has come since. */
  readonly verified: boolean;
  /** Of the device that was met first, and how that is reached. */
  readonly identity: Identity;
  readonly friendship: Friendship;
  readonly devices: readonly Device[];
}

/** A request that waits for an answer. */
export interface ContactRequest extends Contact {
  readonly clientList: Uint8Array;
  readonly replyKey: Uint8Array;
  /** Key of the alias it came to, or empty. */
  readonly alias: Uint8Array;
}

interface Held {
  readonly devices: readonly Device[];
  readonly verified: boolean;
  readonly told: boolean;
}

const fromDevice = ({ credential, friendship }: ValueOf<typeof device>): Device => ({
  identity: readCredential(credential),
  friendship,
});
const toDevice = ({ identity, friendship }: Device) => ({ credential: identity.document, friendship });
const userOf = ({ devices }: Held): Uint8Array => devices[0]!.identity.userId;

export class Contacts {
  readonly #session: Session;
  readonly #people: People;
  #contacts: readonly Held[] = [];
  #requests: readonly ContactRequest[] = [];
  #asked: readonly Identity[] = [];
  #askedAliases: readonly Uint8Array[] = [];
  #siblings: readonly Device[] = [];
  #blocked: readonly { readonly userId: Uint8Array; readonly name: Uint8Array }[] = [];
  #watch = { at: 0, count: 0 };

  constructor(session: Session, people: People) {
    this.#session = session;
    this.#people = people;
  }

  async load(): Promise<void> {
    const saved = await this.#session.sections.load(SECTION, record);
    if (saved === undefined) return;
    this.#contacts = saved.contacts.map(({ devices, verified, told }) => ({
      devices: devices.map(fromDevice),
      verified: verified === 1,
      told: told === 1,
    }));
    this.#requests = saved.requests.map(({ credential, clientList, request, alias }) =>
      asRequest(readCredential(credential), clientList, request, alias),
    );
    this.#asked = saved.asked.map(readCredential);
    this.#askedAliases = saved.askedAliases;
    this.#siblings = saved.siblings.map(fromDevice);
    this.#blocked = saved.blocked;
    this.#watch = { at: saved.watchAt, count: saved.watched };
  }

  entry(): Entry {
    return entry(SECTION, record, {
      contacts: this.#contacts.map(({ devices, verified, told }) => ({
        devices: devices.map(toDevice),
        verified: verified ? 1 : 0,
        told: told ? 1 : 0,
      })),
      requests: this.#requests.map(({ identity, clientList, devices, replyKey, alias }) => ({
        credential: identity.document,
        clientList,
        request: { friendship: devices[0]!.friendship, replyKey },
        alias,
      })),
      asked: this.#asked.map((identity) => identity.document),
      askedAliases: this.#askedAliases,
      siblings: this.#siblings.map(toDevice),
      blocked: this.#blocked,
      watchAt: this.#watch.at,
      watched: this.#watch.count,
    });
  }

  /** What puts back the state of now. */
  snapshot(): () => void {
    const before = [this.#contacts, this.#requests, this.#asked, this.#askedAliases] as const;
    const [siblings, blocked, watch] = [this.#siblings, this.#blocked, this.#watch];
    return () => {
      [this.#contacts, this.#requests, this.#asked, this.#askedAliases] = before;
      [this.#siblings, this.#blocked, this.#watch] = [siblings, blocked, watch];
    };
  }

  /** Those who can be reached: by a device that is still one of theirs. */
  get all(): readonly Contact[] {
    return this.#contacts.flatMap((held) => {
      const devices = held.devices.filter(({ identity }) => this.#people.knows(identity));
      const [first] = devices;
      if (first === undefined) return [];
      const name = this.#people.nameOf(first.identity.userId) ?? first.identity.name;
      return [{ name, verified: held.verified, ...first, devices }];
    });
  }

  get requests(): readonly ContactRequest[] {
    return this.#requests;
  }

  get blocked(): readonly string[] {
    return this.#blocked.map(({ userId, name }) => this.#people.nameOf(userId) ?? Buffer.from(name).toString("latin1"));
  }

  isBlocked(userId: Uint8Array): boolean {
    return this.#blocked.some((other) => equal(other.userId, userId));
  }

  /** Gives up what was known of a name, so that whoever has it now can be met anew; in memory. */
  forget(name: string): void {
    const users = this.all.filter((other) => other.name === name).map(({ identity }) => identity.userId);
    const isOne = (userId: Uint8Array): boolean => users.some((other) => equal(other, userId));
    this.#contacts = this.#contacts.filter((held) => !isOne(userOf(held)));
    this.#requests = this.#requests.filter((other) => other.name !== name);
    this.#asked = this.#asked.filter((other) => other.name !== name);
    this.#people.forget(name);
  }

  /** Remembers that this person, or the holder of this alias's key, was asked; in memory. */
  ask(whom: Identity | Uint8Array): void {
    if (whom instanceof Uint8Array) this.#askedAliases = [...this.#askedAliases.filter((k) => !equal(k, whom)), whom];
    else this.#asked = [...this.#asked.filter((other) => !equal(other.userId, whom.userId)), whom];
  }

  /**
   * Takes an offer up: a request waits for an answer, one from the same person replacing the one before. Under a name that
   * means somebody else it is dropped, with an event; from who is blocked, without. A stranger's request pins nothing until
   * it is accepted.
   */
  receive(offer: Offer, events: EventLog, alias: Uint8Array = NONE): void {
    const { kind, from, clientList, body } = offer;
    if (this.isBlocked(from.userId)) return;
    this.#people.learn(from, clientList, events);
    if (kind === documents.offerKinds.refusal) return this.#refused(from, events);
    if (kind !== documents.offerKinds.request) return;
    const found = readRequest(body);
    if (found === undefined || !equal(found.friendship.domain, this.#session.domain)) return;
    const waiting = this.#requests.find((other) => other.name === from.name);
    const another = waiting !== undefined && !isSameClient(waiting.identity, from);
    if (!this.#people.agrees(from) || (another && !this.#people.knows(from))) return this.#people.flag(from, events);
    const request = asRequest(from, clientList, found, alias);
    this.#requests = [...this.#requests.filter((other) => other !== waiting), request].slice(-MAX);
    if (waiting === undefined || another) events.add("contactRequest", { name: Buffer.from(from.name) });
  }

  #refused(from: Identity, events: EventLog): void {
    const asked = this.#asked.find((other) => equal(other.userId, from.userId));
    if (asked === undefined || !this.#people.knows(from)) return;
    this.#asked = this.#asked.filter((other) => other !== asked);
    events.add("contactRefused", { name: Buffer.from(asked.name) });
  }

  /** The waiting request of `identity`. ClientError `contact/unknown`, `contact/changed`. */
  request(identity: Identity): ContactRequest {
    const found = this.#requests.find((other) => other.name === identity.name);
    if (found === undefined) throw new ClientError("contact/unknown");
    const same = isSameClient(found.identity, identity) && this.#people.agrees(identity);
    if (!same) throw new ClientError("contact/changed");
    return found;
  }

  /** The contact called `name`. ClientError `contact/unknown`. */
  get(name: string): Contact {
    const found = this.all.find((other) => other.name === name);
    if (found === undefined) throw new ClientError("contact/unknown");
    return found;
  }

  /** Drops a request; in memory. */
  drop(request: ContactRequest): void {
    this.#requests = this.#requests.filter((other) => !isSameClient(other.identity, request.identity));
  }

  /** Makes a request's sender a contact, who is told so with it; in memory. ClientError `contact/changed`, `contact/limit`. */
  accept(request: ContactRequest): void {
    this.#people.pin(request.identity, request.clientList);
    this.drop(request);
    this.#asked = this.#asked.filter((other) => !equal(other.userId, request.identity.userId));
    this.put(request.devices[0]!, { told: true });
  }

  /** Adds a device of a contact, who becomes one by it; in memory. */
  put(fresh: Device, { told }: { readonly told: boolean }): void {
    const { identity } = fresh;
    const before = this.#find(identity.userId);
    const others = (before?.devices ?? []).filter(
      (other) => !isSameClient(other.identity, identity) && this.#people.knows(other.identity),
    );
    const wasThere = before !== undefined && before.devices.some((other) => this.#people.knows(other.identity));
    const devices = [...others, { identity, friendship: keepFriendship(fresh.friendship) }];
    const verified = wasThere && before.verified;
    const next = { devices: devices.slice(-documents.MAX_CLIENTS), verified, told: told || (wasThere && before.told) };
    this.#contacts = [...this.#contacts.filter((other) => other !== before), next];
  }

  /** An acceptance that a verified member of a group sent: it counts only from a contact, and from who was asked. */
  befriended(from: Identity, { friendship, aliasLink }: ValueOf<typeof documents.acceptance>, events: EventLog): void {
    if (!equal(friendship.domain, this.#session.domain) || this.isBlocked(from.userId)) return;
    const asked = this.#asked.some((other) => equal(other.userId, from.userId));
    const alias = asked ? undefined : this.#aliasOf(from, aliasLink);
    const known = this.#find(from.userId) !== undefined;
    if (!this.#people.knows(from) || !(known || asked || alias !== undefined)) return;
    this.#asked = this.#asked.filter((other) => !equal(other.userId, from.userId));
    this.#askedAliases = this.#askedAliases.filter((other) => other !== alias);
    // Who was asked has our friendship from the offer.
    this.put({ identity: from, friendship }, { told: asked || alias !== undefined });
    if (!known || asked || alias !== undefined) events.add("contactAdded", { name: Buffer.from(from.name) });
  }

  #aliasOf({ userId, clientKey }: Identity, link: Uint8Array): Uint8Array | undefined {
    if (link.length !== 96) return undefined;
    const [aliasKey, signature] = [link.subarray(0, 32), link.subarray(32)];
    const found = this.#askedAliases.find((other) => equal(other, aliasKey));
    return verify(signature, "aliasLink", aliasKey, this.#session.domain, userId, clientKey) ? found : undefined;
  }

  /** The other clients of the own user, as far as they have said how they are reached. */
  get siblings(): readonly Device[] {
    return this.#siblings.filter(({ identity }) => this.#people.knows(identity));
  }

  /** In memory. */
  setSibling(fresh: Device): void {
    const others = this.siblings.filter(({ identity }) => !isSameClient(identity, fresh.identity));
    this.#siblings = [...others, fresh];
  }

  /** Contacts who have not been told how to reach this client as it is reached now. */
  get untold(): readonly Uint8Array[] {
    return this.#contacts.filter(({ told }) => !told).map(userOf);
  }

  /** In memory. `userId` undefined: all. */
  setTold(told: boolean, userId?: Uint8Array): void {
    this.#change(userId, (held) => ({ ...held, told }));
  }

  /** In memory. */
  setVerified(userId: Uint8Array, verified: boolean): void {
    this.#change(userId, (held) => ({ ...held, verified }));
  }

  /** Blocks a user, who is no contact from then on; in memory. */
  block(userId: Uint8Array, name: string): void {
    this.#contacts = this.#contacts.filter((held) => !equal(userOf(held), userId));
    this.#requests = this.#requests.filter(({ identity }) => !equal(identity.userId, userId));
    this.#asked = this.#asked.filter((other) => !equal(other.userId, userId));
    if (!this.isBlocked(userId)) this.#blocked = [...this.#blocked, { userId, name: Buffer.from(name) }];
  }

  /** In memory. */
  unblock(name: string): void {
    const names = this.blocked;
    this.#blocked = this.#blocked.filter((_, i) => names[i] !== name);
  }

  /** The contact whose turn it is to be looked up, when one's is; in memory. `next`: the moment after that. */
  watched(now: number, next: number): Contact | undefined {
    const { at, count } = this.#watch;
    if (this.#contacts.length === 0 || now < at) return undefined;
    this.#watch = { at: next, count: count + 1 };
    const reachable = this.all;
    return at === 0 ? undefined : reachable[count % Math.max(1, reachable.length)];
  }

  #find(userId: Uint8Array): Held | undefined {
    return this.#contacts.find((held) => equal(userOf(held), userId));
  }

  #change(userId: Uint8Array | undefined, to: (held: Held) => Held): void {
    this.#contacts = this.#contacts.map((held) =>
      userId === undefined || equal(userOf(held), userId) ? to(held) : held,
    );
  }
}

function readRequest(body: Uint8Array): ValueOf<typeof documents.connectionRequest> | undefined {
  try {
    const { friendship, replyKey } = decode(documents.connectionRequest, body);
    return { friendship: keepFriendship(friendship), replyKey: Buffer.from(replyKey) };
  } catch {
    return undefined;
  }
}

const asRequest = (
  identity: Identity,
  clientList: Uint8Array,
  { friendship, replyKey }: ValueOf<typeof documents.connectionRequest>,
  alias: Uint8Array,
): ContactRequest => ({
  name: identity.name,
  verified: false,
  identity,
  friendship,
  devices: [{ identity, friendship }],
  clientList,
  replyKey,
  alias,
});
