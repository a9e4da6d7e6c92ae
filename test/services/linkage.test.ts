import assert from "node:assert/strict";
import { randomBytes } from "../../src/crypto/random.ts";
import { rooms, type Room } from "../../src/store/rooms.ts";
import type { Opened } from "../dump-store.ts";
import { startTestHouse } from "../house.ts";
import { rawAccount, rawHouse } from "../raw-account.ts";
import { rawPair, rawQueue } from "../raw-group.ts";

type Service = "auth" | "queue" | "delivery";
const serviceOf: Record<Room, Service | "house"> = {
  server: "house",
  issuerKey: "house",
  account: "auth",
  name: "auth",
  directQueue: "auth",
  directItem: "auth",
  connectionPackage: "auth",
  clientChange: "auth",
  profile: "auth",
  accountEnd: "auth",
  accountUse: "auth",
  targetUse: "auth",
  nameHeld: "auth",
  issuance: "auth",
  groupReserved: "delivery",
  group: "delivery",
  groupEpoch: "delivery",
  groupNext: "delivery",
  groupRun: "delivery",
  groupVote: "delivery",
  groupUse: "delivery",
  keyPackage: "queue",
  friendship: "queue",
  queue: "queue",
  queueItem: "queue",
  queueLook: "queue",
  spent: "house",
  foreignSpent: "house",
  budget: "house",
  externalIssuer: "house",
  work: "house",
  receipt: "house",
};

interface Identifier {
  readonly what: string;
  readonly service: Service;
  readonly bytes: Uint8Array;
}

/** Where an identifier stands in a record of another service, or of none. */
const links = (records: readonly Opened[], identifiers: readonly Identifier[]): string[] =>
  records.flatMap(({ room, value }) =>
    identifiers
      .filter(({ service, bytes }) => serviceOf[room] !== service && value.includes(Buffer.from(bytes)))
      .map(({ what }) => `${what} in ${room}`),
  );

describe("services", () => {
  it("no stored record of one names an identifier of another, even with the master key", async function () {
    this.timeout(30_000);
    const house = await startTestHouse();
    try {
      const raw = await rawHouse(house);
      const account = await rawAccount(house, raw, "linked.person");
      const [creates, delivers] = [await account.draw("create"), await account.draw("deliver")];
      const one = (tokens: Buffer[]): Buffer => tokens.pop() ?? Buffer.alloc(0);
      const queues = [await rawQueue(raw, creates), await rawQueue(raw, creates)] as const;
      const group = await rawPair(house, raw, queues, { create: creates, deliver: delivers });
      const { privateMessage } = await group.founder.send(Buffer.from("a message in the group"));
      const sent = await raw.ask({
        operation: "ds.send",
        request: {
          groupId: group.groupId,
          groupKey: group.groupKey,
          leaf: group.founder.ownLeaf,
          message: privateMessage,
        },
        signer: (...parts) => group.founder.signWithLeaf("request", ...parts),
        token: one(delivers),
      });
      assert.equal(sent.code, "ok");
      const pending = await group.founder.commit({ now: house.now() });
      const { commit, groupInfo, nextGroupKey, recovery } = pending;
      const renewed = await raw.ask({
        operation: "ds.commit",
        request: {
          groupId: group.groupId,
          groupKey: group.groupKey,
          nextGroupKey,
          leaf: group.founder.ownLeaf,
          commit,
          groupInfo,
          welcome: Buffer.alloc(0),
          recovery,
        },
        signer: (...parts) => group.founder.signWithLeaf("request", ...parts),
        token: one(delivers),
      });
      assert.equal(renewed.code, "ok");
      raw.close();

      const identifiers: Identifier[] = [
        { what: "user id", service: "auth", bytes: account.userId },
        { what: "client id", service: "auth", bytes: account.clientId },
        { what: "user name", service: "auth", bytes: Buffer.from("linked.person") },
        ...queues.map((queue): Identifier => ({ what: "queue id", service: "queue", bytes: queue.queueId })),
        { what: "group id", service: "delivery", bytes: group.groupId },
        ...group.member.members().flatMap((member): Identifier[] => [
          { what: "pseudonym", service: "delivery", bytes: member.pseudonym },
          { what: "leaf key", service: "delivery", bytes: member.signaturePublicKey },
          { what: "handle", service: "delivery", bytes: member.handle },
        ]),
      ];
      const { opened } = await house.dump();
      // What the dump can see at all: every room that was used, and each service's identifiers in its own records.
      const used = new Set(opened.map(({ room }) => room));
      const unused = new Set([
        "work",
        "foreignSpent",
        "budget",
        "externalIssuer",
        "directQueue",
        "directItem",
        "connectionPackage",
        "profile",
        "accountEnd",
        "accountUse",
        "targetUse",
        "nameHeld",
        "keyPackage",
        "groupReserved",
      ]);
      for (const room of Object.keys(rooms) as Room[]) {
        if (!unused.has(room)) assert.ok(used.has(room), room);
      }
      assert.ok(opened.some(({ room, value }) => room === "account" && value.includes("linked.person")));
      assert.ok(
        opened.some(({ room, value }) => room === "friendship" && value.includes(Buffer.from(queues[0].queueId))),
      );
      assert.deepEqual(links(opened, identifiers), []);

      // Control: a record that does name another service's identifier is found.
      const planted = Buffer.concat([randomBytes(20), account.userId, randomBytes(20)]);
      assert.deepEqual(links([...opened, { room: "queue", value: planted }], identifiers), ["user id in queue"]);
    } finally {
      await house.stop();
    }
  });

  it("a group's state opens only with the group key: the master key alone shows none of it", async function () {
    this.timeout(30_000);
    const house = await startTestHouse();
    try {
      const raw = await rawHouse(house);
      const account = await rawAccount(house, raw, "sealed.person");
      const [creates, delivers] = [await account.draw("create"), await account.draw("deliver")];
      const queues = [await rawQueue(raw, creates), await rawQueue(raw, creates)] as const;
      const group = await rawPair(house, raw, queues, { create: creates, deliver: delivers });
      raw.close();
      const { opened } = await house.dump();
      const states = opened.filter(({ room }) => room === "group");
      assert.equal(states.length, 1);
      for (const member of group.member.members())
        for (const bytes of [member.pseudonym, member.signaturePublicKey, member.handle, group.groupId])
          for (const { value } of states) assert.ok(!value.includes(Buffer.from(bytes)));
    } finally {
      await house.stop();
    }
  });
});
