// The contact list, which only the client has: discovery, requests to others and from others, verified identities.
import { equal } from "../memory/locked.ts";
import { Fault } from "../fault.ts";
import { bytes, list, struct } from "../wire/codec.ts";
import { CREDENTIAL_MAX, friendship, isUserName } from "../wire/documents.ts";
import type { Account } from "./account.ts";
import { freshCircuit } from "./circuits.ts";
import { readClientList } from "./client-list.ts";
import {
  isSamePerson,
  readCredential,
  verifyConnectionPackage,
  verifyCredential,
  type Identity,
} from "./credentials.ts";
import { ClientError } from "./errors.ts";
import type { EventLog } from "./events.ts";
import type { Inbox } from "./inbox.ts";
import { keepFriendship, sealOffer, type Friendship, type Offer } from "./offers.ts";
import type { People } from "./people.ts";
import { entry, type Entry } from "./sections.ts";
import type { Session } from "./session.ts";
import type { Tokens } from "./wallet.ts";

const SECTION = "contacts";
const MAX = 10000;

const person = struct({ credential: bytes(CREDENTIAL_MAX), friendship });
const record = struct({
  contacts: list(person, MAX),
  /** Requests of others that wait for an answer here. */
  requests: list(person, MAX),
  /** Credentials of those who were asked and have not accepted yet. */
  asked: list(bytes(CREDENTIAL_MAX), MAX),
});

/** Somebody whose identity was verified, and how to reach them. */
export interface Contact {
  readonly name: string;
  readonly identity: Identity;
  readonly friendship: Friendship;
}

const without = (list: readonly Contact[], identity: Identity): Contact[] =>
  list.filter((other) => other.name !== identity.name);
const toRecord = ({ identity, friendship: own }: Contact) => ({ credential: identity.document, friendship: own });
const fromRecord = (saved: { credential: Uint8Array; friendship: Friendship }): Contact => {
  const identity = readCredential(saved.credential);
  return { name: identity.name, identity, friendship: saved.friendship };
};

export class Contacts {
  readonly #session: Session;
  readonly #people: People;
  #contacts: readonly Contact[] = [];
  #requests: readonly Contact[] = [];
  #asked: readonly Identity[] = [];

  constructor(session: Session, people: People) {
    this.#session = session;
    this.#people = people;
  }

