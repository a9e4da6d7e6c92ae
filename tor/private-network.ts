// A complete private Tor network on loopback for tests and demonstrations: real tor binaries, no outside traffic.
import { copyFile, mkdir, stat, writeFile } from "node:fs/promises";
import { get } from "node:http";
import { join, resolve } from "node:path";
import { Fault } from "../src/fault.ts";
import { awaitBootstrap } from "./bootstrap.ts";
import type { ControlClient } from "./control.ts";
import { freePorts } from "./free-ports.ts";
import { writeAuthorityKeys } from "./private-keys.ts";
import { joinLines, privateTorrc, type PrivateNode } from "./private-torrc.ts";
import { awaitControl, spawnTor, until, type TorProcess } from "./process.ts";
import { torFiles } from "./torrc.ts";

/** A tor that builds circuits must see at least four other relays; the authority is the fifth. */
const relayCount = 4;
const startTimeout = 90_000;

export interface PrivateNetworkOptions {
  /** Made if it is not there. The nodes' folders in it must not exist yet. Its path has at most about 80 bytes. */
  readonly dir: string;
  /** Names of the tors to run beside the relays, for example "host" and "client". */
  readonly tors: readonly string[];
  readonly torBin?: string;
  /** Gets one line for each step of the start. */
  readonly log?: (step: string) => void;
}

export interface PrivateNetwork {
  readonly dir: string;
  /** The loopback TCP port of a named tor's SOCKS listener, with extended errors. */
  readonly socksPort: (name: string) => number;
  readonly controlSocket: (name: string) => string;
  readonly cookieFile: (name: string) => string;
  /** Lines that make another tor a member of this network (`extra` of launch.ts). */
  readonly joinLines: readonly string[];
  /** Process ids of all tors started here that still run. */
  readonly pids: () => number[];
  /** Ends all of them; resolves when each is gone, in under a second. Files stay. */
  readonly stop: () => Promise<void>;
}

/** A document from the authority's directory port, or "" when it has none. */
const directory = (port: number, path: string): Promise<string> =>
  new Promise((done) => {
    const request = get({ host: "127.0.0.1", port, path, agent: false, timeout: 2000 }, (reply) => {
      let text = "";
      reply.setEncoding("latin1");
      reply.on("data", (part: string) => (text += part));
      reply.on("end", () => done(reply.statusCode === 200 ? text : ""));
      reply.on("error", () => done(""));
    });
    request.on("error", () => done(""));
    request.on("timeout", () => request.destroy());
  });

const entries = (text: string, keyword: string): number => text.split(`\n${keyword} `).length - 1;

const plan = async (tors: readonly string[]) => {
  const ports = await freePorts(2 + relayCount + tors.length);
  const port = (): number => ports.pop() ?? 0;
  const authority = { kind: "authority", name: "auth", orPort: port(), dirPort: port() } as const;
  const relays = Array.from({ length: relayCount }, (_, i): PrivateNode => {
    return { kind: "relay", name: `relay${i + 1}`, orPort: port() };
  });
  const members = tors.map((name) => ({ kind: "member", name, socksPort: port() }) as const);
  return { authority, relays, members };
};

/**
 * Starts the network and resolves when every tor named in `tors` has built a circuit (about 10 s).
 * Faults: tor/missing, tor/start (a tor ended, its log says why), tor/path, tor/timeout. After a fault nothing runs.
 */
