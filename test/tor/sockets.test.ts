// The view of a process's listening sockets: it must see what a child opens, or its "none" would mean nothing.
import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { tcpListeners } from "../../tor/sockets.ts";

const run = async (code: string): Promise<{ child: ChildProcess; said: string }> => {
  const child = spawn(process.execPath, ["-e", code], { stdio: ["ignore", "pipe", "inherit"] });
  const [said] = (await once(child.stdout, "data")) as [Buffer];
  return { child, said: said.toString().trim() };
};

describe("listening sockets", () => {
  let child: ChildProcess | undefined;
  afterEach(async () => {
    if (!child) return;
    child.kill("SIGKILL");
    await once(child, "exit");
    child = undefined;
  });

  it("finds a TCP, a TCP6 and a UDP socket that a child opened (the control)", async function () {
    const started = await run(`
      const net = require("net"), udp = require("dgram").createSocket("udp4");
      const four = net.createServer().listen(0, "127.0.0.1", () => {
        const six = net.createServer().on("error", () => done(0)).listen(0, "::1", () => done(six.address().port));
        const done = (port6) => udp.bind(0, "127.0.0.1", () =>
          console.log(JSON.stringify([four.address().port, port6, udp.address().port])));
      });`);
    child = started.child;
    const [tcp = 0, tcp6 = 0, udp = 0] = JSON.parse(started.said) as number[];
    const expected = [
      { protocol: "tcp", port: tcp },
      { protocol: "tcp6", port: tcp6 },
      { protocol: "udp", port: udp },
    ];
    const found = await tcpListeners(child.pid ?? 0);
    assert.deepEqual(found, tcp6 === 0 ? expected.filter(({ protocol }) => protocol !== "tcp6") : expected);
  });

  it("finds none in a child that listens on a unix socket and has a TCP connection outward", async () => {
    const dir = await mkdtemp(join(tmpdir(), "tacet-sockets-"));
    const path = join(dir, "s");
    const { createServer } = await import("node:net");
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as { port: number };
    const started = await run(`
      const net = require("net");
      net.createServer().listen(${JSON.stringify(path)}, () =>
        net.connect(${port}, "127.0.0.1", () => console.log("ready")));`);
    child = started.child;
    assert.deepEqual(await tcpListeners(child.pid ?? 0), []);
    assert.ok((await tcpListeners(process.pid)).some((socket) => socket.port === port));
    child.kill("SIGKILL");
    await once(child, "exit");
    child = undefined;
    server.close();
    await rm(dir, { recursive: true });
  });

  it("rejects for a process that is not there, instead of saying none", async () => {
    await assert.rejects(tcpListeners(2 ** 30));
  });
});
