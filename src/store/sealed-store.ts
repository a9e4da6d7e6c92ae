// The store over any driver: work that is under way, periods dropped whole, turns, and the end.
import { Fault } from "../fault.ts";
import type { Arena } from "../memory/arena.ts";
import { KEY_LENGTH } from "./driver.ts";
import { locate } from "./layer.ts";
import { type Room, shapeOf } from "./rooms.ts";
import type { Store, Transaction, View } from "./store.ts";
import { type Machinery, runWork } from "./transaction.ts";
import { turn } from "./turn.ts";
import { UNREAD, type Write } from "./writer.ts";

const DROP_AT_ONCE = 1024;
const DROP_BYTES = 4 << 20;

/** A store over any driver; `release` gives back what the machinery holds. */
export class SealedStore implements Store {
  readonly #machinery: Machinery;
  readonly #release: () => Promise<void>;
  readonly #active = new Set<Promise<unknown>>();
  #closing: Promise<void> | undefined;
  #erasing: Promise<void> = Promise.resolve();
  #erased = -1;

  constructor(machinery: Machinery, release: () => Promise<void>) {
    this.#machinery = machinery;
    this.#release = release;
  }

  transact<T>(arena: Arena, work: (tx: Transaction) => Promise<T>): Promise<T> {
    return this.#track(() => runWork(this.#machinery, arena, work));
  }

  read<T>(arena: Arena, work: (view: View) => Promise<T>): Promise<T> {
    return this.#track(() => runWork(this.#machinery, arena, work));
  }

  dropPartition(room: Room, partition: number): Promise<number> {
    if (shapeOf(room).expires !== true) throw new TypeError(`${room} does not expire`);
    return this.#track(async () => {
      const { driver, sealing, writer } = this.#machinery;
      const prefix = sealing.partition(room, partition);
      const from = Buffer.concat([prefix, Buffer.alloc(KEY_LENGTH - prefix.length)]);
      const to = Buffer.concat([prefix, Buffer.alloc(KEY_LENGTH - prefix.length, 0xff)]);
      for (let dropped = 0; ;) {
        await writer.queue([], writer.generation); // durable: everything that was queued before
        const entries = await driver.range(from, to, DROP_AT_ONCE, DROP_BYTES);
        if (entries.length === 0) return dropped;
        const writes = entries.map(({ key }): Write => {
          return { ...locate(key), value: undefined, ordered: false, before: UNREAD };
        });
        await writer.queue(writes, writer.generation);
        dropped += entries.length;
      }
    });
  }

  erase(): Promise<void> {
    if (this.#closing !== undefined) return Promise.reject(new Fault("store/closed"));
    this.#erasing = this.#erasing.then(
      () => this.#turn(),
      () => this.#turn(),
    );
    return this.#erasing;
  }

  async #turn(): Promise<void> {
    const { turnKeys, writer } = this.#machinery;
    const quiet = async (): Promise<void> => void (await Promise.allSettled(this.#active));
    const whole = (): Promise<void> => turn(this.#machinery, quiet, () => this.#closing === undefined);
    // One that was interrupted began before what is to be erased now was written.
    if (turnKeys.ids.length > 1) await whole();
    const { changes } = writer;
    if (changes === this.#erased) return;
    await whole();
    this.#erased = changes;
  }

  close(): Promise<void> {
    this.#closing ??= (async () => {
      await Promise.allSettled([...this.#active, this.#erasing]);
      await this.#machinery.writer.close();
      this.#machinery.sealing.destroy();
      await this.#release();
    })();
    return this.#closing;
  }

  async #track<T>(work: () => Promise<T>): Promise<T> {
    if (this.#closing !== undefined) throw new Fault("store/closed");
    const running = work();
    this.#active.add(running);
    try {
      return await running;
    } finally {
      this.#active.delete(running);
    }
  }
}
