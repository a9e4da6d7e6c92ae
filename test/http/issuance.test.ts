import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";
import { faults, type FaultCode } from "../../src/fault.ts";
import { MAX_TOKEN_REQUEST } from "../../src/http/issuance.ts";
import type { ForeignRequest, Issuance } from "../../src/http/types.ts";
import { ArenaPool } from "../../src/memory/arena.ts";
import { windowOf } from "../../src/wire/frame.ts";
import { MAX_BATCH } from "../../src/wire/operations.ts";
import { genericLength, layGenericRequest } from "../../tokens/generic-batch.ts";
import { mediaTypes } from "../../tokens/request.ts";
import { ask, httpHead, RawConnection } from "./envelope-client.ts";
import { NOW, startListening, type Listening } from "./listening.ts";

const { single, amortized, generic } = mediaTypes;
const [user, client, signature] = [Buffer.alloc(16, 1), Buffer.alloc(16, 2), Buffer.alloc(64, 3)];
const [u, c, s] = [user, client, signature].map((bytes) => bytes.toString("base64url"));
const ACCOUNT = `Authorization: Tacet user="${u}", client="${c}", window="7", signature="${s}"`;

const ONE = Buffer.concat([Buffer.from([0, 5, 9]), Buffer.alloc(32, 4)]);
const BATCH = Buffer.concat([Buffer.from([0, 5, 9, 32]), Buffer.alloc(32, 4)]);
const genericBatch = (count: number): Buffer => {
  const out = Buffer.alloc(genericLength(count));
  layGenericRequest(out, 9, count);
  return out;
};

