// The transports: what goes over the wire, what is bounded, what is tried again, and which circuit takes what.
import assert from "node:assert/strict";
import type { IncomingMessage, ServerResponse } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { Fault, type FaultCode } from "../../src/fault.ts";
import { maxReplyBody } from "../../tor/http-exchange.ts";
import { onionAddress } from "../../tor/onion-address.ts";
import { socketTransport } from "../../tor/socket-transport.ts";
import type { Transport } from "../../tor/transport-interface.ts";
import { torTransport } from "../../tor/transport.ts";
import { standInServer, type StandInServer } from "./stand-in-server.ts";
import { standInSocks, type StandInSocks } from "./stand-in-socks.ts";

const onion = onionAddress(new Uint8Array(32).fill(7));
const body = Buffer.from("sealed");

describe("transport (stand-in server)", () => {
  let server: StandInServer;
  let socks: StandInSocks;
  let answer: (request: IncomingMessage, reply: ServerResponse, body: Buffer) => void;
  const open: Transport[] = [];
  const kinds: [string, () => Transport][] = [
    ["over SOCKS", () => torTransport({ socksPath: socks.path, onion })],
    ["straight to the socket", () => socketTransport(server.path, onion)],
  ];

  beforeEach(async () => {
    answer = (_request, reply, sent) => void reply.writeHead(200).end(sent);
    server = await standInServer((request, reply, sent) => answer(request, reply, sent));
    socks = await standInSocks({ target: server.path });
  });
  afterEach(async () => {
    for (const transport of open.splice(0)) transport.close();
    await socks.close();
    await server.close();
  });

  for (const [kind, make] of kinds)
    describe(kind, () => {
      let transport: Transport;
      beforeEach(() => open.push((transport = make())));

      it("sends these headers and no other", async () => {
        const reply = await transport.post("a", "/x", body);
        assert.deepEqual([reply.status, reply.body.toString(), reply.challenge], [200, "sealed", undefined]);
        assert.equal((await transport.get("b", "/y")).body.length, 0);
        assert.deepEqual(server.received, [
          `POST /x HTTP/1.1\r\nHost: ${onion}\r\nContent-Type: application/octet-stream\r\nContent-Length: 6\r\n\r\nsealed`,
          `GET /y HTTP/1.1\r\nHost: ${onion}\r\n\r\n`,
        ]);
      });

      it("keeps a label's connection and shares it with no other label", async () => {
        for (const label of ["a", "a", "b", "a", "b"]) await transport.post(label, "/", body);
        assert.equal(server.connections(), 2);
        transport.closeCircuit("a");
        await transport.post("a", "/", body);
        assert.equal(server.connections(), 3);
      });

      it("gives the challenge of a 401", async () => {
        answer = (_request, reply) => void reply.writeHead(401, { "WWW-Authenticate": "PrivateToken x" }).end();
        const reply = await transport.post("a", "/", body);
        assert.deepEqual([reply.status, reply.challenge], [401, "PrivateToken x"]);
      });

      it("refuses a reply above the bound and a head above its own", async () => {
        answer = (_request, reply) => void reply.end(Buffer.alloc(maxReplyBody));
        assert.equal((await transport.get("a", "/")).body.length, maxReplyBody);
        answer = (_request, reply) => void reply.end(Buffer.alloc(maxReplyBody + 1));
        await assert.rejects(transport.get("a", "/"), new Fault("tor/reply-size"));
        answer = (_request, reply) => void reply.writeHead(200, { "X-Long": "x".repeat(9000) }).end();
        await assert.rejects(transport.get("a", "/"), new Fault("tor/lost"));
      });

      it("gives up in time, also within a body", async () => {
        answer = () => undefined;
        await assert.rejects(transport.get("a", "/", { timeoutMs: 60 }), new Fault("tor/timeout"));
        answer = (_request, reply) => void reply.writeHead(200, { "Content-Length": 9 }).write("four");
        await assert.rejects(transport.get("a", "/", { timeoutMs: 60 }), new Fault("tor/timeout"));
      });

      it("tries again after a lost connection only when asked, and only once", async () => {
        let losses = 1;
        let seen = 0;
        answer = (request, reply) => {
          seen++;
          if (losses-- > 0) request.socket.destroy();
          else reply.end();
        };
        await assert.rejects(transport.post("a", "/", body), new Fault("tor/lost"));
        assert.equal(seen, 1);
        losses = 1;
        assert.equal((await transport.post("a", "/", body, { retry: true })).status, 200);
        assert.equal(seen, 3);
        losses = 2;
        await assert.rejects(transport.post("a", "/", body, { retry: true }), new Fault("tor/lost"));
        assert.equal(seen, 5);
      });

      it("takes a reply that was cut for lost, never for a shorter one", async () => {
        answer = (request, reply) => {
          reply.writeHead(200, { "Content-Length": 9 }).write("four", () => request.socket.end());
        };
        await assert.rejects(transport.post("a", "/", body), new Fault("tor/lost"));
        answer = (request, reply) => {
          reply.writeHead(200).write("chunk", () => request.socket.end());
        };
        await assert.rejects(transport.post("a", "/", body), new Fault("tor/lost"));
      });

      it("ends what is under way when it is closed, and takes nothing more", async () => {
        const asked = new Promise<void>((resolve) => (answer = () => resolve()));
        const waiting = assert.rejects(transport.post("a", "/", body, { retry: true }), new Fault("tor/closed"));
        await asked;
        transport.close();
        await waiting;
        await assert.rejects(transport.get("b", "/"), new Fault("tor/closed"));
      });
    });

  it("uses random credentials: one pair for a label, others for each other label, process and fresh circuit", async () => {
    const transport = torTransport({ socksPath: socks.path, onion });
    const second = torTransport({ socksPath: socks.path, onion });
    open.push(transport, second);
    const both = [transport.post("queue", "/", body), transport.post("queue", "/", body)];
    await Promise.all(both);
    await transport.post("account", "/", body);
    await second.post("queue", "/", body);
    transport.closeCircuit("queue");
    await transport.post("queue", "/", body);
    const [a, again, ...others] = socks.credentials;
    assert.equal(a, again);
    assert.equal(new Set([a, ...others]).size, 4);
    for (const pair of socks.credentials) assert.match(pair, /^[0-9a-f]{32}:[0-9a-f]{32}$/);
    assert.deepEqual(new Set(socks.destinations), new Set([`${onion}:80`]));
  });

  it("says when no proxy is there, also on a TCP port", async () => {
    for (const target of [{ socksPath: "/nonexistent/socks" }, { socksHost: "127.0.0.1", socksPort: 1 }]) {
      const transport = torTransport({ ...target, onion });
      open.push(transport);
      await assert.rejects(transport.get("a", "/"), new Fault("tor/proxy"));
    }
  });

  it("believes a refusal that tor may not have meant only the second time", async () => {
    const cases: [codes: number[], fault: FaultCode | undefined, asked: number][] = [
      [[0xf0, 0], undefined, 2],
      [[0xf3, 0], undefined, 2],
      [[0xf0], "tor/onion-not-found", 2],
      [[0xf2, 0xf0, 0], "tor/onion-not-found", 2],
      [[0xf4, 0], "tor/onion-authorization", 1],
      [[0xf6, 0], "tor/onion-address", 1],
      [[0x01, 0], "tor/connect", 1],
    ];
    for (const [code, fault, asked] of cases) {
      const proxy = await standInSocks({ code, target: server.path });
      const transport = torTransport({ socksPath: proxy.path, onion });
      open.push(transport);
      const asking = transport.post("a", "/", body);
      if (fault) await assert.rejects(asking, new Fault(fault));
      else assert.equal((await asking).status, 200);
      assert.equal(proxy.credentials.length, asked);
      assert.equal(new Set(proxy.credentials).size, 1);
      await proxy.close();
    }
  });

  it("ends a search for the onion at the deadline, at closeCircuit and at close, and leaves no stream behind", async () => {
    const proxy = await standInSocks({ silent: true });
    const transport = torTransport({ socksPath: proxy.path, onion });
    open.push(transport);
    const asked = async (streams: number): Promise<void> => {
      while (proxy.destinations.length < streams) await sleep(5);
    };
    const gone = async (): Promise<void> => {
      for (let i = 0; i < 200 && proxy.open() > 0; i++) await sleep(5);
      assert.equal(proxy.open(), 0);
    };
    await assert.rejects(transport.get("a", "/", { timeoutMs: 60 }), new Fault("tor/timeout"));
    await gone();
    const dropped = assert.rejects(transport.get("a", "/"), new Fault("tor/proxy"));
    await asked(2);
    transport.closeCircuit("a");
    await dropped;
    await gone();
    const closed = assert.rejects(transport.get("a", "/"), new Fault("tor/closed"));
    await asked(3);
    transport.close();
    await closed;
    await gone();
    await proxy.close();
  });

  it("takes no host that is not a v3 onion address", () => {
    for (const host of ["example.org", "", onion.toUpperCase()])
      assert.throws(() => torTransport({ socksPath: "/x", onion: host }), new Fault("tor/address"));
  });
});
