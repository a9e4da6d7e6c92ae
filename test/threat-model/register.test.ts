import assert from "node:assert/strict";
import { events } from "../../src/observe/names.ts";
import { targetUseRecord } from "../../src/services/auth/connect.ts";
import { nameHeldRecord } from "../../src/services/auth/names.ts";
import {
  accountRecord,
  directQueueRecord,
  issuanceRecord,
  nameRecord,
  profileRecord,
} from "../../src/services/auth/records.ts";
import { accountUseRecord } from "../../src/services/auth/uses.ts";
import { externalIssuerRecord } from "../../src/house/external.ts";
import { budgetRecord } from "../../src/services/budget.ts";
import { blocklist } from "../../src/services/queue/blocklist.ts";
import { friendshipRecord, keyPackageRecord, queueRecord } from "../../src/services/queue/records.ts";
import { groupRunRecord } from "../../src/services/delivery/run.ts";
import { groupUseRecord } from "../../src/services/delivery/use.ts";
import { roomNames } from "../../src/store/rooms.ts";
import { operations } from "../../src/wire/operations.ts";
import { fixed, list, struct } from "../../src/wire/codec.ts";
import { quoted, readDocument } from "../docs/markdown.ts";
import {
  fieldsOf,
  missing,
  pages,
  rowsOf,
  shownProblem,
  sourcesWith,
  type Sized,
  whereProblem,
  withColumn,
  words,
} from "./checks.ts";

const row = (cells: Record<string, string>) => ({ where: "x", cells });

describe("threat-model", () => {
  it("names, in every line of its tables, a test that exists or the reason why there is none", () => {
    const rows = pages.flatMap((page) => withColumn(rowsOf(page), "shown by"));
    assert.ok(rows.length > 150, String(rows.length));
    assert.deepEqual(
      rows.flatMap((one) => shownProblem(one)),
      [],
    );
  });

  it("would notice a test that does not exist (control)", () => {
    const here = "test/threat-model/register.test.ts";
    const problems = (shown: string) => shownProblem(row({ "shown by": shown })).length;
    assert.equal(problems(`${here}: names, in every line; ${here}: would notice a test`), 0);
    assert.equal(problems("- (why)"), 0);
    assert.equal(problems(`${here}: a title nobody wrote`), 1);
    assert.equal(problems(`${here}: names, in every line; test/nowhere.test.ts: names`), 1);
    for (const nothing of ["believe me", "-", ""]) assert.equal(problems(nothing), 1);
  });

  it("names code that exists", () => {
    const rows = pages.flatMap((page) => withColumn(rowsOf(page), "where"));
    assert.ok(rows.length > 50);
    assert.deepEqual(
      rows.flatMap((one) => whereProblem(one)),
      [],
    );
    assert.equal(whereProblem(row({ where: "`src/nowhere.ts`, `src/main.ts`" })).length, 1);
  });

  it("is linked page by page from its first page", () => {
    const first = readDocument("threat-model/README.md");
    const unlinked = (all: readonly string[]) =>
      all.map((page) => page.replace("threat-model/", "")).filter((page) => !first.includes(`(${page})`));
    assert.deepEqual(unlinked(pages), ["README.md"]);
    assert.deepEqual(unlinked(["threat-model/other.md"]), ["other.md"]);
  });
});

describe("threat-model/register.md", () => {
  const rows = withColumn(rowsOf("threat-model/register.md"), "id");
  const ids = rows.map(({ cells }) => cells["id"] ?? "");
  const numbered = (name: string, count: number) => Array.from({ length: count }, (_, i) => `${name}${i + 1}`);
  const attacks = [...numbered("DoS", 17), ...numbered("ME", 6), ...numbered("MitM", 3)];

  it("answers every numbered attack once, with one of the known answers and a place or a reason", () => {
    assert.deepEqual(missing(attacks, ids), []);
    assert.deepEqual(missing([...attacks, "ME7"], ids), ["ME7"]);
    assert.equal(new Set(ids).size, ids.length);
    const answers = ["mitigated", "client-side", "transferred", "accepted", "not yet"];
    for (const { where, cells } of rows) {
      const [first = ""] = (cells["answer"] ?? "").split(":");
      assert.ok(answers.includes(first), `${where}: ${first}`);
      if (first === "mitigated" || first === "client-side") {
        assert.ok(quoted(cells["where"] ?? "").length > 0, where);
        assert.doesNotMatch(cells["shown by"] ?? "", /^-/, where);
      }
    }
  });
});

