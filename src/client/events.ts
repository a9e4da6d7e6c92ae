// What happened, kept until the app has surely had it: an event leaves the state when the app asks for the next ones.
import { bytes, fixed, list, struct, u8, type ValueOf } from "../wire/codec.ts";
import { NAME_MAX } from "../wire/documents.ts";
import { entry, type Entry } from "./sections.ts";
import type { Session } from "./session.ts";

const SECTION = "events";

export const eventKinds = {
  message: 1,
  contactRequest: 2,
  contactAdded: 3,
  memberAdded: 4,
  memberRemoved: 5,
  joinedGroup: 6,
  removedFromGroup: 7,
  identityChanged: 8,
  missedMessages: 9,
  leftGroup: 10,
  groupDiverged: 11,
  groupRecovered: 12,
  groupLost: 13,
  contactReset: 14,
  devicesChanged: 15,
  contactRenamed: 16,
  contactRefused: 17,
  deletionBegun: 18,
  presence: 19,
  read: 20,
  accountEnded: 21,
} as const;
export type EventKind = keyof typeof eventKinds;

/** `leafKey`: of the member it is about, all zeros where it is about none. Unused byte fields are empty. */
const stored = struct({
  kind: u8,
  groupId: fixed(16),
  leafKey: fixed(32),
  name: bytes(NAME_MAX),
  text: bytes(4096),
});
const record = struct({ events: list(stored, 65535) });
export type StoredEvent = ValueOf<typeof stored>;

export class EventLog {
  readonly #session: Session;
  #events: readonly StoredEvent[] = [];
  #given = 0;

  constructor(session: Session) {
    this.#session = session;
  }

  async load(): Promise<void> {
    this.#events = (await this.#session.sections.load(SECTION, record))?.events ?? [];
  }

  entry(): Entry {
    return entry(SECTION, record, { events: this.#events });
  }

  get waiting(): boolean {
    return this.#events.length > this.#given;
  }

  /** What puts back the state of now. */
  snapshot(): () => void {
    const before = this.#events;
    return () => (this.#events = before);
  }

  add(kind: EventKind, about: Partial<Omit<StoredEvent, "kind">>): void {
    const groupId = Buffer.from(about.groupId ?? Buffer.alloc(16));
    const leafKey = Buffer.from(about.leafKey ?? Buffer.alloc(32));
    const name = Buffer.from(about.name ?? "");
    const text = Buffer.from(about.text ?? "");
    this.#events = [...this.#events, { kind: eventKinds[kind], groupId, leafKey, name, text }];
  }

  /** Forgets what was given before: the app asks again, so it has dealt with it. */
  async settle(): Promise<void> {
    if (this.#given === 0) return;
    this.#events = this.#events.slice(this.#given);
    this.#given = 0;
    await this.#session.sections.save(this.entry());
  }

  /** All events in their order; given again after a crash until `settle`. */
  give(): readonly StoredEvent[] {
    this.#given = this.#events.length;
    return this.#events;
  }
}
