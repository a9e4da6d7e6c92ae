import assert from "node:assert/strict";
import { randomBytes } from "../../src/crypto/random.ts";
import { operations, type OperationName, type RequestOf, type TokenClass } from "../../src/wire/operations.ts";
import { API_PATH, TOKEN_SLOT_LENGTH } from "../../src/wire/frame.ts";
import { TOKEN_LENGTH } from "../../tokens/token.ts";
import { startTestHouse, type TestHouse } from "../house.ts";
import { invitationToken, rawAccount, rawHouse, type RawAccount, type RawHouse } from "../raw-account.ts";
import { sealRequest } from "../raw-client.ts";

// A request of each operation that decodes; whether its service then likes it is not the gate's business.
const zeros = (n: number): Buffer => Buffer.alloc(n);
const nobody = { userId: zeros(16), clientId: zeros(16) };
const member = { groupId: zeros(16), groupKey: zeros(32), leaf: 0 };
const advance = { groupId: zeros(16), groupKey: zeros(32), nextGroupKey: zeros(32) };
const samples: { [N in OperationName]: RequestOf<N> } = {
  "as.register": {
    name: Buffer.from("somebody"),
    clientKey: zeros(32),
    recoveryKey: zeros(32),
    proof: zeros(64),
    clientList: zeros(0),
  },
  "as.putConnectionPackages": { userId: zeros(16), clientId: zeros(16), packages: [], lastResort: zeros(0) },
  "as.issueTokens": { userId: zeros(16), clientId: zeros(16), tokenRequest: zeros(0) },
  "as.discover": { name: Buffer.from("nobody") },
  "as.connect": { name: Buffer.from("nobody"), offer: zeros(2048) },
  "as.readDirect": { ...nobody, acknowledge: 0 },
  "as.addClient": { ...nobody, clientKey: zeros(32), proof: zeros(64), clientList: zeros(0) },
  "as.removeClient": { ...nobody, clientList: zeros(0) },
  "as.listClients": { ...nobody, after: 0 },
  "as.renewCredential": nobody,
  "as.recover": { name: Buffer.from("nobody") },
  "as.reset": { name: Buffer.from("nobody"), clientKey: zeros(32), proof: zeros(64), clientList: zeros(0) },
  "as.rename": { ...nobody, name: Buffer.from("nobody") },
  "as.deleteAccount": { ...nobody, attempt: 1, recovery: zeros(0) },
  "as.cancelDeletion": { ...nobody, attempt: 1 },
  "as.putProfile": { ...nobody, version: 1, token: zeros(32), profile: zeros(1024) },
  "as.getProfile": { token: zeros(32) },
  "as.createAlias": { name: Buffer.from("an.alias"), aliasKey: zeros(32), proof: zeros(64), days: 1 },
  "as.deleteAlias": { aliasId: zeros(16) },
  "qs.createQueue": { ownerKey: zeros(32), ratchetSecret: zeros(32), friendshipToken: randomBytes(32) },
  "qs.publish": { queueId: zeros(16), keyPackages: [], lastResort: { notAfter: 0, sealed: zeros(0) } },
  "qs.claim": { friendshipToken: zeros(32) },
  "qs.mintHandles": { queueId: zeros(16), generation: 0, tags: [zeros(16)] },
  "qs.block": { queueId: zeros(16), number: 1, salt: zeros(32), digests: zeros(16) },
  "qs.revokeHandles": { queueId: zeros(16), generation: 1 },
  "qs.deleteQueue": { queueId: zeros(16), ownerKey: zeros(32) },
  "qs.rotateFriendship": { queueId: zeros(16), friendshipToken: zeros(32), nextFriendshipToken: zeros(32) },
  "qs.refresh": { queueId: zeros(16), generation: 1, ratchetSecret: zeros(32) },
  "qs.read": { queueId: zeros(16), acknowledge: 0, wait: 0 },
  "ds.reserve": {},
  "ds.create": { groupId: zeros(16), groupKey: zeros(32), groupInfo: zeros(9) },
  "ds.commit": { ...advance, leaf: 0, commit: zeros(0), groupInfo: zeros(0), welcome: zeros(0), recovery: zeros(0) },
  "ds.commitLarge": {
    ...advance,
    leaf: 0,
    commit: zeros(0),
    groupInfo: zeros(0),
    welcome: zeros(0),
    recovery: zeros(0),
  },
  "ds.send": { ...member, message: zeros(0) },
  "ds.sendTo": { ...member, recipient: 1, message: zeros(0) },
  "ds.leave": { ...member, proposal: zeros(0) },
  "ds.welcomeInfo": { groupId: zeros(16), groupKey: zeros(32), leafKey: zeros(32), offset: 0 },
  "ds.joinInfo": { groupId: zeros(16), groupKey: zeros(32), offset: 0 },
  "ds.resync": { ...advance, leaf: 0, commit: zeros(0), groupInfo: zeros(0) },
  "ds.join": { ...advance, commit: zeros(0), groupInfo: zeros(0) },
  "ds.updateHandle": { ...member, handle: zeros(88) },
  "ds.delete": { ...member, commit: zeros(0), groupInfo: zeros(0) },
  "ds.reset": member,
  "ds.recover": member,
};
const names = Object.keys(operations) as OperationName[];
const gated = names.filter((name) => operations[name].token !== "none");
type Drawn = Exclude<TokenClass, "invite">;
const classes: Drawn[] = ["create", "discover", "connect", "deliver"];

