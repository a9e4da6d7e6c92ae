// The files of a house: whether anything that its requests carried can be read in them, and what of the deleted still opens.
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { randomBytes } from "../../src/crypto/random.ts";
import { sign } from "../../src/crypto/sign.ts";
import { auditStore, type Audit } from "../../src/store/audit.ts";
import { roomNames, type Room } from "../../src/store/rooms.ts";
import { formsOf, type Canary } from "../memory/canary.ts";
import { Scanner, type Region } from "../memory/scanner.ts";
import { dumpStore, type Opened } from "../dump-store.ts";
import { startTestHouse, type TestHouse } from "../house.ts";
import { TestUser } from "../services/auth/test-user.ts";
import { TestMember } from "../services/delivery/test-member.ts";
import { sealedKeyPackage, TestQueue } from "../services/queue/test-queue.ts";
import { freshName, NotedHouse } from "./noted-house.ts";

export interface DiskReport {
  readonly files: number;
  readonly bytes: number;
  readonly canaries: number;
  /** Places in files where eight bytes of a canary are, in any form, and words of our own: the names of rooms. */
  readonly found: number;
  /** Every canary and word was written once, in one of its forms: how many of these places the same search finds. */
  readonly control_found: number;
  readonly control_planted: number;
  readonly audit: Audit;
}

/** A copy without locks, which must not be opened beside their holder. */
function copyOf(dir: string): string {
  const copy = mkdtempSync(join(tmpdir(), "tacet-disk-"));
  cpSync(dir, copy, { recursive: true, filter: (path) => basename(path) !== "LOCK" });
  return copy;
}

/** Random bytes between two planted ones. */
const BETWEEN = 32;
/** As words of their own, longer ones come in no random file. */
const searchedRooms = roomNames.filter((room) => room.length > 8);

