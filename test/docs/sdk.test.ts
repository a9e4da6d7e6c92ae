// The SDK's page against the SDK, and the second example of README.md, which runs.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { clientErrors } from "../../src/client/errors.ts";
import { eventKinds } from "../../src/client/events.ts";
import { openClient, type TacetClient } from "../../src/client/index.ts";
import { randomBytes } from "../../src/crypto/random.ts";
import { befriend, settled, type Person } from "../client/people.ts";
import { startTestHouse, type TestHouse } from "../house.ts";
import { quoted, readDocument, tableRows } from "./markdown.ts";

const PAGE = "src/client/README.md";

describe("docs/src/client/README.md", () => {
  const page = readDocument(PAGE);
  const rows = (column: string) =>
    tableRows(PAGE, page).flatMap(({ cells }) =>
      quoted(cells[column] ?? "").map((name) => [name, cells["says"] ?? ""]),
    );

  it("has every refusal of the client, with its sentence, and no other", () => {
    assert.deepEqual(rows("code"), Object.entries(clientErrors));
  });

  it("has every event, and no other", () => {
    const named = rows("event").map(([name]) => name);
    assert.deepEqual(new Set(named), new Set(Object.keys(eventKinds)));
    assert.equal(named.length, Object.keys(eventKinds).length);
  });
});

describe("the people example of README.md", function () {
  this.timeout(60_000);
  let house: TestHouse;
  let someone: Person;
  let friend: Person;
  let folder: string;

  before(async () => {
    house = await startTestHouse();
    someone = await settled(house, "someone");
    friend = await settled(house, "friend");
    await befriend(someone, friend);
    folder = mkdtempSync(join(tmpdir(), "tacet-sdk-"));
  });
  after(async () => {
    await someone.stop();
    await friend.stop();
    await house.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  it("has words, a second device, a profile, and another name", async () => {
    const [, code] = /<!-- people example:[^>]*-->\s*```ts\n(.*?)```/s.exec(readDocument("README.md")) ?? [];
    assert.ok(code !== undefined);
    const file = join(folder, "people.mts");
    const names = "{ client, openClient, options, phoneKey, console }";
    writeFileSync(file, `export default async (${names}) => {\n${code}\n};\n`);
    const { default: run } = (await import(pathToFileURL(file).href)) as {
      default: (given: Record<string, unknown>) => Promise<void>;
    };
    const lines: unknown[][] = [];
    const { client } = someone;
    const options = { transport: someone.transport, onion: house.onion, clock: house.now };
    const open = (given: Parameters<typeof openClient>[0]): Promise<TacetClient> =>
      openClient({ ...given, statePath: join(folder, given.statePath) });
    await run({
      client,
      openClient: open,
      options,
      phoneKey: randomBytes(32),
      console: { log: (...parts: unknown[]) => lines.push(parts) },
    });
    const [words, one, other, contact] = lines;
    assert.equal(String(words?.[0]).split(" ").length, 24);
    assert.deepEqual([one?.[1], other?.[1]].map(String).toSorted(), ["false", "true"]);
    assert.equal(contact?.[0], "friend");
    assert.match(String(contact?.[1]), /^\d{60}$/);
    assert.equal(client.account.recoveryWords(), undefined);
    await client.sync();
    await friend.sync();
    assert.deepEqual(
      friend.client.contacts().map(({ name }) => name),
      ["newname"],
    );
    assert.equal((await friend.client.profile(friend.client.contacts()[0]!))?.displayName, "Me");
  });
});
