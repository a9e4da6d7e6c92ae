import assert from "node:assert/strict";
import type { Fault, FaultCode } from "../../src/fault.ts";
import { fetchOnce } from "../../tor/fetch-once.ts";
import { onionAddress } from "../../tor/onion-address.ts";
import { standInServer, type StandInServer } from "./stand-in-server.ts";
import { standInSocks, type StandInSocks } from "./stand-in-socks.ts";

const onion = onionAddress(new Uint8Array(32).fill(7));
const faultOf = (promise: Promise<unknown>): Promise<FaultCode | "none"> =>
  promise.then(
    () => "none",
    (error: unknown) => (error as Fault).code,
  );

describe("tor/fetch-once (stand-in server)", () => {
  let server: StandInServer;
  let socks: StandInSocks;
  let status: number;
  const open: { close(): Promise<void> }[] = [];
  beforeEach(async () => {
    status = 200;
    server = await standInServer((_request, reply) => void reply.writeHead(status).end("a document"));
    socks = await standInSocks({ target: server.path });
    open.push(socks, server);
  });
  afterEach(async () => {
    for (const each of open.splice(0)) await each.close();
  });
  const fetch = (signal = new AbortController().signal, path = socks.path) =>
    fetchOnce({ socksPath: path, onion }, "/document", signal);

  it("asks once, under credentials of its own", async () => {
    assert.equal((await fetch()).toString(), "a document");
    assert.equal((await fetch()).toString(), "a document");
    assert.equal(server.received[0], `GET /document HTTP/1.1\r\nHost: ${onion}\r\n\r\n`);
    assert.deepEqual(socks.destinations, [`${onion}:80`, `${onion}:80`]);
    assert.equal(new Set(socks.credentials).size, 2);
  });

  it("takes nothing but a document, and no address that is none", async () => {
    status = 404;
    assert.equal(await faultOf(fetch()), "wire/malformed");
    const bad = { socksPath: socks.path, onion: `${"a".repeat(56)}.onion` };
    assert.equal(await faultOf(fetchOnce(bad, "/", new AbortController().signal)), "tor/address");
  });

  it("ends when it is told to", async () => {
    const silent = await standInSocks({ silent: true });
    open.push(silent);
    const stop = new AbortController();
    const fetching = faultOf(fetch(stop.signal, silent.path));
    setTimeout(() => stop.abort(), 50);
    assert.equal(await fetching, "tor/closed");
    assert.equal(await faultOf(fetch(stop.signal)), "tor/closed");
  });
});
