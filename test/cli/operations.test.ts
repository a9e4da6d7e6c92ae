import assert from "node:assert/strict";
import { operationRows, printOperations, type OperationRow } from "../../src/cli/operations.ts";
import { operations, type OperationName } from "../../src/wire/operations.ts";

// What the threat models of Phoenix ask a homeserver for, action by action: which operation answers it, who may ask, the
// token it takes, and the limit that they demand where they demand one.
const required: readonly (readonly [action: string, OperationName, caller: string, token: string, limit?: string])[] = [
  ["user registration", "as.register", "anonymous", "invite", "accountsPerToken"],
  ["client authentication and management: add", "as.addClient", "account", "none", "clients"],
  ["client management: remove", "as.removeClient", "account", "none", "changesPerPeriod"],
  ["client management: list", "as.listClients", "account", "none"],
  ["account reset, once a month", "as.reset", "account", "none", "daysBetween"],
  ["user name change, once a month", "as.rename", "account", "none", "daysBetween"],
  ["user discovery by full name", "as.discover", "anonymous", "discover", "namesPerToken"],
  ["connection establishment", "as.connect", "anonymous", "connect", "waitingPerTarget"],
  ["connection rejection, and answers of any kind", "as.connect", "anonymous", "connect", "perTargetAndDay"],
  ["connection management: requests that wait", "as.readDirect", "account", "none"],
  ["account deletion", "as.deleteAccount", "account", "none", "hoursToCancel"],
  ["account deletion: taken back", "as.cancelDeletion", "account", "none"],
  ["token issuance", "as.issueTokens", "account", "none", "tokensPerBatch"],
  ["group creation, limited", "ds.create", "anonymous", "create", "groupsPerToken"],
  ["message delivery", "ds.send", "member", "deliver", "requestsPerDay"],
  ["message delivery: inline group management", "ds.commit", "member", "deliver", "members"],
  ["message queueing", "qs.createQueue", "anonymous", "create", "queuesPerToken"],
  ["message retrieval", "qs.read", "queue", "none", "itemsPerQueue"],
  ["KeyPackage publishing", "qs.publish", "queue", "none", "keyPackages"],
  ["KeyPackage retrieval", "qs.claim", "anonymous", "connect", "claimsPerTargetAndDay"],
];

const missing = (rows: readonly OperationRow[]): string[] =>
  required
    .filter(([, name, caller, token, limit]) => {
      const row = rows.find((one) => one.name === name && one.caller === caller && one.token === token);
      return row === undefined || (limit !== undefined && !((row.limits[limit] ?? 0) > 0));
    })
    .map(([action]) => action);

describe("cli/operations", () => {
  it("prints every operation of the table, as text and as one JSON object", () => {
    const lines: string[] = [];
    printOperations({ json: true, out: (line) => lines.push(line), err: () => undefined });
    assert.equal(lines.length, 1);
    const printed = JSON.parse(lines[0]!) as { operations: OperationRow[] };
    assert.deepEqual(
      printed.operations.map(({ name }) => name),
      Object.keys(operations),
    );
    lines.length = 0;
    printOperations({ json: false, out: (line) => lines.push(line), err: () => undefined });
    assert.equal(lines.length, 3 * Object.keys(operations).length);
  });

  it("has a row for each action that the threat models ask for: caller, token, limit", () => {
    assert.deepEqual(missing(operationRows()), []);
  });

  it("control: a row that is gone, another caller, another token and a lost limit are each told", () => {
    const rows = operationRows();
    const without = (name: string, change?: Partial<OperationRow>): OperationRow[] =>
      rows.flatMap((row) => (row.name === name ? (change ? [{ ...row, ...change }] : []) : [row]));
    assert.deepEqual(missing(without("as.reset")), ["account reset, once a month"]);
    assert.deepEqual(missing(without("ds.send", { caller: "anonymous" })), ["message delivery"]);
    assert.deepEqual(missing(without("ds.create", { token: "none" })), ["group creation, limited"]);
    assert.deepEqual(missing(without("as.addClient", { limits: {} })), ["client authentication and management: add"]);
  });
});
