import assert from "node:assert/strict";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dirname, "..", "..");
const folder = join(root, "threat-model");

interface Row {
  readonly where: string;
  readonly shownBy: string;
}

/** The rows of every table whose last column is headed "shown by". */
function rowsOf(file: string, text: string): Row[] {
  const rows: Row[] = [];
  let inTable = false;
  text.split("\n").forEach((line, i) => {
    if (!line.startsWith("|")) {
      inTable = false;
      return;
    }
    const cells = line
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim());
    const last = cells.at(-1) ?? "";
    if (last === "shown by") inTable = true;
    else if (inTable && !/^-+$/.test(last)) rows.push({ where: `${file}:${i + 1}`, shownBy: last });
  });
  return rows;
}

/** What is wrong with a row, or undefined. A row shows a test by file and words of its title, or says `-` and why. */
function problem({ where, shownBy }: Row): string | undefined {
  if (shownBy === "-" || /^- \(.+\)$/.test(shownBy)) return undefined;
  const [file = "", words] = shownBy.split(/: (.*)/);
  if (words === undefined || !existsSync(join(root, file))) return `${where}: no such test file: ${shownBy}`;
  const titles = [...readFileSync(join(root, file), "utf8").matchAll(/\b(?:it|describe)\(\s*([`"'])(.*?)\1/gs)];
  return titles.some(([, , title]) => title?.includes(words)) ? undefined : `${where}: no such test: ${shownBy}`;
}

describe("threat-model", () => {
  const rows = readdirSync(folder)
    .filter((file) => file.endsWith(".md"))
    .flatMap((file) => rowsOf(file, readFileSync(join(folder, file), "utf8")));

  it("names, in every line, a test that exists", () => {
    assert.ok(rows.length > 40);
    assert.deepEqual(
      rows.flatMap((row) => problem(row) ?? []),
      [],
    );
  });

  it("would notice a test that does not exist (control)", () => {
    const here = "test/threat-model/register.test.ts";
    assert.equal(problem({ where: "x", shownBy: `${here}: names, in every line` }), undefined);
    assert.notEqual(problem({ where: "x", shownBy: `${here}: a title nobody wrote` }), undefined);
    assert.notEqual(problem({ where: "x", shownBy: "test/nowhere.test.ts: names" }), undefined);
    assert.notEqual(problem({ where: "x", shownBy: "believe me" }), undefined);
  });
});
