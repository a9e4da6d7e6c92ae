// Notes, test file by test file, which kinds of handle were left open, to name the file that keeps a process alive.

const count = (): Map<string, number> => {
  const kinds = new Map<string, number>();
  for (const kind of process.getActiveResourcesInfo()) kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
  return kinds;
};

const grown = (before: ReadonlyMap<string, number>, after: ReadonlyMap<string, number>): string[] =>
  [...after].filter(([kind, n]) => n > (before.get(kind) ?? 0)).map(([kind]) => kind);

export const makeLeftovers = () => {
  const first = count();
  let last = first;
  const left: { file: string; kinds: string[] }[] = [];
  return {
    /** Call when a file's tests are over. */
    fileDone: (file: string): void => {
      const now = count();
      const kinds = grown(last, now);
      if (kinds.length > 0) left.push({ file, kinds });
      last = now;
    },
    /** What is open now that was not at the start, and the files that left such kinds. */
    look: (): { kept: string[]; suspects: string[] } => {
      const kept = grown(first, count());
      const suspects = left.filter(({ kinds }) => kinds.some((kind) => kept.includes(kind)));
      return { kept, suspects: [...new Set(suspects.map(({ file }) => file))] };
    },
  };
};
