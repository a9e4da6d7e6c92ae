// One private Tor network with real tor binaries: publishing, reaching, isolation, refusals, and nothing left behind.
import assert from "node:assert/strict";
import { createPrivateKey, createPublicKey, randomBytes } from "node:crypto";
import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Fault } from "../../src/fault.ts";
import { awaitBootstrap } from "../../tor/bootstrap.ts";
import { ControlClient } from "../../tor/control.ts";
import { fetchOnce } from "../../tor/fetch-once.ts";
import { launchSystemTor } from "../../tor/launch.ts";
import { onionAddress } from "../../tor/onion-address.ts";
import { startPrivateNetwork, type PrivateNetwork } from "../../tor/private-network.ts";
import { publishOnion, type PublishedOnion } from "../../tor/publish.ts";
import { tcpListeners } from "../../tor/sockets.ts";
import type { Transport } from "../../tor/transport-interface.ts";
import { torTransport } from "../../tor/transport.ts";
import { torPresent } from "./tor-present.ts";

/** The public key of an ed25519 seed, by node's own code: PKCS #8 (RFC 8410 section 7) around the seed. */
const publicKeyOf = (seed: Buffer): Buffer => {
  const der = Buffer.concat([Buffer.from("302e020100300506032b657004220420", "hex"), seed]);
  const key = createPublicKey(createPrivateKey({ key: der, format: "der", type: "pkcs8" }));
  return key.export({ format: "der", type: "spki" }).subarray(-32);
};

const alive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