export const startPrivateNetwork = async (options: PrivateNetworkOptions): Promise<PrivateNetwork> => {
  const { torBin = "tor", tors, log } = options;
  const dir = resolve(options.dir);
  const deadline = performance.now() + startTimeout;
  const { authority, relays, members } = await plan(tors);
  const running = new Map<string, TorProcess>();
  const controls: ControlClient[] = [];
  const files = (name: string) => torFiles(join(dir, name));
  const stop = async (): Promise<void> => {
    for (const control of controls.splice(0)) control.close();
    await Promise.all([...running.values()].map((tor) => tor.stop()));
  };

  await mkdir(dir, { recursive: true, mode: 0o700 });
  for (const { name } of [authority, ...relays, ...members]) await mkdir(join(dir, name), { mode: 0o700 });
  await mkdir(join(dir, authority.name, "keys"), { mode: 0o700 });
  await writeFile(join(dir, "resolv.conf"), "nameserver 127.0.0.1\n");
  const keys = await writeAuthorityKeys(join(dir, authority.name, "keys"), `127.0.0.1:${authority.dirPort}`);
  const network = joinLines(authority, keys);

  const run = async (node: PrivateNode): Promise<void> => {
    await writeFile(files(node.name).torrc, privateTorrc(dir, node, network, Date.now()), { mode: 0o600 });
    running.set(node.name, await spawnTor(torBin, files(node.name).torrc));
  };
  const control = async (name: string): Promise<ControlClient> => {
    const tor = running.get(name);
    if (!tor) throw new Fault("tor/start");
    const client = await awaitControl(tor, files(name), deadline);
    controls.push(client);
    return client;
  };
  const wait = (ready: () => Promise<boolean>): Promise<void> => until(ready, running.values(), deadline);

  /** Moves the authority's first vote to two seconds from now. */
  const vote = async (): Promise<void> => {
    const soon = (Math.floor(Date.now() / 1000) + 2) % 5;
    const client = await control(authority.name);
    await client.command(`SETCONF TestingV3AuthInitialVotingInterval=5 TestingV3AuthVotingStartOffset=${soon}`);
  };
  /** Gives a member the directory the authority has, so that it need not wait for its own download schedule. */
  const seed = async (name: string): Promise<void> => {
    for (const file of ["cached-certs", "cached-microdesc-consensus", "cached-microdescs.new"])
      await copyFile(join(dir, authority.name, file), join(dir, name, file));
  };

  try {
    log?.(`starting a directory authority and ${relayCount} relays`);
    for (const node of [authority, ...relays]) await run(node);
    await wait(async () => {
      const known = await directory(authority.dirPort, "/tor/server/all");
      return entries(`\n${known}`, "router") > relayCount;
    });
    log?.("the relays are known: voting");
    await vote();
    await wait(async () => {
      const consensus = await directory(authority.dirPort, "/tor/status-vote/current/consensus");
      return entries(consensus, "r") > relayCount;
    });
    log?.(`consensus reached: starting ${tors.join(", ")}`);
    // SIGHUP resets the relays' wait between downloads.
    for (const { name } of relays) running.get(name)?.signal("SIGHUP");
    const microdescriptors = join(dir, authority.name, "cached-microdescs.new");
    await wait(() =>
      stat(microdescriptors).then(
        (found) => found.size > 0,
        () => false,
      ),
    );
    for (const node of members) {
      await seed(node.name);
      await run(node);
    }
    // A relay without a consensus refuses onion descriptors.
    for (const { name } of relays) {
      const client = await control(name);
      await wait(() =>
        client.getInfo("consensus/valid-after").then(
          (time) => time.startsWith("2"),
          () => false,
        ),
      );
    }
    for (const { name } of members)
      await awaitBootstrap(await control(name), Math.max(0, deadline - performance.now()));
    log?.("the network is up");
  } catch (error) {
    await stop();
    throw error;
  }

  const member = (name: string) => {
    const found = members.find((node) => node.name === name);
    if (!found) throw new Fault("tor/start");
    return found;
  };
  return {
    dir,
    socksPort: (name) => member(name).socksPort,
    controlSocket: (name) => files(member(name).name).controlSocket,
    cookieFile: (name) => files(member(name).name).cookieFile,
    joinLines: network,
    pids: () => [...running.values()].filter((tor) => tor.running()).map((tor) => tor.pid),
    stop,
  };
};
