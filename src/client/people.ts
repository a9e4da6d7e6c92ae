// Who stands behind which name: the first verified identity under a name is the one it means here from then on, and only
// a list that one of its keys has signed changes its keys.
import { equal } from "../memory/locked.ts";
import { bytes, fixed, list, struct } from "../wire/codec.ts";
import { CLIENT_LIST_MAX, NAME_MAX } from "../wire/documents.ts";
import type { Account } from "./account.ts";
import { knownClientList, readClientList, signerWithin, userIdOf, type ClientList } from "./client-list.ts";
import type { Identity } from "./credentials.ts";
import { ClientError } from "./errors.ts";
import type { EventLog } from "./events.ts";
import { entry, type Entry } from "./sections.ts";
import type { Session } from "./session.ts";

const SECTION = "people";
/** Never forgotten to make room: whoever could push a pin out could take its name. */
const KNOWN = 8192;
/** Bytes of all pins: what a client saves at once holds them. */
const ROOM = 900_000;
/** Of those who came under another's name, to tell of each once. */
const FLAGGED = 1024;

const pin = struct({
  name: bytes(NAME_MAX),
  userId: fixed(16),
  clientKey: fixed(32),
  clientList: bytes(CLIENT_LIST_MAX),
});
const flag = struct({ name: bytes(NAME_MAX), userId: fixed(16), clientKey: fixed(32) });
const record = struct({ known: list(pin, KNOWN), flagged: list(flag, FLAGGED) });
const EMPTY = Buffer.alloc(0);

/** What of an identity counts here. A renewed credential of the same client key is the same. */
type Seen = Pick<Identity, "name" | "userId" | "clientKey">;

interface Index {
  readonly of: readonly Pin[];
  readonly users: Map<string, Pin>;
  readonly names: Map<string, Pin>;
}

interface Pin extends Seen {
  /** Nothing until one was seen. */
  readonly list: ClientList | undefined;
}

const seenOf = ({ name, userId, clientKey }: Seen): Seen => ({
  name,
  userId: Buffer.from(userId),
  clientKey: Buffer.from(clientKey),
});
const toRecord = ({ name, ...keys }: Seen) => ({ name: Buffer.from(name), ...keys });
const nameOf = (name: Uint8Array): string => Buffer.from(name).toString("latin1");

const keysOf = ({ clientKey, list: known }: Pin): readonly Uint8Array[] => known?.clients ?? [clientKey];
const keyOf = (userId: Uint8Array): string => Buffer.from(userId).toString("latin1");
const isAmong = (key: Uint8Array, keys: readonly Uint8Array[]): boolean => keys.some((one) => equal(one, key));
const sizeOf = ({ name, list: known }: Pin): number => 4 + name.length + 16 + 32 + 4 + (known?.document.length ?? 0);

/**
 * The server signs credentials, so a second key under a known name may be the server's own: it is never taken up
 * silently. Nobody but this user has its own name.
 */
export class People {
  readonly #session: Session;
  readonly #account: Account;
  #known: readonly Pin[] = [];
  #index: Index | undefined;
  /** Bytes of all of them. */
  #size = 0;
  #flagged: readonly Seen[] = [];

  constructor(session: Session, account: Account) {
    this.#session = session;
    this.#account = account;
  }

