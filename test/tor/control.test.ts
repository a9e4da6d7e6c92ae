// The control client against a stand-in server; private-network.test.ts repeats the essentials with a real tor.
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Fault } from "../../src/fault.ts";
import { ControlClient } from "../../tor/control.ts";
import { standInControl, type StandInControl } from "./stand-in-control.ts";

describe("control client (stand-in server)", () => {
  let server: StandInControl;
  let client: ControlClient;
  let answer: (line: string, socket: Socket) => string | undefined;

  beforeEach(async () => {
    answer = () => "250 OK\r\n";
    server = await standInControl((line, socket) => answer(line, socket));
    client = await ControlClient.connect(server.path);
  });
  afterEach(async () => {
    client.close();
    await server.close();
  });

  it("authenticates with the cookie in hexadecimal", async () => {
    const dir = await mkdtemp(join(tmpdir(), "tacet-cookie-"));
    const cookieFile = join(dir, "cookie");
    await writeFile(cookieFile, Buffer.from([0x00, 0x9a, 0xff, 0x5c]));
    const other = await ControlClient.connect(server.path, { cookieFile });
    assert.equal(server.lines.at(-1), "AUTHENTICATE 009AFF5C");
    other.close();
    await rm(dir, { recursive: true });
  });

  it("fails closed when authentication is refused, the cookie or the socket is missing", async () => {
    answer = () => "515 Authentication failed\r\n";
    await assert.rejects(ControlClient.connect(server.path), new Fault("tor/control-refused"));
    const lost = new Fault("tor/control-lost");
    await assert.rejects(ControlClient.connect(server.path, { cookieFile: "/nonexistent/cookie" }), lost);
    await assert.rejects(ControlClient.connect("/nonexistent/control.sock"), lost);
  });

  it("answers commands in order, also when several are under way", async () => {
    answer = (line) => (line === "BAD" ? "510 Unrecognized\r\n" : `250 ${line}\r\n`);
    const [a, bad, b] = await Promise.allSettled(["A", "BAD", "B"].map((line) => client.command(line)));
    assert.deepEqual(a, { status: "fulfilled", value: [{ code: 250, text: "A" }] });
    assert.deepEqual(bad, { status: "rejected", reason: new Fault("tor/control-refused") });
    assert.deepEqual(b, { status: "fulfilled", value: [{ code: 250, text: "B" }] });
  });

  it("reads GETINFO values of one line and of a data block", async () => {
    answer = (line) =>
      line === "GETINFO version"
        ? "250-version=0.4.9.11\r\n250 OK\r\n"
        : "250+config-text=\r\nA 1\r\n..B\r\n.\r\n250 OK\r\n";
    assert.equal(await client.getInfo("version"), "0.4.9.11");
    assert.equal(await client.getInfo("config-text"), "A 1\n.B");
    await assert.rejects(client.getInfo("other"), new Fault("tor/control-reply"));
  });

  it("gives events to their subscribers only, and keeps the other subscriptions", async () => {
    let peer: Socket | undefined;
    answer = (_line, socket) => {
      peer = socket;
      return "250 OK\r\n";
    };
    const seen: string[] = [];
    const stopCirc = await client.subscribe("CIRC", ([line]) => seen.push(line?.text ?? ""));
    await client.subscribe("STREAM", ([line]) => seen.push(line?.text ?? ""));
    assert.equal(server.lines.at(-1), "SETEVENTS CIRC STREAM");
    peer?.write("650 CIRC 1\r\n650 STREAM 2\r\n650 BW 3\r\n");
    await client.command("NOOP");
    await stopCirc();
    assert.equal(server.lines.at(-1), "SETEVENTS STREAM");
    peer?.write("650 CIRC 4\r\n650 STREAM 5\r\n");
    await client.command("NOOP");
    assert.deepEqual(seen, ["CIRC 1", "STREAM 2", "STREAM 5"]);
  });

  it("sends a secret line whole and wipes it, and wipes it also when it is not sent", async () => {
    const line = Buffer.from("ADD_ONION secret");
    await client.command(line);
    assert.equal(server.lines.at(-1), "ADD_ONION secret");
    assert.ok(line.every((byte) => byte === 0));

    const split = Buffer.from("ADD_ONION a\nSIGNAL HALT");
    await assert.rejects(client.command(split), new Fault("tor/control-refused"));
    assert.ok(split.every((byte) => byte === 0));

    client.close();
    const late = Buffer.from("ADD_ONION late");
    await assert.rejects(client.command(late), new Fault("tor/control-lost"));
    assert.ok(late.every((byte) => byte === 0));
    assert.ok(!server.lines.join().includes("HALT"));
  });

  it("refuses a line break in a command", async () => {
    for (const line of ["A\nB", "A\rB", "A\r\nB"])
      await assert.rejects(client.command(line), new Fault("tor/control-refused"));
  });

  it("fails all waiting commands when the connection is lost, and later ones at once", async () => {
    const lost = new Fault("tor/control-lost");
    answer = (line, socket) => {
      if (line === "B") socket.destroy();
      return undefined;
    };
    const both = [client.command("A"), client.command("B")];
    for (const command of both) await assert.rejects(command, lost);
    await client.closed;
    await assert.rejects(client.command("C"), lost);
  });

  it("ends the connection when an answer does not come in time", async () => {
    answer = () => undefined;
    await assert.rejects(client.command("A", { timeoutMs: 30 }), new Fault("tor/timeout"));
    await client.closed;
    await assert.rejects(client.command("B"), new Fault("tor/timeout"));
  });

  it("ends the connection when the peer sends nonsense, too much, or an answer nobody asked for", async () => {
    for (const nonsense of ["HTTP/1.1 400 Bad Request\r\n", `250+a=\r\n${"x".repeat(5 << 20)}`]) {
      answer = () => "250 OK\r\n";
      const other = await ControlClient.connect(server.path);
      answer = () => nonsense;
      await assert.rejects(other.command("A"), new Fault("tor/control-reply"));
      await other.closed;
    }
    answer = () => "250 OK\r\n250 OK\r\n";
    await client.command("A");
    await client.closed;
    await assert.rejects(client.command("B"), new Fault("tor/control-reply"));
  });
});
