// Rules about the tree itself that no linter has: what may lie where, how long a file may be, which words it may hold.

const topLevel = [
  "package.json",
  "package-lock.json",
  "LICENSE",
  "README.md",
  "src",
  "tor",
  "tokens",
  "test",
  "threat-model",
];

/** A tracked file: its path from the project root and its text. */
export interface TreeFile {
  readonly path: string;
  readonly text: string;
}

/** Top-level entries that have no place there. Dotfiles do. */
export const strangers = (paths: readonly string[]): string[] => [
  ...new Set(
    paths
      .map((path) => path.split("/")[0] ?? "")
      .filter((entry) => !entry.startsWith(".") && !topLevel.includes(entry)),
  ),
];

const longest = 400;

export const tooLong = (files: readonly TreeFile[]): string[] =>
  files
    .filter(({ path, text }) => path.endsWith(".ts") && text.trimEnd().split("\n").length > longest)
    .map(({ path }) => path);

/** What of `texts` no source of the house holds. */
export const unused = (texts: readonly string[], files: readonly TreeFile[]): string[] => {
  const sources = files.filter(({ path }) => /^(src|tor|tokens)\/.*\.ts$/.test(path));
  return texts.filter((wanted) => !sources.some(({ text }) => text.includes(wanted)));
};

interface Rule {
  readonly what: string;
  readonly where: RegExp;
  readonly pattern: RegExp;
}

const rules: readonly Rule[] = [
  {
    what: "a path of one machine",
    where: /./,
    pattern: /(?<![\w.~*-])\/(work|farm|root|home\/\w+|Users\/\w+|tmp\/bash_jobs)\/[\w.]/,
  },
  { what: "a package registry's host", where: /./, pattern: /\bregistry\.[a-z0-9-]+\.[a-z]{2,}|"resolved"\s*:/ },
  { what: "something left undone", where: /^(src|tor|tokens)\//, pattern: /\b(TODO|FIXME|XXX)\b|not implemented/i },
  { what: "a test left out without its reason on the line", where: /^test\//, pattern: /\.skip\((?!.*\/\/)/ },
];

/** Every line that breaks a rule, as `path:line holds what`. */
export const unfitLines = (files: readonly TreeFile[]): string[] =>
  files.flatMap(({ path, text }) =>
    text
      .split("\n")
      .flatMap((line, index) =>
        rules
          .filter(({ where, pattern }) => where.test(path) && pattern.test(line))
          .map(({ what }) => `${path}:${index + 1} holds ${what}`),
      ),
  );
