// Searches the files of a data directory for things that must not be readable in them, and proves that it would find them.
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { randomBytes } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Something that was used in the house: a name, an id, a text. `what` is its kind, for the report. */
export interface Needle {
  readonly what: string;
  readonly bytes: Uint8Array;
}

export interface Found {
  readonly what: string;
  readonly form: string;
  readonly file: string;
}

// Every way in which a program would plausibly have written the bytes. Base64 has three alignments; the characters that
// depend on neighbours are cut off.
function forms(bytes: Uint8Array): { form: string; pattern: Buffer }[] {
  const raw = Buffer.from(bytes);
  const wide = Buffer.alloc(raw.length * 2);
  raw.forEach((byte, i) => (wide[2 * i] = byte));
  const hex = raw.toString("hex");
  const all = [
    { form: "raw", pattern: raw },
    { form: "utf-16", pattern: wide },
    { form: "hex", pattern: Buffer.from(hex) },
    { form: "HEX", pattern: Buffer.from(hex.toUpperCase()) },
    { form: "reversed", pattern: Buffer.from(raw).reverse() },
  ];
  for (const shift of [0, 1, 2]) {
    const text = Buffer.concat([Buffer.alloc(shift), raw])
      .toString("base64")
      .replace(/=+$/, "");
    const inner = text.slice(shift === 0 ? 0 : 4, text.length - 2); // at least 4 characters
    all.push({ form: "base64", pattern: Buffer.from(inner) });
    const url = inner.replaceAll("+", "-").replaceAll("/", "_");
    if (url !== inner) all.push({ form: "base64url", pattern: Buffer.from(url) });
  }
  // Shorter patterns occur by chance, and a search that leaves a needle out would prove nothing.
  if (raw.length < 6) throw new RangeError("needle too short");
  return all;
}

async function filesUnder(dir: string): Promise<string[]> {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

/** Every occurrence of every needle, in any form, in any file under `dir`. */
export async function searchDirectory(dir: string, needles: readonly Needle[]): Promise<Found[]> {
  const patterns = needles.flatMap(({ what, bytes }) => forms(bytes).map((form) => ({ what, ...form })));
  const found: Found[] = [];
  for (const file of await filesUnder(dir)) {
    const content = await readFile(file);
    for (const { what, form, pattern } of patterns) if (content.includes(pattern)) found.push({ what, form, file });
  }
  return found;
}

/**
 * The control: a copy of the directory with one more file, in which each needle stands once, in one of the forms. The
 * same search must find every one of them; returns how many it found.
 */
export async function searchPlanted(dir: string, needles: readonly Needle[]): Promise<number> {
  const copy = await mkdtemp(join(tmpdir(), "tacet-control-"));
  try {
    await cp(dir, join(copy, "data"), { recursive: true });
    const planted = needles.flatMap(({ bytes }, i) => {
      const choices = forms(bytes);
      return [randomBytes(64), choices[i % choices.length]?.pattern ?? Buffer.alloc(0)];
    });
    await writeFile(join(copy, "data", "planted"), Buffer.concat([...planted, randomBytes(64)]));
    return (await searchDirectory(copy, needles)).length;
  } finally {
    await rm(copy, { recursive: true, force: true });
  }
}
