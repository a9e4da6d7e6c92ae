// The one writer: gathers what is queued into one batch with its head record, and answers when the batch is durable.
import { Fault } from "../fault.ts";
import type { Anchor } from "./anchor.ts";
import type { Operation, StoreDriver } from "./driver.ts";
import { type Head, type Journal, sameHead } from "./journal.ts";
import { Layer, type Unwritten } from "./layer.ts";

/** What the head's digest must lose with a write: the record's sealed value, undefined where there is none. */
export type Before = Buffer | undefined | typeof UNREAD;
/** The writer looks it up by itself. */
export const UNREAD: unique symbol = Symbol("unread");

export interface Write extends Unwritten {
  /**
   * What lies there once all writes that were queued earlier are done. Only for what the caller read while it held the
   * name's lock, or knows by the lock under which a row is numbered: a wrong value spoils the head for good.
   */
  readonly before: Before;
}

/** A queued write that reads must see; whoever saw it must not answer before `durable` resolves. */
export interface Pending extends Write {
  readonly durable: Promise<void>;
}

/** Gives the same records in another form, read while no batch is being written. */
type Rewriting = () => Promise<Operation[]>;

interface Waiting {
  readonly pending: Pending[];
  readonly rewriting?: Rewriting;
  readonly bytes: number;
  readonly resolve: () => void;
  readonly reject: (fault: Fault) => void;
}

// One batch holds at most this much; a larger queue waits for the next. Bytes of values, and operations.
const GROUP_BYTES = 2 << 20;
const GROUP_OPERATIONS = 4096;
// Changes that are digested in one go: about two milliseconds.
const DIGEST_AT_ONCE = 1024;

export class Writer {
  readonly pending = new Layer<Pending>();
  readonly #driver: StoreDriver;
  readonly #journal: Journal;
  readonly #anchor: Pick<Anchor, "write">;
  readonly #failed: (() => void) | undefined;
  #head: Head;
  #attempted: Head | undefined;
  #queue: Waiting[] = [];
  #running: Promise<void> | undefined;
  #refused: Fault | undefined;
  #generation = 0;
  #changes = 0;

  /** `failed` is told when no write will be taken any more. */
  constructor(driver: StoreDriver, journal: Journal, anchor: Pick<Anchor, "write">, head: Head, failed?: () => void) {
    this.#driver = driver;
    this.#journal = journal;
    this.#anchor = anchor;
    this.#head = head;
    this.#failed = failed;
  }

  /** Batches written since the writer was made that changed a record. */
  get changes(): number {
    return this.#changes;
  }

  /** Where the head lies. */
  get headKey(): Buffer {
    return this.#journal.key;
  }

  /** Changes when a batch fails: what was read before may then never have become durable. */
  get generation(): number {
    return this.#generation;
  }

