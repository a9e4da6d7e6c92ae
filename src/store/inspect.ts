// Opens a throw-away view of the database before the real one, so that trouble is found before any file changes.
import {
  constants,
  copyFileSync,
  linkSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { Fault } from "../fault.ts";
import { equal } from "../memory/locked.ts";
import { KEY_LENGTH, type StoreDriver } from "./driver.ts";
import type { Head, Journal } from "./journal.ts";
import { openLevel } from "./level-driver.ts";
import type { Sealing } from "./sealing.ts";

// LevelDB at opening replays and then deletes its log, starts a new MANIFEST and deletes tables that the MANIFEST does
// not list: after that, what a damaged file still held is gone. The view is made so that none of this reaches the
// database: the small files are copied, and tables, which are never changed once listed, are linked. An unlisted table
// must not be linked: its number may be given out again, and then LevelDB truncates it in place. Which are listed,
// LevelDB tells by itself: in a directory with a copy of the MANIFEST and empty stand-ins for the tables it deletes
// those that are not. LOCK stays away from both: opening and closing it would drop its holder's lock.
const COPIED = /^(CURRENT|MANIFEST-\d+)$/;
const LOG = /\.log$/;
const TABLE = /\.(ldb|sst)$/;
const PREFIX = "inspect-";
const CHUNK = 4096;
const CHUNK_BYTES = 4 << 20;

/**
 * True when a process that can be seen holds LevelDB's lock. LevelDB itself refuses as well; this tells it apart from
 * damage. `strict`: the device must match too, which it does not on some layered file systems.
 */
function isLocked(database: string, strict: boolean): boolean {
  try {
    const { dev, ino } = statSync(join(database, "LOCK"));
    const major = (dev >>> 8) & 0xfff;
    const minor = (dev & 0xff) | ((dev >>> 12) & 0xfff00);
    const device = [major, minor].map((part) => part.toString(16).padStart(2, "0")).join(":");
    return readFileSync("/proc/locks", "latin1").includes(`${strict ? ` ${device}` : ""}:${ino} `);
  } catch {
    return false;
  }
}

/** Removes views that a killed process left behind. Only for the holder of the database's lock. */
export function removeOldViews(parent: string): void {
  for (const left of readdirSync(parent)) if (left.startsWith(PREFIX)) rmSync(join(parent, left), { recursive: true });
}

/**
 * Reads every record of the database in `parent`/`name` and returns its head, without changing a file of it. `vouch`
 * throws for a head that is not the newest. Faults: `store/corrupt`, `store/erased` when the turn key of a record is
 * gone, `store/locked` when another process has it open, `server/full`.
 */
export async function inspect(options: {
  readonly parent: string;
  readonly name: string;
  readonly journal: Journal;
  readonly sealing: Pick<Sealing, "opens">;
  readonly vouch: (head: Head) => void;
}): Promise<Head> {
  const { parent, name, journal, sealing, vouch } = options;
  const database = join(parent, name);
  if (isLocked(database, true)) throw new Fault("store/locked");
  const view = mkdtempSync(join(parent, PREFIX));
  const listing = mkdtempSync(join(parent, PREFIX));
  try {
    const files = readdirSync(database);
    const copy = (file: string, to: string): void =>
      copyFileSync(join(database, file), join(to, file), constants.COPYFILE_FICLONE);
    for (const file of files) {
      if (COPIED.test(file)) for (const to of [view, listing]) copy(file, to);
      else if (LOG.test(file)) copy(file, view);
      else if (TABLE.test(file)) writeFileSync(join(listing, file), "");
    }
    await (await openLevel({ dir: listing, reserveBytes: 0 })).close();
    const listed = new Set(readdirSync(listing));
    for (const file of files)
      if (TABLE.test(file) && listed.has(file)) linkSync(join(database, file), join(view, file));
    const driver = await openLevel({ dir: view, reserveBytes: 0 });
    try {
      const head = journal.open(await driver.get(journal.key));
      const { set, erased } = await digest(driver, journal, sealing);
      if (!equal(set, head.set)) throw new Fault("store/corrupt");
      vouch(head);
      if (erased > 0) throw new Fault("store/erased");
      return head;
    } finally {
      await driver.close();
    }
  } catch (error) {
    // What another process writes meanwhile looks like damage.
    if (isLocked(database, false)) throw new Fault("store/locked");
    if (error instanceof Fault) throw error;
    throw new Fault((error as NodeJS.ErrnoException).code === "ENOSPC" ? "server/full" : "store/corrupt");
  } finally {
    for (const made of [view, listing]) rmSync(made, { recursive: true, force: true });
  }
}

/** The set digest of all records but the head, and how many of them have a turn key that is gone. */
async function digest(
  driver: StoreDriver,
  journal: Journal,
  sealing: Pick<Sealing, "opens">,
): Promise<{ set: Buffer; erased: number }> {
  let set: Buffer = Buffer.alloc(32);
  let erased = 0;
  const end = Buffer.alloc(KEY_LENGTH + 1, 0xff);
  for (let from: Buffer = Buffer.alloc(0); ;) {
    const entries = await driver.range(from, end, CHUNK, CHUNK_BYTES);
    const last = entries.at(-1);
    if (last === undefined) return { set, erased };
    const records = entries.filter(({ key }) => !key.equals(journal.key));
    set = journal.digest(set, records);
    for (const { value } of records) if (!sealing.opens(value)) erased++;
    from = Buffer.concat([last.key, Buffer.of(0)]);
  }
}