function searched(dir: string, canaries: readonly Canary[]): { kinds: string[]; files: number; bytes: number } {
  const scanner = new Scanner(canaries);
  const kinds: string[] = [];
  let bytes = 0;
  const files = readdirSync(dir, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  for (const { parentPath, name } of files) {
    const content = readFileSync(join(parentPath, name));
    const region: Region = { start: 0, end: content.length, access: "", name };
    bytes += content.length;
    scanner.scan(content, 0, region);
    for (const room of searchedRooms) if (content.includes(room)) kinds.push(`room ${room}`);
  }
  return { kinds: [...kinds, ...scanner.hits.map(({ kind }) => kind)], files: files.length, bytes };
}

/** Searches the data directory of a house that does not write at the moment. */
export async function disk(dataDir: string, all: readonly Canary[]): Promise<DiskReport> {
  // many requests carry the same id
  const canaries = [...new Map(all.map((canary) => [canary.bytes.toString("latin1"), canary])).values()];
  const copy = copyOf(dataDir);
  try {
    const { kinds, files, bytes } = searched(copy, canaries);
    const words = searchedRooms.map((room) => Buffer.from(room));
    const forms = canaries.map(({ bytes: whole }, i) => {
      const all = formsOf(whole);
      return all[i % all.length]!.bytes;
    });
    const places: (readonly [from: number, to: number])[] = [];
    let at = 0;
    const parts = forms.flatMap((form) => {
      places.push([at, at + form.length]);
      at += form.length + BETWEEN;
      return [form, randomBytes(BETWEEN)];
    });
    const planted = Buffer.concat([...parts, ...words]);
    const scanner = new Scanner(canaries);
    scanner.scan(planted, 0, { start: 0, end: planted.length, access: "", name: "planted" });
    const hits = scanner.hits.map(({ address, length }) => [address, address + length] as const);
    const seen = places.filter(([from, to]) => hits.some(([first, last]) => first < to && last > from));
    writeFileSync(join(copy, "planted"), planted);
    const inFiles = searched(copy, canaries).kinds.length;
    const seenWords = searchedRooms.filter((room) => planted.includes(room));
    const audit = await auditStore(dataDir);
    return {
      files,
      bytes,
      canaries: canaries.length,
      found: kinds.length,
      // what is found in the planted bytes must also be found when they are one of the files
      control_found: inFiles > kinds.length ? seen.length + seenWords.length : 0,
      control_planted: places.length + searchedRooms.length,
      audit,
    };
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}

export interface DeletedReport {
  /** Deleted records that an earlier image of the database and today's keys open, by what was deleted. */
  readonly opened: Readonly<Record<string, number>>;
  readonly deleted_opened: number;
  /** Records that were deleted. */
  readonly deleted: number;
  /** Of those, what the same attack opens with the erasable keys of then: must open. */
  readonly deleted_control_opened: number;
}

const areas: Partial<Record<Room, string>> = {
  queueItem: "message",
  queue: "queue",
  keyPackage: "queue",
  friendship: "queue",
  queueLook: "queue",
  group: "group",
  groupEpoch: "group",
  groupNext: "group",
  groupRun: "group",
  groupUse: "group",
  account: "account",
  name: "account",
  clientChange: "account",
  connectionPackage: "account",
  directQueue: "account",
  directItem: "account",
  profile: "account",
  issuerKey: "key epoch",
};

/**
 * The database as it was, with everything else as it is now: what somebody has who kept an image of the disk. `kept`:
 * files of which the image is kept as well.
 */
function earlierDatabase(before: string, now: string, ...kept: string[]): string {
  const image = copyOf(now);
  for (const part of ["db", ...kept]) {
    rmSync(join(image, part), { recursive: true });
    cpSync(join(before, part), join(image, part), { recursive: true });
  }
  return image;
}

const EPOCHS_LATER = 70 * 86_400;

/** Deletes a message, a group, a queue, an account and an epoch's keys, and tries an earlier image with today's master key. */
export async function deleted(): Promise<DeletedReport> {
  const house = await startTestHouse();
  const images: string[] = [];
  try {
    const noted = await NotedHouse.open(house);
    const { services } = noted;
    const user = await TestUser.register(services, freshName());
    await user.put([user.package()], user.package(1));
    const token = randomBytes(32);
    await noted.ask("as.putProfile", { ...user.who, version: 1, token, profile: randomBytes(1024) }, user.client);
    await noted.ask("as.connect", { name: user.name, offer: randomBytes(2048) });
    const alice = await TestMember.found(services);
    const bob = await TestMember.create(services);
    await alice.add(bob);
    await bob.listen();
    await alice.send("a message that is read and acknowledged");
    await bob.listen();
    const queue = await TestQueue.create(services);
    await queue.publish([sealedKeyPackage()], sealedKeyPackage());
    const stays = await TestUser.register(services, freshName());
    const before = copyOf(house.dataDir);
    images.push(before);

    const { items } = (await bob.queue.ask()).reply;
    await bob.queue.ask(items.at(-1)?.sequence ?? 0);
    const { request } = await alice.committing({ remove: [bob.group.ownLeaf] });
    const { groupId, groupKey, leaf, commit, groupInfo } = request;
    await noted.ask("ds.delete", { groupId, groupKey, leaf, commit, groupInfo }, alice.group);
    await queue.remove();
    const [number, recovery] = [Buffer.from([0, 0, 0, 1]), Buffer.alloc(64)];
    sign(recovery, "deletion", user.recovery.secretKey, noted.domain, user.userId, number);
    await noted.ask("as.deleteAccount", { ...user.who, attempt: 1, recovery }, user.client);
    noted.close();
    void stays;
    await house.advance(EPOCHS_LATER);
    await house.restart();
    await house.store.erase(); // what the house does once an hour
    const now = copyOf(house.dataDir);
    images.push(now);
    const image = earlierDatabase(before, now);
    images.push(image);
    const control = earlierDatabase(before, now, "erasable");
    images.push(control);
    return await compared(house, before, now, image, control);
  } finally {
    for (const image of images) rmSync(image, { recursive: true, force: true });
    await house.stop();
  }
}

async function compared(
  house: TestHouse,
  before: string,
  now: string,
  image: string,
  control: string,
): Promise<DeletedReport> {
  const nameOf = ({ room, value }: Opened): string => `${room} ${value.toString("latin1")}`;
  const all = async (dir: string): Promise<readonly Opened[]> => (await dumpStore(dir, house.masterKey)).opened;
  const live = new Set((await all(now)).map(nameOf));
  const gone = (await all(before)).filter((one) => !live.has(nameOf(one)));
  const byArea = (found: readonly Opened[]): Record<string, number> => {
    const opened: Record<string, number> = {};
    for (const one of found) {
      const area = areas[one.room];
      if (area === undefined || live.has(nameOf(one))) continue;
      opened[area] = (opened[area] ?? 0) + 1;
    }
    return opened;
  };
  const sum = (opened: Record<string, number>): number => Object.values(opened).reduce((a, b) => a + b, 0);
  const opened = byArea(await all(image));
  return {
    opened,
    deleted_opened: sum(opened),
    deleted: gone.filter(({ room }) => areas[room] !== undefined).length,
    deleted_control_opened: sum(byArea(await all(control))),
  };
}
