// Messages that are longer than an item: their parts, kept until the last one has come.
import { bytes, decode, list, struct, u8, type ValueOf } from "../wire/codec.ts";
import { ITEM_PART_MAX, itemPart, MESSAGE_MAX } from "../wire/documents.ts";
import { entry, type Entry } from "./sections.ts";
import type { Session } from "./session.ts";

const SECTION = "series";
/** Parts of the longest message there is. */
const PARTS_MAX = Math.ceil((MESSAGE_MAX + 5) / ITEM_PART_MAX);

const record = struct({ count: u8, parts: list(bytes(ITEM_PART_MAX), PARTS_MAX) });
const NONE: ValueOf<typeof record> = { count: 0, parts: [] };

/** One message at a time, its parts in their order and nothing between them: that is how the queue takes them. */
export class ItemSeries {
  readonly #session: Session;
  #record = NONE;

  constructor(session: Session) {
    this.#session = session;
  }

  async load(): Promise<void> {
    this.#record = (await this.#session.sections.load(SECTION, record)) ?? NONE;
  }

  entry(): Entry {
    return this.waiting ? entry(SECTION, record, this.#record) : { section: SECTION, write: undefined };
  }

  /** What puts back the state of now. */
  snapshot(): () => void {
    const before = this.#record;
    return () => (this.#record = before);
  }

  /** True while a message is here in part. */
  get waiting(): boolean {
    return this.#record.count > 0;
  }

  /**
   * Takes the next part: the whole message (a queueItem), or undefined when more is to come or the part fits to nothing.
   * `broken` then says that a message was lost.
   */
  take(message: Uint8Array): { readonly whole: Buffer | undefined; readonly broken: boolean } {
    const part = readPart(message);
    const { count, parts } = this.#record;
    const follows = part !== undefined && part.index === parts.length && (count === 0 || part.count === count);
    // The first part of another message: the one before has a gap.
    const begins = part?.index === 0;
    const broken = part === undefined || (!follows && (count > 0 || !begins));
    this.drop();
    if (part === undefined || (!follows && !begins)) return { whole: undefined, broken };
    const all = follows ? [...parts, Buffer.from(part.bytes)] : [Buffer.from(part.bytes)];
    if (all.length === part.count) return { whole: Buffer.concat(all), broken };
    this.#record = { count: part.count, parts: all };
    return { whole: undefined, broken };
  }

  /** Gives up what is here in part. */
  drop(): void {
    this.#record = NONE;
  }
}

function readPart(message: Uint8Array): ValueOf<typeof itemPart> | undefined {
  try {
    const part = decode(itemPart, message);
    return part.index < part.count && part.count <= PARTS_MAX ? part : undefined;
  } catch {
    return undefined;
  }
}
