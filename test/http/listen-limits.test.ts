import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";
import type { Dispatch } from "../../src/http/types.ts";
import { ArenaPool, LARGE_AT_ONCE } from "../../src/memory/arena.ts";
import { PREAMBLE_LENGTH, requestLength } from "../../src/wire/frame.ts";
import { ask, httpHead, RawConnection } from "./envelope-client.ts";
import { number, startListening, talkTo, token, type Listening } from "./listening.ts";

describe("http/listen at its limits", () => {
  let house: Listening;
  const { build, send, quiet } = talkTo(() => house);

  it("does not read the body before the gate has answered", async () => {
    let open: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => (open = resolve));
    let taken = 0;
    const arenas = new ArenaPool([[64 << 10, 4]]);
    house = await startListening({
      arenas,
      redeem: async (tokenClass) => {
        taken++;
        await gate;
        const nothing = Buffer.alloc(0);
        return {
          class: tokenClass,
          epoch: 0,
          name: nothing,
          binding: nothing,
          state: "fresh",
          room: "spent",
          release: () => taken--,
        };
      },
    });
    const request = build({ operation: "ds.create", token: token(), payload: Buffer.alloc(30000, 7) });
    const connection = new RawConnection(house.socketPath);
    connection.write(httpHead(request.body.length), request.body.subarray(0, PREAMBLE_LENGTH));
    while (taken === 0) await pause(2);
    connection.write(request.body.subarray(PREAMBLE_LENGTH));
    await pause(50);
    assert.equal(house.dispatched, 0);
    open();
    assert.equal(request.open((await connection.reply())!.body).code, number("server/error"), "echo does not fit");
    connection.end();
    await quiet();
    await house.close();
  });

  it("answers server/error when dispatch crashes or gives too much, and says so without a word of the request", async () => {
    for (const dispatch of [
      async () => {
        throw new Error("secret");
      },
      async ({ arena }) => ({ code: 0, payload: arena.take(4096) }),
    ] as Dispatch[]) {
      house = await startListening({ dispatch });
      const { opened, reply } = await send({ token: token() });
      assert.equal(reply.status, 200);
      assert.equal(opened().code, number("server/error"));
      await quiet();
      await house.close();
      assert.ok(!house.lines.join("").includes("secret"));
    }
  });

  it("carries a refusal of dispatch, with a challenge where it is the token's", async () => {
    house = await startListening({ dispatch: async () => ({ code: number("token/spent"), payload: Buffer.alloc(0) }) });
    const spent = await send({ token: token() });
    assert.equal(spent.reply.status, 401);
    assert.ok(spent.reply.headers.has("www-authenticate"));
    const none = await send({ operation: "as.readDirect" });
    assert.equal(none.reply.status, 200);
    await house.close();
  });

  it("is busy, not broken, when locked memory runs out", async () => {
    house = await startListening({ arenas: new ArenaPool([[8192, 1]]) });
    assert.equal((await send({ token: token() })).reply.status, 503);
    await quiet();
    assert.equal((await send({ token: token(6) })).reply.status, 401);
    await house.close();
  });

  it("takes so many large requests at once, and the next gets its token back; the others are served", async () => {
    const arenas = new ArenaPool([
      [16 << 10, 32],
      [528 << 10, LARGE_AT_ONCE + 2],
    ]);
    house = await startListening({ arenas });
    const begun = Array.from({ length: LARGE_AT_ONCE }, () => {
      const connection = new RawConnection(house.socketPath);
      const { body } = build({ operation: "ds.resync", token: token() });
      connection.write(httpHead(body.length), body.subarray(0, PREAMBLE_LENGTH + 1000));
      return connection;
    });
    while (house.tokens.length < LARGE_AT_ONCE) await pause(2);
    const late = await send({ operation: "ds.resync", token: token() });
    assert.equal(late.opened().code, number("server/busy"));
    assert.equal(house.tokens.at(-1), "release");
    assert.equal((await send({ token: token() })).reply.status, 200);
    for (const connection of begun) connection.end();
    await quiet();
    assert.notEqual((await send({ operation: "ds.resync", token: token() })).opened().code, number("server/busy"));
    await house.close();
  });

  it("loses patience with slow writers and slow readers", async () => {
    house = await startListening({
      limits: { headerSeconds: 1, requestSeconds: 1, replySeconds: 0.3, idleSeconds: 30 },
    });
    const slow = new RawConnection(house.socketPath);
    const { body } = build({ token: token() });
    slow.write(httpHead(body.length), body.subarray(0, 1000));
    const half = new RawConnection(house.socketPath);
    half.write(Buffer.from("POST /v1 HTTP/1.1\r\n"));
    const deaf = new RawConnection(house.socketPath);
    deaf.socket.pause();
    let asked = 0;
    for (; asked < 200 && !deaf.socket.destroyed; asked++) {
      const unread = build({ operation: "as.readDirect" }).body;
      deaf.write(httpHead(unread.length), unread);
      await pause(10);
    }
    assert.ok(asked < 200, "a client that never reads is let go");
    await Promise.all([slow.closed, half.closed, deaf.closed]);
    await quiet();
    assert.deepEqual(house.tokens, ["redeem", "release"]);
    await house.close();
  });

  it("limits connections", async () => {
    house = await startListening({ limits: { connections: 2 } });
    const all = Array.from({ length: 3 }, () => new RawConnection(house.socketPath));
    await Promise.race(all.map((connection) => connection.closed));
    assert.ok(house.lines.some((line) => line.includes("connections-full")));
    for (const connection of all) connection.end();
    await house.close();
  });

  it("lets a running request end before it closes, but not for ever", async () => {
    house = await startListening({
      dispatch: async () => {
        await pause(150);
        return { code: 0, payload: Buffer.alloc(0) };
      },
    });
    const request = send({ token: token() });
    await pause(50);
    await Promise.all([request, house.close()]);
    assert.equal((await request).opened().code, 0);
    house = await startListening({ dispatch: () => pause(1500).then(() => ({ code: 0, payload: Buffer.alloc(0) })) });
    const lost = ask(house.socketPath, httpHead(requestLength("small")), build({ token: token() }).body);
    await pause(50);
    const began = performance.now();
    await house.close(0.1);
    assert.ok(performance.now() - began < 1000);
    assert.equal(await lost, undefined);
    await quiet().catch(() => pause(700));
    await quiet();
  });
});
