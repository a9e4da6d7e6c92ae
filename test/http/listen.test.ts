import assert from "node:assert/strict";
import { existsSync, lstatSync, statSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { HEADER_LENGTH, PREAMBLE_LENGTH, replyLength, requestLength, sizes, windowOf } from "../../src/wire/frame.ts";
import { ask, httpHead, RawConnection } from "./envelope-client.ts";
import { NOW, number, startListening, talkTo, token, type Listening } from "./listening.ts";

describe("http/listen", () => {
  let house: Listening;
  const { build, send, quiet } = talkTo(() => house);

  beforeEach(async () => {
    house = await startListening();
  });
  afterEach(async () => {
    await quiet();
    await house.close();
    assert.ok(!existsSync(house.socketPath));
  });

  it("answers a sealed request with a sealed reply of the operation's size", async () => {
    const payload = Buffer.from("what is asked");
    const { reply, opened } = await send({ token: token(), payload });
    assert.equal(reply.status, 200);
    assert.deepEqual(opened(), { code: 0, payload });
    assert.equal(reply.body.length, replyLength("small"));
    assert.deepEqual(house.tokens, ["redeem"]);
    assert.deepEqual(house.snapshot(), { served: 1, redeemed: 1, refused: {} });
    const medium = await send({ operation: "as.readDirect" });
    assert.equal(medium.reply.body.length, replyLength("medium"));
  });

  it("shows the same headers whatever it answers", async () => {
    const request = build({ token: token() });
    const fine = [...(await send({ token: token() })).reply.headers];
    const names = (headers: Iterable<readonly [string, string]>) => [...headers].map(([name]) => name).toSorted();
    assert.deepEqual(names(fine), ["content-length", "content-type"]);
    const others = await Promise.all([
      send({ token: token(), spoilFrame: (f) => void (f[4000] = 1) }).then((r) => r.reply),
      ask(house.socketPath, httpHead(4), Buffer.from("abcd")),
      ask(house.socketPath, httpHead(request.body.length, [], "PUT /v1 HTTP/1.1"), request.body),
      ask(house.socketPath, httpHead(0, [], "GET /nowhere HTTP/1.1")),
      ask(house.socketPath, httpHead(0, [], "GET /.well-known/tacet/directory HTTP/1.1")),
    ]);
    for (const other of others) {
      assert.deepEqual(names(other!.headers), names(fine));
      assert.equal(other!.headers.get("content-type"), "application/octet-stream");
    }
    assert.deepEqual(
      others.map((other) => other!.status),
      [200, 400, 404, 404, 200],
    );
    assert.equal(others[2]!.body.length, 0);
    assert.equal(others[4]!.body.toString(), "directory");
  });

  it("keeps a connection for one request after another", async () => {
    const connection = new RawConnection(house.socketPath);
    for (let i = 0; i < 20; i++) {
      const request = build({ token: token(i % 3 === 0 ? 6 : 5), payload: Buffer.from([i]) });
      connection.write(httpHead(request.body.length), request.body);
      const reply = await connection.reply();
      assert.equal(request.open(reply!.body).code, i % 3 === 0 ? number("token/invalid") : 0);
    }
    connection.end();
    await connection.closed;
  });

  it("refuses at the gate with a challenge and without reading the body", async () => {
    for (const [spec, code] of [
      [{}, "token/required"],
      [{ token: token(6) }, "token/invalid"],
      [{ operation: "ds.create", token: token(6) }, "token/invalid"],
    ] as const) {
      // The body cannot be opened: a server that looked at it would say so.
      const request = build(spec);
      request.body.fill(1, PREAMBLE_LENGTH);
      const reply = await ask(house.socketPath, httpHead(request.body.length), request.body);
      assert.equal(reply!.status, 401);
      assert.match(reply!.headers.get("www-authenticate") ?? "", /^PrivateToken challenge="(discover|create)"/);
      assert.deepEqual(request.open(reply!.body), { code: number(code), payload: Buffer.alloc(0) });
    }
    assert.equal(house.dispatched, 0);
  });

  it("takes a foreign client's token from the Authorization header", async () => {
    const text = token().toString("base64url");
    for (const value of [`PrivateToken token="${text}"`, `privatetoken token=${text}`]) {
      const { reply } = await send({}, [`Authorization: ${value}`]);
      assert.equal(reply.status, 200);
    }
    for (const value of [
      `PrivateToken token="${text.slice(1)}"`,
      `PrivateToken token="${text}A"`,
      `PrivateToken token="*${text.slice(1)}"`,
      "PrivateToken",
      "PrivateToken nothing",
    ]) {
      const { reply } = await send({}, [`Authorization: ${value}`]);
      assert.equal(reply.status, 401, value);
    }
    const basic = await send({}, ["Authorization: Basic Zm9v"]);
    assert.equal(basic.opened().code, number("token/required"));
  });

  it("refuses a token nobody asked for", async () => {
    const { reply, opened } = await send({ operation: "as.readDirect", token: token() });
    assert.equal(reply.status, 200);
    assert.equal(opened().code, number("wire/malformed"));
    assert.deepEqual(house.tokens, []);
  });

  it("gives the token back when the request turns out bad", async () => {
    for (const [spoil, code] of [
      [{ spoilFrame: (frame: Buffer) => void (frame[sizes.small - 1] = 1) }, "wire/malformed"],
      [{ spoilFrame: (frame: Buffer) => void frame.writeUInt32BE(5000) }, "wire/malformed"],
    ] as const) {
      const { opened } = await send({ token: token(), ...spoil });
      assert.equal(opened().code, number(code));
    }
    const request = build({ token: token() });
    request.body[request.body.length - 1]! ^= 1;
    const reply = await ask(house.socketPath, httpHead(request.body.length), request.body);
    assert.equal(request.open(reply!.body).code, number("envelope/open"));
    assert.deepEqual(house.tokens, ["redeem", "release", "redeem", "release", "redeem", "release"]);
    assert.equal(house.dispatched, 0);
  });

  it("refuses bad headers before it asks for the token", async () => {
    const spoilt = (spoilHeader: (plain: Buffer) => void) => send({ token: token(), spoilHeader });
    for (const [at, value] of [
      [0, 2],
      [1, 1],
      [HEADER_LENGTH - 1, 1],
    ] as const) {
      const { opened, reply } = await spoilt((plain) => void (plain[at] = value));
      assert.equal(opened().code, number("wire/malformed"));
      assert.equal(reply.body.length, replyLength("small"));
    }
    const unknown = await send({ token: token(), number: 999, operation: "as.discover" });
    assert.equal(unknown.opened().code, number("wire/unknown-operation"));
    const wrong = await send({ token: token(), size: "medium" });
    assert.equal(wrong.opened().code, number("wire/size-class"));
    for (const shift of [-1, 0, 1]) {
      assert.equal((await send({ token: token(), now: NOW + shift * 600 })).opened().code, 0);
    }
    for (const shift of [-2, 2]) {
      const stale = (await send({ token: token(), now: NOW + shift * 600 })).opened();
      assert.equal(stale.code, number("auth/stale"));
      assert.equal(stale.payload.readUInt32BE(), windowOf(NOW));
    }
    assert.deepEqual(house.tokens, ["redeem", "redeem", "redeem"]);
  });

  it("answers what it cannot open with random bytes of the usual length", async () => {
    const spoil = async (change: (body: Buffer) => Buffer) => {
      const { body } = build({ token: token() });
      const changed = change(body);
      const reply = await ask(house.socketPath, httpHead(changed.length), changed);
      assert.equal(reply!.status, 400);
      assert.equal(reply!.body.length, replyLength("small"));
      return reply!.body;
    };
    const flip = (at: number) => (body: Buffer) => {
      body[at]! ^= 1;
      return body;
    };
    const bodies = [
      await spoil(flip(0)), // version
      await spoil(flip(3)), // key id
      await spoil(flip(20)), // enc
      await spoil(flip(60)), // sealed header
      await spoil((body) => body.subarray(1)),
      await spoil((body) => Buffer.concat([body, Buffer.alloc(1)])),
      await spoil(() => Buffer.alloc(0)),
    ];
    assert.equal(new Set(bodies.map((body) => body.toString("latin1"))).size, bodies.length);
    assert.deepEqual(house.tokens, []);
  });

  it("opens with the previous key until its time is over", async () => {
    house.keys.rotate(NOW);
    assert.equal((await send({ token: token() })).opened().code, 0);
    house.keys.rotate(NOW + 1200);
    assert.equal((await send({ token: token() })).reply.status, 400);
  });

  it("puts a split request together and survives a chunked one", async () => {
    const request = build({ token: token(), payload: Buffer.from("split") });
    const whole = Buffer.concat([httpHead(request.body.length), request.body]);
    const connection = new RawConnection(house.socketPath);
    for (const [from, to] of [
      [0, 20],
      [20, 120],
      [120, 247],
      [247, 330],
      [330, 331],
      [331, whole.length],
    ]) {
      connection.write(whole.subarray(from, to));
      await pause(5);
    }
    assert.equal(request.open((await connection.reply())!.body).payload.toString(), "split");
    connection.end();
    const chunked = ["POST /v1 HTTP/1.1", "Host: x", "Transfer-Encoding: chunked", "", "3", "abc", "0", "", ""];
    assert.equal((await ask(house.socketPath, Buffer.from(chunked.join("\r\n"))))!.status, 400);
  });

  it("ends a connection that asks again before it was answered, or does not speak HTTP", async () => {
    const pipelined = new RawConnection(house.socketPath);
    const one = build({ token: token() }).body;
    pipelined.write(Buffer.concat([httpHead(one.length), one, httpHead(one.length), one]));
    assert.equal(await pipelined.reply(), undefined);
    await pipelined.closed;
    assert.equal(await ask(house.socketPath, Buffer.from("POST /v1 HTTP/1.1\r\nHo st: x\r\n\r\nabc")), undefined);
    assert.equal(await ask(house.socketPath, httpHead(0, [`X: ${"y".repeat(5000)}`])), undefined);
  });

  it("wipes and gives back when the client goes away in the middle", async () => {
    for (const size of [100, PREAMBLE_LENGTH, PREAMBLE_LENGTH + 1000]) {
      const connection = new RawConnection(house.socketPath);
      const { body } = build({ token: token() });
      connection.write(httpHead(body.length), body.subarray(0, size));
      await pause(20);
      connection.end();
      await connection.closed;
    }
    await quiet();
    await pause(20);
    assert.deepEqual(house.tokens, ["redeem", "release", "redeem", "release"]);
    assert.equal(house.dispatched, 0);
  });

  it("reads an unwanted upload to its end, and no further than a bound", async () => {
    const long = requestLength("large") - 1;
    const reply = await ask(house.socketPath, httpHead(long), Buffer.alloc(long));
    assert.equal(reply!.status, 400);
    const endless = new RawConnection(house.socketPath);
    endless.write(httpHead(1 << 26));
    let written = 0;
    while (!endless.socket.destroyed && written < 1 << 26) {
      endless.write(Buffer.alloc(1 << 16));
      written += 1 << 16;
      await pause(1);
    }
    await endless.closed;
    assert.ok(written < 1 << 22, `${written} bytes`);
  });

  it("gives its socket file the mode asked for", () => {
    assert.equal(statSync(house.socketPath).mode & 0o777, 0o600);
    assert.ok(lstatSync(house.socketPath).isSocket());
  });
});
