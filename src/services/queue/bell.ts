// Who waits for which queue. Rung after an item is durable; knows no item, writes nothing, forgets by itself.
import { lockedAlloc } from "../../memory/locked.ts";
import { SecureMap } from "../../memory/secure-map.ts";

const ID_LENGTH = 16;

interface Waiting {
  readonly slot: number;
  readonly wake: Promise<void>;
  readonly ring: () => void;
  readers: number;
  until: number;
}

/** At most `capacity` queues are waited for at once. */
export class Bell {
  readonly #slots: SecureMap;
  readonly #ids: Buffer;
  readonly #free: number[];
  // By slot, in the order in which their waits end.
  readonly #waiting = new Map<number, Waiting>();
  readonly #seconds: number;

  /** `seconds`: how long a wait lasts; what is older is forgotten at the next `wait`. */
  constructor(seconds: number, capacity = 4096) {
    this.#seconds = seconds;
    this.#slots = new SecureMap(ID_LENGTH, capacity);
    this.#ids = lockedAlloc(ID_LENGTH * capacity);
    this.#free = Array.from({ length: capacity }, (_, i) => capacity - 1 - i);
  }

  /** Queues that are waited for now. */
  get size(): number {
    return this.#waiting.size;
  }

  /**
   * Resolves when the queue's bell rings next. Call before reading the queue, so that nothing is missed in between; all
   * readers of a queue share one wake-up. Undefined when too many wait. `now` in Unix seconds.
   */
  wait(queueId: Uint8Array, now: number): Promise<void> | undefined {
    this.#forget(now);
    const until = now + this.#seconds;
    const known = this.#of(queueId);
    if (known !== undefined) {
      known.readers++;
      known.until = Math.max(known.until, until); // a reader that waits again counts from when it came
      this.#waiting.delete(known.slot);
      this.#waiting.set(known.slot, known);
      return known.wake;
    }
    const slot = this.#free.pop();
    if (slot === undefined) return undefined;
    let ring = (): void => {};
    const wake = new Promise<void>((resolve) => (ring = resolve));
    this.#id(slot).set(queueId);
    this.#slots.set(queueId, slot);
    this.#waiting.set(slot, { slot, wake, ring, readers: 1, until });
    return wake;
  }

  /** Takes back one `wait` whose reader found something at once. */
  leave(queueId: Uint8Array): void {
    const known = this.#of(queueId);
    if (known !== undefined && --known.readers === 0) this.#drop(known);
  }

  ring(queueId: Uint8Array): void {
    if (this.size === 0) return;
    const known = this.#of(queueId);
    if (known === undefined) return;
    this.#drop(known);
    known.ring();
  }

  #of(queueId: Uint8Array): Waiting | undefined {
    const slot = this.#slots.get(queueId);
    return slot === undefined ? undefined : this.#waiting.get(slot);
  }

  #id(slot: number): Buffer {
    return this.#ids.subarray(slot * ID_LENGTH, (slot + 1) * ID_LENGTH);
  }

  #drop({ slot }: Waiting): void {
    const id = this.#id(slot);
    this.#slots.delete(id);
    id.fill(0);
    this.#waiting.delete(slot);
    this.#free.push(slot);
  }

  #forget(now: number): void {
    for (const waiting of this.#waiting.values()) {
      if (waiting.until > now) return;
      this.#drop(waiting);
    }
  }
}
