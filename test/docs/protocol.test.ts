// PROTOCOL.md against the code. WRITE_DOCS=1 writes its tables anew (the formatter then sets their columns).
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { faults } from "../../src/fault.ts";
import { operations } from "../../src/wire/operations.ts";
import { sizes } from "../../src/wire/frame.ts";
import {
  derivationLabels,
  hpkeInfo,
  hpkeReplyExport,
  mlsGroupKey,
  mlsGroupKeyRecovery,
  signatureLabels,
} from "../../src/crypto/labels.ts";
import { quoted, readDocument, root, withPart, writtenPart } from "./markdown.ts";
import { lengthTable, operationTable, refusalTable } from "./protocol-tables.ts";

const PATH = "src/wire/PROTOCOL.md";
const parts = { lengths: lengthTable, operations: operationTable, refusals: refusalTable };

/** Operations and refusals that a text names but the code does not have. */
const unknown = (text: string): string[] => {
  const areas = new Set(Object.keys(faults).map((code) => code.split("/")[0]));
  return quoted(text).filter(
    (word) =>
      (/^(as|qs|ds)\.\w+$/.test(word) && !(word in operations)) ||
      (/^[a-z]+\/[a-z-]+$/.test(word) && areas.has(word.split("/")[0]) && !(word in faults)),
  );
};

/** Operations that no step of the text explains: a step begins with its number and the operation's name. */
const unexplained = (text: string, names: readonly string[]): string[] =>
  names.filter((name) => !new RegExp(`^\\*\\*\\[\\d+\\.\\d+\\] ${name.replace(".", "\\.")}\\*\\*`, "m").test(text));

describe("docs/PROTOCOL.md", () => {
  let text = readDocument(PATH);

  before(() => {
    if (process.env["WRITE_DOCS"] !== "1") return;
    for (const [name, table] of Object.entries(parts)) text = withPart(text, name, table());
    writeFileSync(join(root, PATH), text);
  });

  for (const [name, table] of Object.entries(parts)) {
    it(`has the ${name} of the code, each with its columns`, () => assert.equal(writtenPart(text, name), table()));
  }

  it("would notice a changed token class, caller, limit or number (control)", () => {
    const shape = operations["as.discover"];
    for (const change of [{ token: "none" }, { caller: "account" }, { limits: { namesPerToken: 2 } }, { number: 99 }]) {
      assert.notEqual(operationTable({ ...operations, "as.discover": { ...shape, ...change } }), operationTable());
    }
    assert.notEqual(lengthTable({ ...sizes, small: 4000 }), lengthTable());
    assert.notEqual(refusalTable({ ...faults, "token/spent": { number: 27, status: 401 } }), refusalTable());
    assert.notEqual(writtenPart(withPart(text, "refusals", "| 1 | other |"), "refusals"), refusalTable());
  });

  it("explains every operation in a step of its own, and names none that is not there", () => {
    const names = Object.keys(operations);
    assert.deepEqual(unexplained(text, names), []);
    assert.deepEqual(unknown(text), []);
    assert.deepEqual(unexplained(text, ["as.vanish"]), ["as.vanish"]);
    assert.deepEqual(unknown("`as.vanish` and `token/gone`, but `as.discover`, `token/spent`, `src/wire`"), [
      "as.vanish",
      "token/gone",
    ]);
  });

  it("names every label that a peer must know", () => {
    // Used inside the house, or by one client alone: no other side has to know them.
    const own = [
      "recordName",
      "recordValue",
      "recordTurn",
      "recordChain",
      "sequenceOffset",
      "groupState",
      "groupRecord",
      "groupNext",
      "groupVotes",
      "groupUse",
      "receiptKey",
      "receiptBinding",
      "tokenDigest",
      "issuanceNonce",
      "issuanceRequest",
      "rsaBlind",
      "rsaSalt",
      "workSeed",
      "workName",
      "publication",
      "blocklistName",
      "friendship",
      "clientStore",
      "masterWrap",
    ];
    const shared = Object.entries(derivationLabels).filter(([purpose]) => !own.includes(purpose));
    const labels = [...shared.map(([, label]) => label), ...Object.values(signatureLabels), ...Object.values(hpkeInfo)];
    const missing = (within: string): string[] =>
      [...labels, hpkeReplyExport, mlsGroupKey, mlsGroupKeyRecovery].filter(
        (label) => !within.includes(`\`${label}\``),
      );
    assert.deepEqual(missing(text), []);
    assert.equal(missing(text.replaceAll(`\`${mlsGroupKey}\``, "")).length, 1);
  });
});