describe("[4] the gate, operation by operation", function () {
  this.timeout(60_000);
  let house: TestHouse;
  let raw: RawHouse;
  let account: RawAccount;
  const drawn = new Map<TokenClass, Buffer[]>();

  before(async () => {
    house = await startTestHouse();
    raw = await rawHouse(house);
    account = await rawAccount(house, raw, "gate.keeper");
    for (const tokenClass of classes) drawn.set(tokenClass, await account.draw(tokenClass));
  });
  after(async () => {
    raw.close();
    await house.stop();
  });

  const fresh = (tokenClass: TokenClass): Buffer => {
    if (tokenClass === "invite") return invitationToken(house);
    const token = drawn.get(tokenClass)?.pop();
    assert.ok(token !== undefined);
    return token;
  };
  /** What the operation costs, one slot behind the other; the first may be given. */
  const paid = (operation: OperationName, first?: Buffer): Buffer => {
    const tokenClass = operations[operation].token as TokenClass;
    const rest = Array.from({ length: operations[operation].price - 1 }, () => fresh(tokenClass));
    return Buffer.concat([first ?? fresh(tokenClass), ...rest]);
  };
  const ask = (operation: OperationName, token?: Uint8Array, requestId?: Uint8Array) => {
    const signed = operations[operation].caller === "anonymous" ? {} : { signer: () => zeros(64) };
    return raw.ask({
      operation,
      request: samples[operation],
      ...signed,
      ...(token && { token }),
      ...(requestId && { requestId }),
    });
  };
  const transportStatus = async (operation: OperationName): Promise<{ status: number; challenge?: string }> => {
    const transport = house.transport();
    try {
      const sealed = sealRequest(raw.to, { operation, request: samples[operation], now: house.now() });
      return await transport.post("foreign", API_PATH, sealed.body);
    } finally {
      transport.close();
    }
  };

  for (const operation of gated) {
    const tokenClass = operations[operation].token as TokenClass;

    it(`${operation}: every operation without a token answers 401 with the RFC 9577 challenge`, async () => {
      assert.equal((await ask(operation)).code, "token/required");
      const { status, challenge } = await transportStatus(operation);
      assert.equal(status, 401);
      assert.match(challenge ?? "", /^PrivateToken challenge="[\w-]+={0,2}", token-key="[\w-]+={0,2}"$/);
    });

    it(`${operation}: takes a fresh token once`, async () => {
      const token = paid(operation);
      const first = await ask(operation, token);
      assert.ok(!first.code.startsWith("token/"), first.code);
      const second = await ask(operation, token);
      assert.equal(second.status, 401);
      assert.equal(second.code, "token/spent");
    });

    it(`${operation}: serves one of two requests with one token`, async () => {
      const token = paid(operation);
      const codes = (await Promise.all([ask(operation, token), ask(operation, token)])).map((reply) => reply.code);
      assert.equal(codes.filter((code) => code === "token/spent").length, 1, codes.join());
    });

    it(`${operation}: refuses other classes, flipped bits and random tokens`, async () => {
      for (const other of classes.filter((c) => c !== tokenClass)) {
        const token = fresh(other);
        assert.equal((await ask(operation, token)).code, "token/invalid");
        drawn.get(other)?.push(token); // it was not spent: used again elsewhere
      }
      const good = paid(operation);
      for (const at of [0, 1, 2, 33, 34, 65, 66, 97, 98, TOKEN_LENGTH - 1, TOKEN_LENGTH, TOKEN_SLOT_LENGTH - 1]) {
        const bad = Buffer.from(good);
        bad[at]! ^= 0x40;
        assert.match((await ask(operation, bad)).code, /^token\/(invalid|unknown-key)$/);
      }
      assert.match((await ask(operation, randomBytes(TOKEN_SLOT_LENGTH))).code, /^token\//);
      assert.ok(!(await ask(operation, good)).code.startsWith("token/"), "control: unflipped it passes");
    });

    it(`${operation}: refuses a token made for another house`, async () => {
      const other = await startTestHouse();
      try {
        assert.equal((await ask(operation, invitationToken(other))).code, "token/unknown-key");
      } finally {
        await other.stop();
      }
    });
  }

  it("[6.1] registers nobody without an invitation", async () => {
    assert.equal((await ask("as.register")).code, "token/required");
    assert.equal((await ask("as.register", fresh("deliver"))).code, "token/invalid");
  });

  it("refuses a token where none is taken, and gives it back", async () => {
    const token = fresh("discover");
    for (const operation of names.filter((name) => operations[name].token === "none"))
      assert.equal((await ask(operation, token)).code, "wire/malformed", operation);
    assert.equal((await ask("as.discover", token)).code, "ok");
  });

  it("[4.6] an operation costs its whole price, and takes nothing when a part of it is missing or bad", async () => {
    const good = paid("qs.createQueue");
    const slots = [0, 1, 2, 3].map((i) => good.subarray(i * TOKEN_SLOT_LENGTH, (i + 1) * TOKEN_SLOT_LENGTH));
    const withSlots = (...parts: Buffer[]) => ask("qs.createQueue", Buffer.concat(parts));
    assert.equal((await withSlots(slots[0]!)).code, "wire/malformed");
    assert.match((await withSlots(slots[0]!, slots[1]!, slots[2]!, slots[2]!)).code, /^(token\/spent|server\/busy)$/);
    const bad = Buffer.from(slots[3]!);
    bad[100]! ^= 1;
    assert.equal((await withSlots(slots[0]!, slots[1]!, slots[2]!, bad)).code, "token/invalid");
    assert.equal((await withSlots(slots[0]!, slots[1]!, slots[2]!, fresh("discover"))).code, "token/invalid");
    assert.ok(!(await withSlots(...slots)).code.startsWith("token/"));
    for (const slot of slots) {
      const others = paid("qs.createQueue").subarray(TOKEN_SLOT_LENGTH);
      assert.equal((await withSlots(others, slot)).code, "token/spent");
    }
  });

  it("[4.5] gives the token back where nothing was done", async () => {
    const token = fresh("discover");
    const bad = { operation: "as.discover", request: Buffer.from("not a request"), token } as const;
    assert.equal((await raw.ask(bad)).code, "wire/malformed");
    const good = { operation: "as.discover", request: samples["as.discover"], token } as const;
    assert.equal((await raw.ask({ ...good, now: house.now() + 3600 })).code, "auth/stale");
    assert.equal((await raw.ask({ ...good, operationNumber: 999 })).code, "wire/unknown-operation");
    assert.equal((await raw.ask({ ...good, size: "medium" })).code, "wire/size-class");
    assert.equal((await raw.ask(good)).code, "ok");
  });

  it("[4.4] a retry of the same request has the answer it missed; anything else does not", async () => {
    const [token, requestId] = [paid("qs.createQueue"), randomBytes(16)];
    const request = { ownerKey: randomBytes(32), ratchetSecret: randomBytes(32), friendshipToken: randomBytes(32) };
    const same = { operation: "qs.createQueue", request, token, requestId } as const;
    const first = await raw.ask(same);
    const again = await raw.ask(same);
    assert.equal(first.code, "ok");
    assert.deepEqual(again.payload, first.payload);
    assert.equal((await raw.ask({ ...same, request: { ...request, ownerKey: randomBytes(32) } })).code, "token/spent");
    assert.equal((await raw.ask({ ...same, requestId: randomBytes(16) })).code, "token/spent");
    await house.advance(3 * 86400);
    raw.close();
    raw = await rawHouse(house);
    assert.equal((await raw.ask(same)).code, "token/spent");
  });

  it("[4.1] refuses a token whose key has ended", async () => {
    const token = fresh("discover");
    await house.advance(38 * 86400);
    raw.close();
    raw = await rawHouse(house);
    assert.equal((await ask("as.discover", token)).code, "token/unknown-key");
    assert.equal(house.arenas.open, 0);
  });
});
