// Request-scoped locked memory: an arena hands out zeroed pieces of pooled slabs and wipes all of them when it closes.
import { Fault } from "../fault.ts";
import { lockedAlloc, wipe } from "./locked.ts";

interface Tier {
  readonly size: number;
  readonly free: Buffer[];
}
interface Slab {
  readonly memory: Buffer;
  readonly tier: Tier;
  used: number;
}

/**
 * Slab sizes and counts, smallest first: one locked region per tier, cut once at start. Bytes. Every connection the
 * listener takes may hold a small and a medium request that is never finished, and others are still served. Large requests
 * have slabs of their own, more than can be under way at once, so that slow ones keep no group's state out. Of the longest
 * states there is room for two that are changed at once: as they were and as they will be.
 */
export const defaultTiers: readonly (readonly [size: number, count: number])[] = [
  [16 << 10, 768],
  [34 << 10, 768],
  [64 << 10, 48],
  [528 << 10, 12],
  [1 << 20, 5],
];
/** Large requests at once. */
export const LARGE_AT_ONCE = 8;

/** A fixed amount of locked memory, shared by all requests. Exhaustion is `server/busy`, never growth. */
export class ArenaPool {
  readonly #tiers: Tier[];
  #open = 0;
  #large = 0;
  /** Bytes of all slabs. */
  readonly size: number;

  constructor(tiers = defaultTiers) {
    this.size = tiers.reduce((sum, [size, count]) => sum + size * count, 0);
    this.#tiers = tiers.map(([size, count]) => {
      const region = lockedAlloc(size * count);
      return { size, free: Array.from({ length: count }, (_, i) => region.subarray(i * size, (i + 1) * size)) };
    });
  }

  /** Arenas that are open now; a test that ends with one open has found a leak. */
  get open(): number {
    return this.#open;
  }

  arena(): Arena {
    this.#open++;
    return new Arena(
      (size) => this.#slab(size),
      (slabs) => this.#give(slabs),
    );
  }

  /** A place among the large requests, to be given back by what is returned, once. Fault `server/busy` when all are taken. */
  enterLarge(): () => void {
    if (this.#large === LARGE_AT_ONCE) throw new Fault("server/busy");
    this.#large++;
    return () => void this.#large--;
  }

  #slab(size: number): Slab {
    for (const tier of this.#tiers) {
      if (tier.size < size) continue;
      const memory = tier.free.pop();
      if (memory !== undefined) return { memory, tier, used: 0 };
    }
    throw new Fault("server/busy");
  }

  #give(slabs: Slab[]): void {
    this.#open--;
    for (const { memory, tier, used } of slabs) {
      wipe(memory.subarray(0, used));
      tier.free.push(memory);
    }
  }
}

const fits = ({ memory, used }: Slab, size: number): boolean => memory.length - used >= size;

/** One request's locked memory. Owner: the code that opened it; whoever it is handed to may take, never close. */
export class Arena {
  readonly #take: (size: number) => Slab;
  readonly #give: (slabs: Slab[]) => void;
  readonly #slabs: Slab[] = [];
  #closed = false;

  constructor(take: (size: number) => Slab, give: (slabs: Slab[]) => void) {
    this.#take = take;
    this.#give = give;
  }

  /** `size` zeroed locked bytes, valid until `close`. Throws Fault `server/busy` when the pool is empty. */
  take(size: number): Buffer {
    if (this.#closed) throw new Fault("memory/exhausted");
    // Most pieces are small and the newest slab has room: a large request has many that are full.
    const newest = this.#slabs.at(-1);
    let slab = newest !== undefined && fits(newest, size) ? newest : this.#slabs.find((s) => fits(s, size));
    if (slab === undefined) this.#slabs.push((slab = this.#take(size)));
    const piece = slab.memory.subarray(slab.used, slab.used + size);
    slab.used += size;
    return piece;
  }

  /** A locked copy of `bytes`. */
  copy(bytes: Uint8Array): Buffer {
    const piece = this.take(bytes.length);
    piece.set(bytes);
    return piece;
  }

  /** Wipes and returns everything. A second call does nothing. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#give(this.#slabs);
  }
}