describe("threat-model/data.md", () => {
  const rows = rowsOf("threat-model/data.md");
  const fields: Readonly<Record<string, Sized>> = {
    account: accountRecord,
    name: nameRecord,
    directQueue: directQueueRecord,
    issuance: issuanceRecord,
    profile: profileRecord,
    accountUse: accountUseRecord,
    targetUse: targetUseRecord,
    nameHeld: nameHeldRecord,
    queue: queueRecord,
    keyPackage: keyPackageRecord,
    friendship: friendshipRecord,
    budget: budgetRecord,
    groupRun: groupRunRecord,
    groupUse: groupUseRecord,
    externalIssuer: externalIssuerRecord,
  };
  const unnamed = (room: string, codec: Sized): string[] => {
    const cells = rows.find((one) => quoted(one.cells["room"] ?? "").includes(room))?.cells;
    return missing(fieldsOf(codec), quoted(cells?.["holds"] ?? ""));
  };

  it("has every room of the store, once", () => {
    const named = words(rows, "room");
    assert.deepEqual(named.toSorted(), roomNames.toSorted());
    assert.deepEqual(missing([...roomNames, "other"], named), ["other"]);
  });

  it("has every field that the services store", () => {
    for (const [room, codec] of Object.entries(fields)) assert.deepEqual(unnamed(room, codec), [], room);
    assert.deepEqual(unnamed("queue", blocklist), []);
    // What is asked of a codec, and that a field more is noticed.
    assert.deepEqual(fieldsOf(directQueueRecord), ["next", "released", "positions", "clientId", "acknowledged"]);
    const more = struct({ ownerKey: fixed(32), planted: list(struct({ deeper: fixed(1) }), 1) });
    assert.deepEqual(unnamed("queue", more), ["planted", "deeper"]);
  });

  it("has every section of a client's state", () => {
    const sections = sourcesWith(["src/client"], /^const SECTION = "\w+"/m).flatMap(
      (path) => /^const SECTION = "(\w+)"/m.exec(readDocument(path))?.[1] ?? [],
    );
    assert.ok(sections.length >= 7);
    const named = words(rows, "section");
    assert.deepEqual(missing([...sections, "server", "group-"], named), []);
    assert.deepEqual(missing([...sections, "other"], named), ["other"]);
  });
});

describe("threat-model/keys.md", () => {
  it("has every file that keeps a key in guarded memory, or an id in a map of locked memory", () => {
    const named = words(rowsOf("threat-model/keys.md"), "where");
    const sources = sourcesWith(["src", "tokens", "tor"], /new (?:GuardedKey|SecureMap)\(/);
    assert.ok(sources.length > 10);
    assert.deepEqual(missing(sources, named), []);
    assert.deepEqual(missing([...sources, "src/other.ts"], named), ["src/other.ts"]);
  });
});

describe("threat-model/leakage.md", () => {
  const rows = rowsOf("threat-model/leakage.md");

  it("has every event that is logged, and no other", () => {
    assert.deepEqual(words(rows, "event").toSorted(), Object.keys(events).toSorted());
    assert.deepEqual(missing([...Object.keys(events), "user-registered"], words(rows, "event")), ["user-registered"]);
  });

  it("has every shape that a request and its reply can have, with the operations that hide in it", () => {
    const stated = new Map(
      withColumn(rows, "shape").map(({ cells }) => [cells["shape"], quoted(cells["operations"] ?? "")]),
    );
    const shapes = (all: Readonly<Record<string, { size: { request: string; reply: string } }>>) => {
      const found = new Map<string, string[]>();
      for (const [name, { size }] of Object.entries(all)) {
        const shape = `${size.request} / ${size.reply}`;
        found.set(shape, [...(found.get(shape) ?? []), name]);
      }
      return found;
    };
    assert.deepEqual(stated, shapes(operations));
    const planted = { ...operations, "as.vanish": { size: { request: "large", reply: "small" } } };
    assert.notDeepEqual(stated, shapes(planted));
  });
});
