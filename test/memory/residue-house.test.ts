import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";
import { randomBytes } from "../../src/crypto/random.ts";
import { rawAccount, rawHouse } from "../raw-account.ts";
import { replyOf } from "../raw-client.ts";
import { rawPair, rawQueue } from "../raw-group.ts";
import { spawnHouse, type SpawnedHouse } from "../spawn-house.ts";
import type { Canary } from "./canary.ts";
import { cannotRead, scanProcess } from "./process-memory.ts";
import { describeHits } from "./hits.ts";
import { Scanner } from "./scanner.ts";

const WAIT_MS = 2_500;
const LEAST_BYTES = 20 << 20;

describe("memory/residue-house", () => {
  let spawned: SpawnedHouse;
  beforeEach(async function () {
    this.timeout(30_000);
    spawned = await spawnHouse();
  });
  afterEach(() => spawned.remove());

  it("a whole house holds nothing of anybody after its last request", async function () {
    this.timeout(120_000);
    const reason = cannotRead(spawned.pid);
    if (reason !== undefined) {
      this.test!.title += ` [${reason}]`;
      this.skip(); // the reason is in the title: this process may not read that memory
    }
    const canaries: Canary[] = [];
    const note = (kind: string, bytes: Uint8Array): void => void canaries.push({ kind, bytes: Buffer.from(bytes) });
    const raw = await rawHouse(spawned);
    const house: typeof raw = {
      ...raw,
      ask(request) {
        const requestId = randomBytes(16);
        note("requestId", requestId);
        // an invitation is a text that the house itself has made and printed
        if (request.token !== undefined && request.operation !== "as.register") {
          note("token", request.token.subarray(2, 34));
        }
        return raw.ask({ requestId, ...request });
      },
    };
    note("own", raw.to.domain);
    const person = async () => {
      const name = `a${randomBytes(14).toString("hex")}`;
      note("name", Buffer.from(name));
      const account = await rawAccount(spawned, house, name);
      note("userId", account.userId);
      note("clientId", account.clientId);
      return { name: Buffer.from(name), account };
    };
    const [alice, bob] = [await person(), await person()];
    const [create, deliver, connect, discover] = [
      await alice.account.draw("create"),
      await alice.account.draw("deliver"),
      await alice.account.draw("connect"),
      await alice.account.draw("discover"),
    ];
    const of = (tokens: Buffer[]): Buffer => tokens.pop() ?? Buffer.alloc(0);

    for (let i = 0; i < 10; i++) {
      await house.ask({ operation: "as.discover", request: { name: bob.name }, token: of(discover) });
      const offer = randomBytes(2048);
      note("offer", offer);
      await house.ask({ operation: "as.connect", request: { name: bob.name, offer }, token: of(connect) });
    }
    const { userId, clientId, signer } = bob.account;
    const direct = await house.ask({
      operation: "as.readDirect",
      request: { userId, clientId, acknowledge: 0 },
      signer,
    });
    assert.equal(replyOf("as.readDirect", direct).items.length, 8);

    const queues = [await rawQueue(house, create), await rawQueue(house, create)] as const;
    for (const queue of queues) {
      note("queueId", queue.queueId);
      note("ratchetSecret", queue.ratchetSecret);
    }
    const pair = await rawPair(spawned, house, queues, { create, deliver });
    for (const { pseudonym, signaturePublicKey, handle } of pair.founder.members()) {
      note("pseudonym", pseudonym);
      note("leaf key", signaturePublicKey);
      note("handle", handle);
    }
    note("groupId", pair.groupId);
    note("groupKey", pair.groupKey);
    let founder = pair.founder;
    for (let i = 0; i < 40; i++) {
      const { privateMessage: message, next } = await founder.send(randomBytes(600));
      founder = next;
      note("message", Buffer.from(message).subarray(40));
      const sent = await house.ask({
        operation: "ds.send",
        request: { groupId: pair.groupId, groupKey: pair.groupKey, leaf: pair.founder.ownLeaf, message },
        signer: (...parts) => pair.founder.signWithLeaf("request", ...parts),
        token: of(deliver),
      });
      assert.equal(sent.code, "ok");
    }
    const read = await house.ask({
      operation: "qs.read",
      request: { queueId: queues[1].queueId, acknowledge: 0, wait: 0 },
      signer: queues[1].signer,
    });
    assert.ok(replyOf("qs.read", read).items.length > 1);
    house.close();
    await pause(WAIT_MS);
    process.kill(spawned.pid, "SIGSTOP");
    const scanner = new Scanner(canaries);
    const bytes = scanProcess(spawned.pid, scanner);
    assert.ok(bytes > LEAST_BYTES, `only ${bytes} bytes were read`);
    const [control, hits] = [true, false].map((own) => scanner.hits.filter(({ kind }) => (kind === "own") === own));
    assert.deepEqual(describeHits(hits ?? []), []);
    assert.notDeepEqual(control, [], "control: what the house holds by its nature is found");
  });
});
