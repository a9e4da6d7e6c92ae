// Groups from which nothing is wanted any more: kept by the tags of their handles, told to the house as salted digests.
import { derive } from "../crypto/derive.ts";
import { randomBytes } from "../crypto/random.ts";
import { fixed, list, struct, u32, u8, type ValueOf } from "../wire/codec.ts";
import { BLOCKED_LENGTH, BLOCKED_MAX } from "../wire/operations.ts";
import { QUEUE } from "./circuits.ts";
import type { Inbox } from "./inbox.ts";
import { entry, type Entry } from "./sections.ts";
import type { Session } from "./session.ts";

const SECTION = "blocklist";
const SALT_LENGTH = 32;

/** `number`: of this list at the house; `told`: 0 until the house has answered that it has it. */
const record = struct({ number: u32, tags: list(fixed(BLOCKED_LENGTH), BLOCKED_MAX), told: u8 });
const NONE: ValueOf<typeof record> = { number: 0, tags: [], told: 1 };

export class Blocklist {
  readonly #session: Session;
  #record = NONE;

  constructor(session: Session) {
    this.#session = session;
  }

  async load(): Promise<void> {
    this.#record = (await this.#session.sections.load(SECTION, record)) ?? NONE;
  }

  entry(): Entry {
    return entry(SECTION, record, this.#record);
  }

  /** What puts back the state of now. */
  snapshot(): () => void {
    const before = this.#record;
    return () => (this.#record = before);
  }

  /** Takes a tag up; of too many the oldest is dropped. The list before has been told, or the house would miss this one. */
  add(tag: Uint8Array): void {
    const { number, tags } = this.#record;
    this.#record = { number: number + 1, tags: [...tags, tag].slice(-BLOCKED_MAX), told: 0 };
  }

  /** Tells the house the list as it is, unless it has it. Safe to repeat: of one number the house takes the first. */
  async tell(inbox: Inbox): Promise<void> {
    if (this.#record.told === 1) return;
    const { number, tags } = this.#record;
    const salt = randomBytes(SALT_LENGTH);
    const sorted = tags
      .map((tag) => derive(Buffer.alloc(BLOCKED_LENGTH), "blockedTag", salt, tag))
      .toSorted((a, b) => Buffer.compare(a, b));
    const request = { queueId: inbox.queueId, number, salt, digests: Buffer.concat(sorted) };
    const { call, sections } = this.#session;
    await call({ operation: "qs.block", circuit: QUEUE, request, signer: inbox.signRequest }, () => undefined);
    this.#record = { number, tags, told: 1 };
    await sections.save(this.entry());
  }
}
