// Array-based tree arithmetic (RFC 9420 appendix C): leaves are even, a full tree of n leaves has 2n - 1 nodes.
export const isLeaf = (node: number): boolean => (node & 1) === 0;

export function level(node: number): number {
  let k = 0;
  while ((node >> k) & 1) k++;
  return k;
}

export const left = (node: number): number => node ^ (1 << (level(node) - 1));
export const right = (node: number): number => node ^ (3 << (level(node) - 1));

export function parentOf(node: number): number {
  const k = level(node);
  return (node | (1 << k)) & ~(1 << (k + 1));
}

/** Root of a full tree of `size` nodes. */
export const rootOf = (size: number): number => (size - 1) >> 1;

/** The nodes above `node`, lowest first, root included. */
export function directPath(node: number, size: number): number[] {
  const path: number[] = [];
  for (let x = node; x !== rootOf(size);) path.push((x = parentOf(x)));
  return path;
}

/** First and last leaf index below `node`. */
export function leafRange(node: number): [first: number, last: number] {
  const reach = (1 << level(node)) - 1;
  return [(node - reach) / 2, (node + reach) / 2];
}
