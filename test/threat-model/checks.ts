// What must hold of the pages in threat-model/: each line names a test and code that exist, nothing stored is left out.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { quoted, readDocument, root, tableRows, type Row } from "../docs/markdown.ts";

export const pages = readdirSync(join(root, "threat-model"))
  .filter((file) => file.endsWith(".md"))
  .map((file) => `threat-model/${file}`);

export const rowsOf = (page: string, text = readDocument(page)): Row[] => tableRows(page, text);

/** The rows of the tables that have a column of that heading. */
export const withColumn = (rows: readonly Row[], heading: string): Row[] =>
  rows.filter(({ cells }) => heading in cells);

/** The words in quotes of one column, over all rows that have it. */
export const words = (rows: readonly Row[], heading: string): string[] =>
  rows.flatMap(({ cells }) => quoted(cells[heading] ?? ""));

const titlesOf = (path: string): string[] =>
  [...readFileSync(join(root, path), "utf8").matchAll(/\b(?:it|describe)\(\s*([`"'])(.*?)\1/gs)].map(
    ([, , title]) => title ?? "",
  );

/**
 * What is wrong with what a row says it is shown by: tests by file and words of a title, apart by `;`, or `-` and the
 * reason why nothing shows it.
 */
export function shownProblem({ where, cells }: Row): string[] {
  const shown = cells["shown by"] ?? "";
  if (/^- \(.+\)$/.test(shown)) return [];
  return shown.split("; ").flatMap((one) => {
    const [file = "", title] = one.split(/: (.*)/);
    if (title === undefined || !existsSync(join(root, file))) return [`${where}: no such test file: ${one}`];
    return titlesOf(file).some((known) => known.includes(title)) ? [] : [`${where}: no such test: ${one}`];
  });
}

/** Files that a row's column `where` names and that are not there. */
export const whereProblem = ({ where, cells }: Row): string[] =>
  quoted(cells["where"] ?? "")
    .filter((path) => !existsSync(join(root, path)))
    .map((path) => `${where}: no such file: ${path}`);

/** A codec, as far as it is asked here. */
export interface Sized {
  size(value: never): number;
}

/** The names of a struct's fields, those of structs in lists included: its own size function asks for each. */
export function fieldsOf(codec: Sized): string[] {
  const names = new Set<string>();
  const anything: unknown = new Proxy(
    {},
    {
      get(_, name) {
        if (name === "length") return 0;
        names.add(String(name));
        return [anything];
      },
    },
  );
  codec.size(anything as never);
  return [...names];
}

/** The files under a folder whose text matches. */
export const sourcesWith = (folders: readonly string[], pattern: RegExp): string[] =>
  folders.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
      .filter((file) => file.endsWith(".ts"))
      .map((file) => `${folder}/${file}`)
      .filter((path) => pattern.test(readFileSync(join(root, path), "utf8")))
      .toSorted(),
  );

/** What is in `all` and not in `named`. */
export const missing = (all: readonly string[], named: readonly string[]): string[] =>
  all.filter((one) => !named.includes(one));