  /**
   * Queues one atomic set of writes behind all earlier ones; they are visible in `pending` when this returns. Resolves
   * when durable. `generation` is the one in which the caller began to read; Fault `store/write` when it has passed.
   */
  queue(writes: readonly Write[], generation: number): Promise<void> {
    if (this.#refused !== undefined) throw this.#refused;
    if (generation !== this.#generation) throw new Fault("store/write");
    let resolve = (): void => {};
    let reject: (fault: Fault) => void = () => {};
    const durable = new Promise<void>((yes, no) => {
      resolve = yes;
      reject = no;
    });
    durable.catch(() => {}); // whoever queued it awaits it; readers may or may not
    let bytes = 0;
    const pending = writes.map(({ key, text, value, ordered, before }) => {
      const entry: Pending = { key, text, value, ordered, before, durable };
      this.pending.set(entry);
      bytes += value?.length ?? 0;
      return entry;
    });
    this.#queue.push({ pending, bytes, resolve, reject });
    this.#running ??= this.#run();
    return durable;
  }

  /**
   * Runs `rewriting` between two batches, so that what it reads in the database is what lies there, and writes what it
   * gives: records whose seals are the same, of which the head's digest need not know. Resolves when durable.
   */
  rewrite(rewriting: Rewriting): Promise<void> {
    if (this.#refused !== undefined) throw this.#refused;
    return new Promise((resolve, reject) => {
      this.#queue.push({ pending: [], rewriting, bytes: 0, resolve, reject });
      this.#running ??= this.#run();
    });
  }

  async #run(): Promise<void> {
    while (this.#queue.length > 0) {
      const group = this.#take();
      try {
        await this.#write(group);
        for (const { pending } of group) for (const entry of pending) this.pending.remove(entry);
        for (const { resolve } of group) resolve();
      } catch (error) {
        this.#refuse(group, error);
      }
      // Clients that waited for one batch come back together: let all of them queue before the next one starts.
      if (group.length > 1) await new Promise(setImmediate);
    }
    this.#running = undefined; // in the same turn as the last look at the queue: nothing can be stranded
  }

  #take(): Waiting[] {
    const group: Waiting[] = [];
    let bytes = 0;
    let operations = 0;
    for (const next of this.#queue) {
      bytes += next.bytes;
      operations += next.pending.length;
      if (group.length > 0 && (next.rewriting || bytes > GROUP_BYTES || operations > GROUP_OPERATIONS)) break;
      group.push(next);
      if (next.rewriting) break;
    }
    this.#queue.splice(0, group.length);
    return group;
  }

  async #write(group: readonly Waiting[]): Promise<void> {
    if (this.#attempted !== undefined) await this.#settle(this.#attempted);
    const rewriting = group[0]?.rewriting;
    const operations = rewriting === undefined ? lastOf(group) : await rewriting();
    if (operations.length === 0) return;
    const records = rewriting === undefined ? await this.#recordsBefore(group) : [];
    if (rewriting === undefined) for (const operation of operations) records.push(operation);
    let set = this.#head.set;
    for (let at = 0; at < records.length; at += DIGEST_AT_ONCE) {
      if (at > 0) await new Promise(setImmediate);
      set = this.#journal.digest(set, records.slice(at, at + DIGEST_AT_ONCE));
    }
    const [head, record] = this.#journal.together(() => {
      const next = this.#journal.advance(this.#head, set);
      return [next, this.#journal.operation(next)] as const;
    });
    this.#attempted = head;
    operations.push(record);
    await this.#driver.commit(operations);
    this.#anchor.write(head);
    this.#attempted = undefined;
    this.#head = head;
    if (rewriting === undefined) this.#changes++;
  }

  // What the database holds where this group writes. What the first write of a key knows is what is there.
  async #recordsBefore(group: readonly Waiting[]): Promise<Operation[]> {
    const seen = group.length > 1 ? new Set<string>() : undefined;
    const records: Operation[] = [];
    const unread: Buffer[] = [];
    for (const { pending } of group) {
      for (const { key, text, before } of pending) {
        if (seen?.has(text) === true) continue;
        seen?.add(text);
        if (before === UNREAD) unread.push(key);
        else if (before !== undefined) records.push({ key, value: before });
      }
    }
    if (unread.length > 0) {
      const found = await this.#driver.getMany(unread);
      unread.forEach((key, i) => records.push({ key, value: found[i] }));
    }
    return records;
  }

  // After a failed write the database holds all of the batch or nothing; anything else means records were lost.
  async #settle(attempted: Head): Promise<void> {
    await this.#driver.recover();
    const found = this.#journal.open(await this.#driver.get(this.#journal.key));
    const written = sameHead(found, attempted);
    if (!written && !sameHead(found, this.#head)) throw new Fault("store/corrupt");
    this.#head = found;
    this.#attempted = undefined;
    // It may have come to light only now: what was read since the failure, and is about to be written, knows nothing of it.
    if (written) throw new Fault("store/write");
  }

  // All that is queued behind a failed batch may have read what it never wrote.
  #refuse(group: readonly Waiting[], error: unknown): void {
    const fault = error instanceof Fault ? error : new Fault("store/write");
    if (fault.code === "store/corrupt" && this.#refused === undefined) {
      this.#refused = fault;
      this.#failed?.();
    }
    this.#generation++;
    this.pending.clear();
    for (const { reject } of [...group, ...this.#queue.splice(0)]) reject(fault);
  }

  /** Resolves when nothing is queued any more. */
  async drain(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
  }

  /** Refuses new writes with `store/closed` and waits for those that are queued. */
  async close(): Promise<void> {
    this.#refused ??= new Fault("store/closed");
    await this.drain();
  }
}

/** The last write of each key. A transaction writes a key once. */
function lastOf(group: readonly Waiting[]): Operation[] {
  const [only, ...others] = group;
  if (only !== undefined && others.length === 0) return [...only.pending];
  const last = new Map<string, Operation>();
  for (const { pending } of group) for (const write of pending) last.set(write.text, write);
  return [...last.values()];
}
