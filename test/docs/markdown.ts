// Reads the project's documents: their tables, their code, and the parts of them that are written from the code.
import { readFileSync } from "node:fs";
import { join } from "node:path";

export const root = join(import.meta.dirname, "..", "..");
export const readDocument = (path: string): string => readFileSync(join(root, path), "utf8");

export interface Row {
  /** file:line. */
  readonly where: string;
  /** By the heading of its column. */
  readonly cells: Readonly<Record<string, string>>;
}

const cellsOf = (line: string): string[] =>
  line
    .split("|")
    .slice(1, -1)
    .map((cell) => cell.trim());

/** The rows of every table of a document. */
export function tableRows(file: string, text: string): Row[] {
  const rows: Row[] = [];
  let headings: string[] | undefined;
  text.split("\n").forEach((line, i) => {
    if (!line.startsWith("|")) {
      headings = undefined;
      return;
    }
    const cells = cellsOf(line);
    if (headings === undefined) headings = cells;
    else if (!cells.every((cell) => /^:?-+:?$/.test(cell))) {
      const named = headings.map((heading, at) => [heading, cells[at] ?? ""] as const);
      rows.push({ where: `${file}:${i + 1}`, cells: Object.fromEntries(named) });
    }
  });
  return rows;
}

/** The words of a text that stand in backquotes. */
export const quoted = (text: string): string[] => [...text.matchAll(/`([^`]+)`/g)].map(([, word]) => word ?? "");

/** A table of these cells, the first row its headings. */
export const writeTable = ([headings = [], ...rows]: readonly (readonly string[])[]): string =>
  [headings, headings.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");

const markers = (name: string) => [`<!-- ${name}: written from the code -->`, `<!-- end of ${name} -->`] as const;

// The formatter widens columns.
const narrow = (table: string): string => table.replaceAll(/-{3,}/g, "---").replaceAll(/ {2,}/g, " ");

/** What stands between the markers of a part, its columns narrow; undefined when they are not there. */
export function writtenPart(text: string, name: string): string | undefined {
  const [begin, end] = markers(name);
  const from = text.indexOf(begin);
  const to = text.indexOf(end);
  return from < 0 || to < from ? undefined : narrow(text.slice(from + begin.length, to).trim());
}

/** The document with that part replaced. */
export function withPart(text: string, name: string, part: string): string {
  const [begin, end] = markers(name);
  const before = writtenPart(text, name);
  if (before === undefined) throw new Error(`no markers of ${name}`);
  const from = text.indexOf(begin) + begin.length;
  return `${text.slice(0, from)}\n\n${part}\n\n${text.slice(text.indexOf(end))}`;
}