describe("http/issuance", () => {
  let house: Listening;
  let seen: (Omit<ForeignRequest, "arena"> & { body: Buffer })[];
  let code: FaultCode | "ok";
  const issuance: Issuance = async ({ userId, clientId, signature: signed, body, arena, ...rest }) => {
    const [a, b, d, e] = [userId, clientId, signed, body].map((bytes) => Buffer.from(bytes)) as [Buffer, ...Buffer[]];
    seen.push({ userId: a, clientId: b!, signature: d!, body: e!, ...rest });
    if (code !== "ok") return { code: faults[code].number, payload: Buffer.alloc(0) };
    return { code: 0, payload: arena.copy(Buffer.from("tokens")) };
  };
  beforeEach(async () => {
    seen = [];
    code = "ok";
    house = await startListening({ issuance, limits: { requestSeconds: 1 } });
  });
  afterEach(async () => {
    for (let i = 0; i < 100 && house.arenas.open > 0; i++) await pause(10);
    assert.equal(house.arenas.open, 0);
    await house.close();
  });

  const line = "POST /token-request HTTP/1.1";
  const typed = (type: string): string => `Content-Type: ${type}`;
  const post = async (type: string, body: Buffer, headers: string[] = [ACCOUNT], request = line) => {
    const reply = await ask(house.socketPath, httpHead(body.length, [typed(type), ...headers], request), body);
    assert.ok(reply !== undefined);
    return reply;
  };

  it("hands over what was asked and by whom, and answers with the response's media type", async () => {
    for (const [types, body] of [
      [single, ONE],
      [amortized, BATCH],
      [generic, genericBatch(2)],
      [generic, genericBatch(MAX_BATCH)],
    ] as const) {
      const reply = await post(types.request, body);
      assert.equal(reply.status, 200);
      assert.equal(reply.body.toString(), "tokens");
      assert.deepEqual(Object.fromEntries(reply.headers), { "content-length": "6", "content-type": types.response });
      const mediaType = Buffer.from(types.request);
      assert.deepEqual(seen.pop(), { userId: user, clientId: client, signature, window: 7, mediaType, body, now: NOW });
    }
    assert.equal(genericBatch(MAX_BATCH).length, MAX_TOKEN_REQUEST);
    await post(single.request.toUpperCase(), ONE);
    assert.equal(seen.pop()?.mediaType.toString(), single.request, "signed as registered");
  });

  const none = 'Authorization: PrivateToken token="AAAA"';
  const refusals: readonly [what: string, status: number, type: string, body: Buffer, headers: string[]][] = [
    ["another media type", 415, "application/octet-stream", ONE, [ACCOUNT]],
    ["a media type with a parameter", 415, `${single.request}; charset=utf-8`, ONE, [ACCOUNT]],
    ["a response's media type", 415, single.response, ONE, [ACCOUNT]],
    ["no body", 400, single.request, Buffer.alloc(0), [ACCOUNT]],
    ["an account header of another form", 400, single.request, ONE, [`${ACCOUNT},`]],
    ["no account header", 401, single.request, ONE, []],
    ["another scheme", 401, single.request, ONE, [none]],
    ["one byte too many", 413, generic.request, Buffer.alloc(MAX_TOKEN_REQUEST + 1), [ACCOUNT]],
    ["a single request as a batch", 422, amortized.request, ONE, [ACCOUNT]],
    ["a batch as a single request", 422, single.request, BATCH, [ACCOUNT]],
    ["an amortized batch as a generic one", 422, generic.request, BATCH, [ACCOUNT]],
    ["another token type", 422, single.request, Buffer.concat([Buffer.from([0, 1, 9]), Buffer.alloc(49)]), [ACCOUNT]],
    ["a request that is too short", 422, single.request, ONE.subarray(1), [ACCOUNT]],
    ["a byte", 422, single.request, Buffer.alloc(1), [ACCOUNT]],
  ];
  for (const [what, status, type, body, headers] of refusals) {
    it(`answers ${status} to ${what}, without a body`, async () => {
      const reply = await post(type, body, headers);
      assert.equal(reply.status, status);
      assert.equal(reply.body.length, 0);
      assert.equal(reply.headers.get("www-authenticate"), status === 401 ? "Tacet" : undefined);
      assert.equal(reply.headers.size, status === 401 ? 3 : 2);
      assert.equal(reply.headers.get("content-type"), "application/octet-stream");
      assert.equal(seen.length, 0);
    });
  }

  const answered: readonly [FaultCode, number][] = [
    ["auth/signature", 401],
    ["token/batch", 422],
    ["token/unknown-key", 422],
    ["token/conflict", 409],
    ["token/allowance", 429],
    ["server/busy", 503],
    ["server/full", 503],
    ["server/error", 503],
  ];
  for (const [refusal, status] of answered) {
    it(`answers ${status} where the service says ${refusal}`, async () => {
      code = refusal;
      const reply = await post(single.request, ONE);
      assert.equal(reply.status, status);
      assert.equal(reply.body.length, 0);
      assert.deepEqual(house.snapshot().refused, { [refusal]: 1 });
    });
  }

  it("tells the house's window to who has another", async () => {
    code = "auth/stale";
    const reply = await post(single.request, ONE);
    assert.equal(reply.status, 401);
    assert.equal(reply.headers.get("www-authenticate"), `Tacet window="${windowOf(NOW)}"`);
  });

  it("says no word of a crash", async () => {
    await house.close();
    house = await startListening({ issuance: () => Promise.reject(new Error("secret")) });
    assert.equal((await post(single.request, ONE)).status, 503);
    assert.ok(house.lines.length > 0 && !house.lines.join("").includes("secret"));
  });

  it("has nothing else at that path, and nothing at all where no tokens are issued so", async () => {
    for (const other of ["GET /token-request", "PUT /token-request", "POST /token-request/", "POST /token-request?a"])
      assert.equal((await post(single.request, ONE, [ACCOUNT], `${other} HTTP/1.1`)).status, 404, other);
    await house.close();
    house = await startListening();
    assert.equal((await post(single.request, ONE)).status, 404);
  });

  it("wants to know the length first", async () => {
    const head = [line, "Host: x", typed(single.request), ACCOUNT, "Transfer-Encoding: chunked", "", "1", "a", "0"];
    const reply = await ask(house.socketPath, Buffer.from([...head, "", ""].join("\r\n")));
    assert.equal(reply?.status, 400);
    assert.equal(seen.length, 0);
  });

  it("is busy, not broken, where there is no memory left", async () => {
    await house.close();
    house = await startListening({ issuance, arenas: new ArenaPool([[1024, 2]]) });
    assert.equal((await post(single.request, ONE)).status, 200);
    assert.equal((await post(generic.request, genericBatch(MAX_BATCH))).status, 503);
    assert.equal((await post(single.request, ONE)).status, 200);
  });

  it("keeps nothing of an upload that is broken off or too slow", async () => {
    const body = genericBatch(MAX_BATCH);
    for (const end of [(connection: RawConnection) => connection.end(), () => undefined]) {
      const connection = new RawConnection(house.socketPath);
      connection.write(httpHead(body.length, [typed(generic.request), ACCOUNT], line), body.subarray(0, 20_000));
      for (let i = 0; i < 100 && house.arenas.open === 0; i++) await pause(5);
      assert.equal(house.arenas.open, 1, "control: it was begun");
      end(connection);
      await connection.closed;
      for (let i = 0; i < 100 && house.arenas.open > 0; i++) await pause(10);
      assert.equal(house.arenas.open, 0);
    }
    assert.equal(seen.length, 0);
    assert.equal((await post(generic.request, body)).status, 200);
  });
});