  async load(): Promise<void> {
    const saved = await this.#session.sections.load(SECTION, record);
    if (saved === undefined) return;
    this.#contacts = saved.contacts.map(fromRecord);
    this.#requests = saved.requests.map(fromRecord);
    this.#asked = saved.asked.map(readCredential);
    for (const { identity } of this.#contacts) this.#people.pin(identity);
  }

  entry(): Entry {
    return entry(SECTION, record, {
      contacts: this.#contacts.map(toRecord),
      requests: this.#requests.map(toRecord),
      asked: this.#asked.map((identity) => identity.document),
    });
  }

  get all(): readonly Contact[] {
    return this.#contacts;
  }

  get requests(): readonly Contact[] {
    return this.#requests;
  }

  /** What puts back the state of now. */
  snapshot(): () => void {
    const before = [this.#contacts, this.#requests, this.#asked] as const;
    return () => ([this.#contacts, this.#requests, this.#asked] = before);
  }

  /** Gives up what was known of a name, so that whoever has it now can be met anew. */
  async forget(name: string): Promise<void> {
    const others = (list: readonly Contact[]): Contact[] => list.filter((other) => other.name !== name);
    this.#people.forget(name);
    this.#asked = this.#asked.filter((other) => other.name !== name);
    [this.#contacts, this.#requests] = [others(this.#contacts), others(this.#requests)];
    await this.#session.sections.save(this.entry(), this.#people.entry());
  }

  /**
   * Looks `name` up and sends it a connection request: two anonymous calls, each for its token on its own circuit.
   * ClientError `contact/unknown-name`, `contact/unverified`, `contact/changed`, `contact/limit`.
   */
  async ask(name: string, account: Account, inbox: Inbox, tokens: Tokens): Promise<void> {
    const nameBytes = Buffer.from(name);
    if (!isUserName(nameBytes)) throw new Fault("account/name");
    const { call, sections } = this.#session;
    const own = account.identity;
    const { friendship: ours } = inbox;
    const { identity, sealKey } = await this.#discover(name, nameBytes, tokens);
    this.#people.pin(identity);
    this.#asked = [...this.#asked.filter((other) => other.name !== name), identity];
    await sections.save(this.entry(), this.#people.entry());
    const request = { name: nameBytes, offer: sealOffer(own, ours, account.sign, sealKey) };
    await this.#alone("connect", (circuit) =>
      tokens.spend("as.connect", (token) =>
        call({ operation: "as.connect", circuit, request, token }, () => undefined),
      ),
    );
  }

  async #discover(name: string, nameBytes: Buffer, tokens: Tokens): Promise<{ identity: Identity; sealKey: Buffer }> {
    const { call, directory, clock } = this.#session;
    const server = await directory.current();
    return this.#alone("discover", (circuit) =>
      tokens.spend("as.discover", (token) =>
        call({ operation: "as.discover", circuit, request: { name: nameBytes }, token }, (reply) => {
          if (reply.found !== 1) throw new ClientError("contact/unknown-name");
          const identity = verifyCredential(reply.credential, server, clock(), name);
          // The credential of a client that was removed is good until it runs out: the list says that it is gone.
          const { clients } = readClientList(reply.clientList, { domain: server.domain, userId: identity.userId });
          if (!clients.some((one) => equal(one, identity.clientKey))) throw new ClientError("contact/unverified");
          return { identity, sealKey: verifyConnectionPackage(reply.connectionPackage, identity, clock()) };
        }),
      ),
    );
  }

  async #alone<T>(purpose: "discover" | "connect", work: (circuit: string) => Promise<T>): Promise<T> {
    const circuit = freshCircuit(purpose);
    try {
      return await work(circuit);
    } finally {
      this.#session.transport.closeCircuit(circuit);
    }
  }

  /**
   * Takes an offer up as a request that waits for an answer; one from the same person replaces the one before. Under a
   * name that means somebody else it is dropped, with an event. A stranger's request pins nothing until it is accepted.
   */
  receive(offer: Offer, events: EventLog): void {
    const { from, friendship: theirs } = offer;
    if (!equal(theirs.domain, this.#session.domain)) return;
    const waiting = this.#requests.find((other) => other.name === from.name);
    const another = waiting !== undefined && !isSamePerson(waiting.identity, from);
    if (!this.#people.agrees(from) || (another && !this.#people.knows(from))) return this.#people.flag(from, events);
    const request = { name: from.name, identity: from, friendship: theirs };
    this.#requests = [...without(this.#requests, from), request];
    if (waiting === undefined || another) events.add("contactRequest", { name: Buffer.from(from.name) });
  }

  /** The waiting request of `identity`. ClientError `contact/unknown`, `contact/changed`. */
  request(identity: Identity): Contact {
    const found = this.#requests.find((other) => other.name === identity.name);
    if (found === undefined) throw new ClientError("contact/unknown");
    const same = isSamePerson(found.identity, identity) && this.#people.agrees(identity);
    if (!same) throw new ClientError("contact/changed");
    return found;
  }

  /** The contact called `name`. ClientError `contact/unknown`. */
  get(name: string): Contact {
    const found = this.#contacts.find((other) => other.name === name);
    if (found === undefined) throw new ClientError("contact/unknown");
    return found;
  }

  /** Makes a request's sender a contact. ClientError `contact/changed`, `contact/limit`. */
  accept(request: Contact): void {
    this.#people.pin(request.identity);
    this.#requests = without(this.#requests, request.identity);
    this.#asked = this.#asked.filter((other) => other.name !== request.name);
    this.#contacts = [...without(this.#contacts, request.identity), request];
  }

  /** A friendship that a verified member of a group sent: it counts only from somebody who was asked. */
  befriended(from: Identity, theirs: Friendship, events: EventLog): void {
    if (!this.#asked.some((other) => isSamePerson(other, from)) || !equal(theirs.domain, this.#session.domain)) return;
    this.#asked = this.#asked.filter((other) => !isSamePerson(other, from));
    const contact = { name: from.name, identity: from, friendship: keepFriendship(theirs) };
    this.#contacts = [...without(this.#contacts, from), contact];
    events.add("contactAdded", { name: Buffer.from(from.name) });
  }
}
