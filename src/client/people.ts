// Who stands behind which name: the first verified identity under a name is the one it means here from then on.
import { bytes, fixed, list, struct } from "../wire/codec.ts";
import { NAME_MAX } from "../wire/documents.ts";
import type { Account } from "./account.ts";
import { isSamePerson, type Identity } from "./credentials.ts";
import { ClientError } from "./errors.ts";
import type { EventLog } from "./events.ts";
import { entry, type Entry } from "./sections.ts";
import type { Session } from "./session.ts";

const SECTION = "people";
/** Never forgotten to make room: whoever could push a pin out could take its name. */
const KNOWN = 8192;
/** Of those who came under another's name, to tell of each once. */
const FLAGGED = 1024;

const pin = struct({ name: bytes(NAME_MAX), userId: fixed(16), clientKey: fixed(32) });
const record = struct({ known: list(pin, KNOWN), flagged: list(pin, FLAGGED) });

/** What of an identity must stay the same under its name. A renewed credential of the same client key is the same. */
type Pin = Pick<Identity, "name" | "userId" | "clientKey">;

const pinOf = ({ name, userId, clientKey }: Pin): Pin => ({
  name,
  userId: Buffer.from(userId),
  clientKey: Buffer.from(clientKey),
});
const toRecord = ({ name, ...keys }: Pin) => ({ name: Buffer.from(name), ...keys });
const fromRecord = ({ name, ...keys }: Omit<Pin, "name"> & { readonly name: Uint8Array }): Pin =>
  pinOf({ name: Buffer.from(name).toString("latin1"), ...keys });

/**
 * The server signs credentials, so a second key under a known name may be the server's own: it is never taken up
 * silently. Nobody but this client has its own name.
 */
export class People {
  readonly #session: Session;
  readonly #account: Account;
  #known: readonly Pin[] = [];
  #flagged: readonly Pin[] = [];

  constructor(session: Session, account: Account) {
    this.#session = session;
    this.#account = account;
  }

  async load(): Promise<void> {
    const saved = await this.#session.sections.load(SECTION, record);
    if (saved === undefined) return;
    this.#known = saved.known.map(fromRecord);
    this.#flagged = saved.flagged.map(fromRecord);
  }

  entry(): Entry {
    return entry(SECTION, record, { known: this.#known.map(toRecord), flagged: this.#flagged.map(toRecord) });
  }

  /** What puts back the state of now. */
  snapshot(): () => void {
    const before = [this.#known, this.#flagged] as const;
    return () => ([this.#known, this.#flagged] = before);
  }

  /** True when this very identity is the one known by its name. */
  knows(identity: Pin): boolean {
    const found = this.#find(identity.name);
    return found !== undefined && isSamePerson(found, identity);
  }

  /** True unless somebody else is known by the identity's name. */
  agrees(identity: Pin): boolean {
    return this.knows(identity) || this.#find(identity.name) === undefined;
  }

  /** Pins a verified identity to its name. ClientError `contact/changed`, `contact/limit`. */
  pin(identity: Pin): void {
    if (!this.agrees(identity)) throw new ClientError("contact/changed");
    if (this.knows(identity)) return;
    if (this.#known.length === KNOWN) throw new ClientError("contact/limit");
    this.#known = [...this.#known, pinOf(identity)];
  }

  /** Pins an identity that others show us; false, and an event, when it is not to be believed. */
  meet(identity: Pin, events: EventLog): boolean {
    if (!this.agrees(identity)) {
      this.flag(identity, events);
      return false;
    }
    if (this.#known.length === KNOWN && !this.knows(identity)) return false;
    this.pin(identity);
    return true;
  }

  /** Tells, once, that this identity came under a name that means somebody else. */
  flag(identity: Pin, events: EventLog): void {
    if (this.#flagged.some((other) => isSamePerson(other, identity))) return;
    this.#flagged = [...this.#flagged.slice(1 - FLAGGED), pinOf(identity)];
    events.add("identityChanged", { name: Buffer.from(identity.name) });
  }

  /** Whoever has the name now can be met anew. */
  forget(name: string): void {
    const others = (pins: readonly Pin[]): Pin[] => pins.filter((other) => other.name !== name);
    [this.#known, this.#flagged] = [others(this.#known), others(this.#flagged)];
  }

  #find(name: string): Pin | undefined {
    const own = this.#account.registered ? this.#account.identity : undefined;
    return own?.name === name ? own : this.#known.find((other) => other.name === name);
  }
}