describe("private Tor network (real tor)", function () {
  this.timeout(120_000);
  const seed = randomBytes(32);
  const body = randomBytes(500);
  const open: { close: () => void }[] = [];
  let dir: string;
  let network: PrivateNetwork | undefined;
  let host: ControlClient;
  let client: ControlClient;
  let server: Server;
  let targetSocket: string;
  let onion: PublishedOnion;

  const net = (): PrivateNetwork => {
    assert.ok(network);
    return network;
  };
  const control = async (name: string): Promise<ControlClient> => {
    const connected = await ControlClient.connect(net().controlSocket(name), { cookieFile: net().cookieFile(name) });
    open.push(connected);
    return connected;
  };
  const transport = (address: string): Transport => {
    const made = torTransport({ socksHost: "127.0.0.1", socksPort: net().socksPort("client"), onion: address });
    open.push(made);
    return made;
  };

  before(async function () {
    if (!(await torPresent())) this.skip(); // reason: no tor >= 0.4.8 with tor-gencert on this machine
    dir = await mkdtemp(join(tmpdir(), "tacet-net-"));
    targetSocket = join(dir, "http.sock");
    server = createServer((request, reply) => void request.pipe(reply));
    await new Promise<void>((resolve) => server.listen(targetSocket, resolve));
    network = await startPrivateNetwork({ dir: join(dir, "net"), tors: ["host", "client"] });
    [host, client] = [await control("host"), await control("client")];
    onion = await publishOnion({
      control: host,
      seed,
      targetSocket,
      powDefenses: { queueRate: 250, queueBurst: 2500 },
    });
  });

  after(async () => {
    for (const each of open) each.close();
    await network?.stop();
    server?.close();
    if (dir) await rm(dir, { recursive: true });
  });

  it("runs one authority, four relays and the named tors, all on loopback", async () => {
    const pids = net().pids();
    assert.equal(pids.length, 7);
    assert.ok(pids.every(alive));
    const [line = ""] = net().joinLines;
    assert.match(line, /^DirAuthority auth .* 127\.0\.0\.1:\d+ [0-9A-F]{40}$/);
    for (const name of ["auth", "relay1", "relay2", "relay3", "relay4", "host", "client"]) {
      const torrc = await readFile(join(net().dir, name, "torrc"), "utf8");
      assert.equal(torrc.split("\n")[0], line);
    }
    assert.equal(await host.getInfo("process/pid"), String(pids[5]));
    // The control of what "no listener" means elsewhere: a tor with a SOCKS port is seen to have one.
    assert.deepEqual(await tcpListeners(pids[6] ?? 0), [{ protocol: "tcp", port: net().socksPort("client") }]);
  });

  it("knows only its own authority", async () => {
    const text = await host.getInfo("config-text");
    assert.equal(text.split("\n").filter((line) => line.startsWith("DirAuthority")).length, 1);
    const consensus = await client.getInfo("ns/all");
    const addresses = [...consensus.matchAll(/^r \S+ \S+ \S+ \S+ \S+ (\S+) /gm)].map((found) => found[1]);
    assert.deepEqual(addresses, Array(5).fill("127.0.0.1"));
  });

  it("publishes under the address that the seed's public key has", () => {
    assert.equal(onion.address, onionAddress(publicKeyOf(seed)));
  });

  it("carries posts over two circuits", async () => {
    const to = transport(onion.address);
    for (const label of ["account", "queue"]) {
      const reply = await to.post(label, "/", body, { retry: true });
      assert.equal(reply.status, 200);
      assert.deepEqual(reply.body, body);
    }
  });

  it("gives each label a circuit of its own, keeps it, and takes a fresh one after closeCircuit", async () => {
    const circuits: string[] = [];
    const stop = await client.subscribe("STREAM", ([line]) => {
      const [, , status, circuit = ""] = line?.text.split(" ") ?? [];
      if (status === "SUCCEEDED") circuits.push(circuit);
    });
    const to = transport(onion.address);
    // Two at once need two streams: the label, and not the kept stream, is what ties them to one circuit.
    const pair = (label: string) => Promise.all([1, 2].map(() => to.post(label, "/", body, { retry: true })));
    await pair("a");
    await pair("b");
    to.closeCircuit("a");
    await pair("a");
    await stop();
    assert.equal(circuits.length, 6);
    const [a, a2, b, b2, fresh, fresh2] = circuits;
    assert.deepEqual([a2, b2, fresh2], [a, b, fresh]);
    assert.equal(new Set([a, b, fresh]).size, 3);
  });

  it("says that an onion nobody published is not found", async () => {
    const to = transport(onionAddress(publicKeyOf(randomBytes(32))));
    await assert.rejects(to.get("a", "/"), new Fault("tor/onion-not-found"));
  });

  it("ends an onion with its control connection, and when it is removed", async () => {
    const own = await control("host");
    const second = await publishOnion({ control: own, seed: randomBytes(32), targetSocket });
    const third = await publishOnion({ control: host, seed: randomBytes(32), targetSocket });
    const serves = ({ address }: PublishedOnion): Promise<boolean> =>
      host.getInfo(`hs/service/desc/id/${address.slice(0, 56)}`).then(
        () => true,
        () => false,
      );
    assert.equal(await own.getInfo("onions/current"), second.address.slice(0, 56));
    assert.equal(await host.getInfo("onions/detached").catch(() => ""), "");
    const to = transport(second.address);
    assert.equal((await to.get("a", "/", { retry: true })).status, 200);
    assert.deepEqual(await Promise.all([second, third, onion].map(serves)), [true, true, true]);
    own.close();
    await own.closed;
    await third.remove();
    await assert.rejects(third.remove(), new Fault("tor/control-refused"));
    assert.deepEqual(await Promise.all([second, third, onion].map(serves)), [false, false, true]);
    // Directories keep the descriptor, so tor itself gives up only after two minutes.
    to.closeCircuit("a");
    await assert.rejects(to.get("a", "/", { timeoutMs: 1500 }), new Fault("tor/timeout"));
  });

  it("refuses the same onion twice and targets that would break the command", async () => {
    const twice = publishOnion({ control: host, seed, targetSocket });
    await assert.rejects(twice, new Fault("tor/control-refused"));
    for (const target of ["relative.sock", "/a b", "/a\r\nSIGNAL HALT", `/${"a".repeat(107)}`])
      await assert.rejects(publishOnion({ control: host, seed, targetSocket: target }), new Fault("tor/path"));
    assert.equal(await host.getInfo("onions/current"), onion.address.slice(0, 56));
  });

  it("refuses a wrong cookie and an unknown command with a real tor, too", async () => {
    const path = net().controlSocket("host");
    const refused = new Fault("tor/control-refused");
    await assert.rejects(ControlClient.connect(path, { cookieFile: net().cookieFile("client") }), refused);
    await assert.rejects(host.command("NOSUCHCOMMAND"), refused);
    await assert.rejects(host.getInfo("no/such/key"), refused);
    await host.signal("CLEARDNSCACHE");
  });

  it("starts the house's own tor without any TCP socket, reaches the onion, and stops it", async () => {
    const options = { dataDir: join(dir, "own tor"), socks: true, extra: net().joinLines };
    const tor = await launchSystemTor(options);
    try {
      const own = await ControlClient.connect(tor.controlSocket, { cookieFile: tor.cookieFile });
      open.push(own);
      assert.equal((await stat(options.dataDir)).mode & 0o777, 0o700);
      const percents: number[] = [];
      await awaitBootstrap(own, 60_000, (percent) => percents.push(percent));
      assert.equal(percents.at(-1), 100);
      const to = torTransport({ socksPath: tor.socksSocket ?? "", onion: onion.address });
      open.push(to);
      assert.deepEqual((await to.post("a", "/", body, { retry: true })).body, body);
      const target = { socksPath: tor.socksSocket ?? "", onion: onion.address };
      assert.equal((await fetchOnce(target, "/document", new AbortController().signal)).length, 0);
      assert.deepEqual(await tcpListeners(tor.pid), []);

      await assert.rejects(launchSystemTor(options), new Fault("tor/start"));
      assert.equal(await own.getInfo("process/pid"), String(tor.pid));
    } finally {
      await tor.stop();
    }
    await tor.exited;
    assert.ok(!alive(tor.pid));
  });

  it("fails at once, with nothing left running, when a node's folder is already there", async () => {
    await assert.rejects(startPrivateNetwork({ dir: net().dir, tors: [] }), { code: "EEXIST" });
    assert.equal(net().pids().length, 7);
  });

  it("stops within a second and leaves no process", async () => {
    const pids = net().pids();
    const began = performance.now();
    await net().stop();
    assert.ok(performance.now() - began < 1000);
    assert.deepEqual(net().pids(), []);
    assert.deepEqual(pids.filter(alive), []);
    await host.closed;
    await assert.rejects(host.command("GETINFO version"), new Fault("tor/control-lost"));
    await assert.rejects(transport(onion.address).get("a", "/"), new Fault("tor/proxy"));
  });
});
