// What the files of a store show to who has no key: read on a copy, so that a house that runs is not touched.
import { randomBytes } from "../crypto/random.ts";
import { SEAL_OVERHEAD } from "../crypto/aead.ts";
import { Fault } from "../fault.ts";
import { constants, copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { openLevel } from "./level-driver.ts";
import { KEY_LENGTH } from "./driver.ts";
import { padme, PREFIX_LENGTH } from "./sealing.ts";
import { TURN_ID_LENGTH } from "./turn-keys.ts";

export interface Audit {
  readonly files: number;
  readonly bytes: number;
  readonly records: number;
  /** Sealed lengths and how many records have each, shortest first: what lengths still show. */
  readonly lengths: readonly (readonly [length: number, records: number])[];
  /** Rows with more than one record, and periods of rooms that expire: what record keys still show. */
  readonly rows: number;
  readonly periods: number;
  /** What should not be there: each a sentence without data. */
  readonly findings: readonly string[];
  /** Faults that were planted in the copy, and how many of them the same look has found. */
  readonly planted: number;
  readonly plantedFound: number;
}

const DATABASE = /^(CURRENT|LOG|LOG\.old|MANIFEST-\d+|\d+\.(ldb|sst|log|dbtmp))$/;
const STATE = /^(identity|anchor|erasable)$/;
/** Not copied: LevelDB's lock, which closing a copy of its descriptor would drop, and views that opening makes. */
const LEFT_OUT = /^(LOCK|inspect-.*)$/;
/** LevelDB's own words in files of its own. */
const TEXT_FILES = /^(CURRENT|LOG|LOG\.old|MANIFEST-\d+)$/;
/** And in its tables: the name of a block that each may have. */
const OWN_WORDS = Buffer.from("filter.leveldb.BuiltinBloomFilter2");
/** A run of readable characters of this length comes in random bytes once in 10^10 places. */
const READABLE = 24;
/** Windows of eight bytes that are compared; of random ones two are the same in one store of a million. */
const WINDOWS = 4 << 20;
const WINDOW = 8;
const PERIOD_PREFIX = 8;
const TRIES = 5;
const TRY_AGAIN_MS = 200;
const CHUNK = 4096;
/** What a record has besides its padded content. */
const OVERHEAD = TURN_ID_LENGTH + SEAL_OVERHEAD;

interface Records {
  readonly keys: Buffer[];
  readonly values: Buffer[];
}

/** Copies `state` to `copy`; true when a file that is none of a store's lies there. */
function copyState(state: string, copy: string): number {
  let strange = 0;
  mkdirSync(join(copy, "db"), { recursive: true, mode: 0o700 });
  for (const [folder, known] of [
    ["", STATE],
    ["db", DATABASE],
  ] as const) {
    for (const entry of readdirSync(join(state, folder), { withFileTypes: true })) {
      if (LEFT_OUT.test(entry.name) || (folder === "" && entry.name === "db")) continue;
      if (!entry.isFile() || !known.test(entry.name)) {
        strange++;
        continue;
      }
      const [from, to] = [join(state, folder, entry.name), join(copy, folder, entry.name)];
      try {
        copyFileSync(from, to, constants.COPYFILE_FICLONE);
      } catch (error) {
        // a house that runs deletes files that it has compacted
        if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
      }
    }
  }
  return strange;
}

async function readRecords(copy: string): Promise<Records> {
  const driver = await openLevel({ dir: join(copy, "db"), reserveBytes: 0 });
  const records: Records = { keys: [], values: [] };
  try {
    const end = Buffer.alloc(KEY_LENGTH + 1, 0xff);
    for (let from: Buffer = Buffer.alloc(0); ;) {
      const entries = await driver.range(from, end, CHUNK);
      const last = entries.at(-1);
      if (last === undefined) return records;
      for (const { key, value } of entries) {
        records.keys.push(key);
        records.values.push(value);
      }
      from = Buffer.concat([last.key, Buffer.of(0)]);
    }
  } finally {
    await driver.close();
  }
}

function hasReadable(bytes: Buffer): boolean {
  const own = bytes.indexOf(OWN_WORDS);
  if (own >= 0) return hasReadable(bytes.subarray(0, own)) || hasReadable(bytes.subarray(own + OWN_WORDS.length));
  let run = 0;
  for (const byte of bytes) {
    run = byte >= 0x20 && byte < 0x7f ? run + 1 : 0;
    if (run === READABLE) return true;
  }
  return false;
}

/** Sealed values look random: no eight bytes come twice. */
function repeats(values: readonly Buffer[]): number {
  const windows = new BigUint64Array(WINDOWS);
  let count = 0;
  for (const value of values) {
    for (let at = TURN_ID_LENGTH; at + WINDOW <= value.length && count < WINDOWS; at++) {
      windows[count++] = value.readBigUInt64LE(at);
    }
  }
  const sorted = windows.subarray(0, count).sort();
  let twice = 0;
  for (let i = 1; i < count; i++) if (sorted[i] === sorted[i - 1]) twice++;
  return twice;
}

const shared = (keys: readonly Buffer[], length: number): Set<string> => {
  const seen = new Set<string>();
  const twice = new Set<string>();
  for (const key of keys) {
    const prefix = key.toString("latin1", 0, length);
    if (seen.has(prefix)) twice.add(prefix);
    seen.add(prefix);
  }
  return twice;
};

/** The findings in records and files. */
function look(
  { keys, values }: Records,
  files: readonly { readonly name: string; readonly content: Buffer }[],
): string[] {
  const say = (count: number, text: string): string[] => (count === 0 ? [] : [`${count} ${text}`]);
  const unpadded = values.filter(({ length }) => length < OVERHEAD || padme(length - OVERHEAD) !== length - OVERHEAD);
  const readable = files.filter(({ name, content }) => !TEXT_FILES.test(name) && hasReadable(content));
  return [
    ...say(unpadded.length, "records are not padded to one of the lengths"),
    ...say(keys.filter(({ length }) => length !== KEY_LENGTH).length, "record keys are not of the one length"),
    ...say(repeats(values), "places in records repeat bytes of another: not everything is sealed"),
    ...say(readable.length, "files hold readable text"),
  ];
}

/** One fault of each kind that `look` has a word for. */
function plant({ keys, values }: Records): { records: Records; text: Buffer; planted: number } {
  const clear = Buffer.alloc(padme(100) + OVERHEAD);
  const text = Buffer.concat([randomBytes(64), Buffer.from("a name that can be read, 1 day old"), randomBytes(64)]);
  const records = {
    keys: [...keys, randomBytes(KEY_LENGTH), randomBytes(KEY_LENGTH + 1)],
    values: [...values, clear, randomBytes(OVERHEAD + 67)],
  };
  return { records, text, planted: 4 };
}

/**
 * Looks at the store in `state`, which may be in use, on a copy under the system's folder for temporary files. Faults
 * `store/missing`; `store/corrupt` when no copy could be read, which a busy house may cause.
 */
export async function auditStore(state: string): Promise<Audit> {
  try {
    if (!statSync(join(state, "db")).isDirectory()) throw new Fault("store/missing");
  } catch {
    throw new Fault("store/missing");
  }
  for (let attempt = 1; ; attempt++) {
    const copy = mkdtempSync(join(tmpdir(), "tacet-audit-"));
    try {
      const strange = copyState(state, copy);
      const names = [...readdirSync(copy), ...readdirSync(join(copy, "db")).map((name) => join("db", name))];
      const files = names
        .filter((name) => statSync(join(copy, name)).isFile())
        .map((name) => ({ name: name.replace(/^db\//, ""), content: readFileSync(join(copy, name)) }));
      const records = await readRecords(copy);
      const { keys, values } = records;
      const findings = look(records, files);
      if (strange > 0) findings.push(`${strange} files are none of the store's`);
      const { records: spoiled, text, planted } = plant(records);
      const rows = shared(keys, PREFIX_LENGTH);
      const lengths = new Map<number, number>();
      for (const { length } of values) lengths.set(length, (lengths.get(length) ?? 0) + 1);
      return {
        files: files.length,
        bytes: files.reduce((sum, { content }) => sum + content.length, 0),
        records: keys.length,
        lengths: [...lengths].toSorted(([a], [b]) => a - b),
        rows: rows.size,
        periods: shared(
          keys.filter((key) => !rows.has(key.toString("latin1", 0, PREFIX_LENGTH))),
          PERIOD_PREFIX,
        ).size,
        findings,
        planted,
        plantedFound: look(spoiled, [...files, { name: "000000.log", content: text }]).length,
      };
    } catch (error) {
      if (attempt === TRIES || !(error instanceof Fault)) throw error;
      await pause(TRY_AGAIN_MS);
    } finally {
      rmSync(copy, { recursive: true, force: true });
    }
  }
}
