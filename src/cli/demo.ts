// npm run demo: a private Tor network, a homeserver as its onion service, and three people who talk through it.
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Fault } from "../fault.ts";
import { startPrivateNetwork, type PrivateNetwork } from "../../tor/private-network.ts";
import { torSentence } from "../../tor/sentences.ts";
import { tcpListeners } from "../../tor/sockets.ts";
import { torTransport } from "../../tor/transport.ts";
import { searchDirectory, searchPlanted } from "./demo/disk-search.ts";
import { startHouse, type HouseProcess } from "./demo/house-process.ts";
import { seen } from "./seen.ts";
import { tell } from "./demo/story.ts";
import { stopSignal } from "./start.ts";

const usage = `Usage: npm run demo -- [--stay] [--json]

Starts a private Tor network on loopback and a homeserver as its onion service, plays a conversation of three people,
shows what the house could see and searches its disk, then stops everything.

  --stay   keep everything up afterwards, until Ctrl-C
  --json   end with one JSON object in one line

Exit: 0 all as it should be, 1 something was not, 2 wrong arguments.`;

const began = performance.now();
const seconds = (): number => Math.round((performance.now() - began) / 100) / 10;
const say = (text = ""): void => console.log(text);
let number = 0;

const narrator = {
  step: (title: string): void => say(`\n[${seconds().toFixed(1).padStart(5)} s] ${++number}. ${title}`),
  line: (to: string, from: string, text: string): void => say(`          ${from} -> ${to}: ${text}`),
  note: (text: string): void => say(`          ${text}`),
  saw(operations: readonly (keyof typeof seen)[], traffic: { requests: number; circuits: number; shapes: string[] }) {
    const sizes = traffic.shapes.map((shape) => shape.replace(">", " in, ") + " out").join("; ");
    say(`    | the house saw ${traffic.requests} requests on ${traffic.circuits} circuits (bytes: ${sizes}):`);
    for (const operation of operations) say(`    |   ${operation}: ${seen[operation]}`);
  },
};

/** Plays everything; returns the figures. `cleanup` gets what must be ended, in the order of its making. */
async function play(dir: string, cleanup: (() => Promise<unknown>)[], stay: boolean) {
  say(`[${seconds().toFixed(1).padStart(5)} s] starting a private Tor network on loopback (about 10 s)`);
  const network: PrivateNetwork = await startPrivateNetwork({ dir: join(dir, "tor"), tors: ["host", "client"] });
  cleanup.push(() => network.stop());
  say(
    `[${seconds().toFixed(1).padStart(5)} s] ${network.pids().length} tor processes run; making and starting the house`,
  );
  const house: HouseProcess = await startHouse({
    dir,
    controlSocket: network.controlSocket("host"),
    cookieFile: network.cookieFile("host"),
    invitations: 3,
  });
  cleanup.push(async () => house.alive() && house.stop());
  const listeners = await tcpListeners(house.pid);
  say(`[${seconds().toFixed(1).padStart(5)} s] the house is ${house.onion}`);
  say(`          its process ${house.pid} listens on a unix socket and on ${listeners.length} TCP or UDP ports`);

  const told = await tell({
    onion: house.onion,
    invitations: house.invitations,
    dir,
    transport: () =>
      torTransport({ socksHost: "127.0.0.1", socksPort: network.socksPort("client"), onion: house.onion }),
    narrator,
  });
  const listenersAfter = await tcpListeners(house.pid);

  if (stay) {
    say(
      `\nEverything stays up: ${house.onion} through SOCKS at 127.0.0.1:${network.socksPort("client")}. Ctrl-C ends it.`,
    );
    await stopSignal();
  }
  const redeemed = await house.stop();

  narrator.step(`the house is stopped, and its files are searched for ${told.needles.length} names, ids and texts`);
  const files = await readdir(house.databaseDir, { recursive: true });
  const hits = await searchDirectory(house.databaseDir, told.needles);
  const control = await searchPlanted(house.databaseDir, told.needles);
  say(`          ${files.length} files, found readable: ${hits.length}`);
  for (const { what, form } of hits) say(`          a ${what}, as ${form}`);
  say(`          control: the same search over a copy with all of them planted finds ${control}`);

  const tcp = Math.max(listeners.length, listenersAfter.length);
  return {
    ok: hits.length === 0 && control >= told.needles.length && tcp === 0,
    onion: house.onion,
    users: told.users,
    messages_delivered: told.messagesDelivered,
    tcp_listeners: tcp,
    tokens_redeemed: redeemed,
    disk_plaintext_hits: hits.length,
    disk_control_hits: control,
  };
}

async function main(args: readonly string[]): Promise<number> {
  let given;
  try {
    const options = { stay: { type: "boolean" }, json: { type: "boolean" }, help: { type: "boolean" } } as const;
    given = parseArgs({ args: [...args], options }).values;
  } catch {
    console.error(usage);
    return 2;
  }
  if (given.help === true) {
    say(usage);
    return 0;
  }
  const cleanup: (() => Promise<unknown>)[] = [];
  const dir = await mkdtemp(join(tmpdir(), "tacet-"));
  cleanup.push(() => rm(dir, { recursive: true, force: true }));
  let result: { ok: boolean } = { ok: false };
  let ending: Promise<void> | undefined;
  const end = (): Promise<void> =>
    (ending ??= (async () => {
      for (const task of cleanup.toReversed()) await task().catch(() => undefined);
    })());
  if (given.stay !== true)
    void stopSignal()
      .then(end)
      .then(() => process.exit(1));
  try {
    result = await play(dir, cleanup, given.stay === true);
  } catch (error) {
    const sentence = error instanceof Fault ? torSentence(error.code) : undefined;
    const what = error instanceof Error ? error.message : "unknown";
    console.error(`demo: ${sentence ?? what}`);
  } finally {
    await end();
  }
  say(
    `\n[${seconds().toFixed(1).padStart(5)} s] every process is stopped, every file removed${result.ok ? "" : "; NOT ok"}`,
  );
  if (given.json === true) say(JSON.stringify({ ...result, seconds: seconds() }));
  return result.ok ? 0 : 1;
}

process.exitCode = await main(process.argv.slice(2));