  async load(): Promise<void> {
    const saved = await this.#session.sections.load(SECTION, record);
    if (saved === undefined) return;
    this.#known = saved.known.map(({ clientList, ...keys }) => ({
      ...seenOf({ ...keys, name: nameOf(keys.name) }),
      list: clientList.length === 0 ? undefined : knownClientList(clientList),
    }));
    this.#size = this.#known.reduce((sum, one) => sum + sizeOf(one), 0);
    this.#flagged = saved.flagged.map(({ name, ...keys }) => seenOf({ ...keys, name: nameOf(name) }));
  }

  entry(): Entry {
    const known = this.#known.map(({ list: lists, ...seen }) => ({
      ...toRecord(seen),
      clientList: lists?.document ?? EMPTY,
    }));
    return entry(SECTION, record, { known, flagged: this.#flagged.map(toRecord) });
  }

  /** What puts back the state of now. */
  snapshot(): () => void {
    const before = [this.#known, this.#flagged, this.#size] as const;
    return () => ([this.#known, this.#flagged, this.#size] = before);
  }

  /** True when this is a client of the user who is known here, and known by this name if by any. */
  knows(identity: Seen): boolean {
    const found = this.#of(identity.userId);
    return found !== undefined && isAmong(identity.clientKey, keysOf(found)) && !this.#isAnothers(identity);
  }

  /** True unless somebody else is known by the identity's name, or its user by other keys. */
  agrees(identity: Seen): boolean {
    const found = this.#of(identity.userId);
    const known = found === undefined || isAmong(identity.clientKey, keysOf(found));
    return known && !this.#isAnothers(identity);
  }

  /** The client list that is known of a user. */
  listOf(userId: Uint8Array): ClientList | undefined {
    return this.#of(userId)?.list;
  }

  /** The name by which a user is known. */
  nameOf(userId: Uint8Array): string | undefined {
    return this.#of(userId)?.name;
  }

  /** The user who is known by a name, other than the own. */
  userOf(name: string): Uint8Array | undefined {
    return this.#known.find((other) => other.name === name)?.userId;
  }

  /** Pins a verified identity to its name, with the client list that came with it. ClientError `contact/changed`, `contact/limit`. */
  pin(identity: Seen, clientList: Uint8Array = EMPTY): void {
    if (!this.agrees(identity)) throw new ClientError("contact/changed");
    if (this.#of(identity.userId) !== undefined) return;
    const fresh = { ...seenOf(identity), list: this.#read(identity, clientList) };
    if (!this.#hasRoom(fresh)) throw new ClientError("contact/limit");
    this.#add(fresh);
  }

  /** Pins an identity that others show us; false, and an event, when it is not to be believed. */
  meet(identity: Seen, events: EventLog, clientList: Uint8Array = EMPTY): boolean {
    this.learn(identity, clientList, events);
    if (!this.agrees(identity)) {
      this.flag(identity, events);
      return false;
    }
    if (this.#of(identity.userId) === undefined) {
      const fresh = { ...seenOf(identity), list: this.#read(identity, clientList) };
      if (!this.#hasRoom(fresh)) return false;
      this.#add(fresh);
    }
    return true;
  }

  /**
   * Takes a later client list of a known user up, if one of the keys known here has signed it, or its recovery key; or,
   * where no list is known yet, the known client says so (`vouched`: it came in what `identity` has signed).
   */
  learn(identity: Seen, clientList: Uint8Array, events: EventLog, vouched = true): void {
    const before = this.#of(identity.userId);
    const next = before && this.#read(identity, clientList);
    if (before === undefined || next === undefined) return;
    if (this.#isOwn(identity)) return this.#account.learn(next, events);
    const by =
      before.list === undefined ? this.#firstBy(before, next, identity, vouched) : signerWithin(next, before.list);
    if (by === undefined) return;
    const after = { ...before, list: next };
    if (!this.#hasRoom(after, before)) return;
    const known = this.#known.map((other) => (other === before ? after : other));
    this.#set(known, sizeOf(after) - sizeOf(before));
    const [old, now] = [keysOf(before), keysOf(after)];
    const unchanged = old.length === now.length && old.every((key) => isAmong(key, now));
    const name = Buffer.from(before.name);
    if (by === "recovery") events.add("contactReset", { name });
    else if (!unchanged) events.add("devicesChanged", { name });
  }

  // The user id is made of the first client's key and the first recovery key, which shows who the latter is.
  #firstBy(before: Pin, next: ClientList, by: Seen, vouched: boolean): "client" | "recovery" | undefined {
    if (equal(next.signer, before.clientKey)) return "client";
    if (vouched && equal(by.clientKey, before.clientKey)) return "client";
    const made = userIdOf(this.#session.domain, before.clientKey, next.signer);
    return next.number > 1 && equal(made, before.userId) ? "recovery" : undefined;
  }

  #read({ userId, clientKey }: Seen, document: Uint8Array): ClientList | undefined {
    if (document.length === 0) return undefined;
    try {
      const found = readClientList(document, { domain: this.#session.domain, userId });
      return isAmong(clientKey, found.clients) ? found : undefined;
    } catch {
      return undefined;
    }
  }

  /** A known client of a user says that its user has another name now. False when the name is somebody else's. */
  rename(identity: Seen, events: EventLog): boolean {
    const before = this.#of(identity.userId);
    if (before === undefined || !this.knows(identity)) return false;
    if (before.name === identity.name) return true;
    const old = Buffer.from(before.name);
    this.#known = this.#known.map((other) => (other === before ? { ...other, name: identity.name } : other));
    events.add("contactRenamed", { name: Buffer.from(identity.name), text: old });
    return true;
  }

  /** Tells, once, that this identity came under a name that means somebody else. */
  flag(identity: Seen, events: EventLog): void {
    const isIt = ({ name, userId, clientKey }: Seen): boolean =>
      name === identity.name && equal(userId, identity.userId) && equal(clientKey, identity.clientKey);
    if (this.#flagged.some(isIt)) return;
    this.#flagged = [...this.#flagged.slice(1 - FLAGGED), seenOf(identity)];
    events.add("identityChanged", { name: Buffer.from(identity.name) });
  }

  /** Whoever has the name now can be met anew. */
  forget(name: string): void {
    this.#known = this.#known.filter((other) => other.name !== name);
    this.#size = this.#known.reduce((sum, one) => sum + sizeOf(one), 0);
    this.#flagged = this.#flagged.filter((other) => other.name !== name);
  }

  #hasRoom(fresh: Pin, instead?: Pin): boolean {
    const size = this.#size + sizeOf(fresh) - (instead === undefined ? 0 : sizeOf(instead));
    return (instead !== undefined || this.#known.length < KNOWN) && size <= ROOM;
  }

  #set(known: readonly Pin[], added: number): void {
    this.#known = known;
    this.#size += added;
  }

  #add(fresh: Pin): void {
    const index = this.#found;
    this.#set([...this.#known, fresh], sizeOf(fresh));
    this.#index = { of: this.#known, users: index.users.set(keyOf(fresh.userId), fresh), names: index.names };
    index.names.set(fresh.name, fresh);
  }

  // Made anew where the list was replaced as a whole. Ids of people on this very client's machine, no secrets.
  get #found(): Index {
    if (this.#index?.of === this.#known) return this.#index;
    const users = new Map(this.#known.map((one) => [keyOf(one.userId), one]));
    const names = new Map(this.#known.map((one) => [one.name, one]));
    return (this.#index = { of: this.#known, users, names });
  }

  #isAnothers({ name, userId }: Seen): boolean {
    const own = this.#own;
    if (own?.name === name) return !equal(own.userId, userId);
    const found = this.#found.names.get(name);
    return found !== undefined && !equal(found.userId, userId);
  }

  #of(userId: Uint8Array): Pin | undefined {
    const own = this.#own;
    return own !== undefined && equal(own.userId, userId) ? own : this.#found.users.get(keyOf(userId));
  }

  #isOwn({ userId }: Seen): boolean {
    return this.#account.registered && equal(this.#account.identity.userId, userId);
  }

  get #own(): Pin | undefined {
    const { registered } = this.#account;
    return registered ? { ...this.#account.identity, list: this.#account.clientList } : undefined;
  }
}
