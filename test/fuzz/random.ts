// A seeded generator, so that a run can be repeated: sfc32, its state spread from the seed and a name by FNV-1a.

export interface Random {
  /** A uniform integer in [0, bound). */
  below(bound: number): number;
  /** `size` bytes. */
  bytes(size: number): Buffer;
  pick<T>(items: readonly T[]): T;
}

const fnv = (text: string): number => {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(text)) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
};

/** The same `seed` and `name` give the same stream, another name an unrelated one. */
export function seeded(seed: number, name: string): Random {
  let [a, b, c, counter] = [fnv(`${seed}`), fnv(name), fnv(`${name}/${seed}`), 1];
  const next = (): number => {
    const out = (a + b + counter++) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + out;
    return out >>> 0;
  };
  for (let i = 0; i < 15; i++) next();
  const below = (bound: number): number => next() % bound;
  return {
    below,
    bytes(size) {
      const out = Buffer.alloc(size);
      for (let i = 0; i < size; i++) out[i] = next() >>> 24;
      return out;
    },
    pick: (items) => items[below(items.length)]!,
  };
}
