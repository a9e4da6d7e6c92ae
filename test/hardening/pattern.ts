// Bytes that a parent and its child both reckon, so that nobody has to hand them over.

/** Two that caches of threads would take, and one beyond. */
export const SIZES = [200, 600, 4000] as const;

/** Byte `at` of the sequence `seed`, which no other has. */
export const patternAt = (seed: number, at: number): number =>
  (Math.imul(Math.imul(at + seed, 0x9e3779b1) ^ (seed >>> 3), 0x85ebca77) >>> 13) & 0xff;
