// Publishes an onion service through a tor's control connection and withdraws it.
import { isAbsolute } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Fault } from "../src/fault.ts";
import type { ControlClient } from "./control.ts";
import { parseOnionAddress } from "./onion-address.ts";
import { onionKeyLength, writeOnionKey } from "./onion-key.ts";
import { unixSocket } from "./torrc.ts";

/** Proof of work asked of clients when the service is flooded: introductions per second, and at once. */
export interface PowDefenses {
  readonly queueRate: number;
  readonly queueBurst: number;
}

export interface PublishOptions {
  /** The onion lives as long as this connection: it is never detached. */
  readonly control: ControlClient;
  /** The ed25519 seed, 32 bytes; stays the caller's. */
  readonly seed: Uint8Array;
  /** Absolute path of the unix socket that port 80 of the onion leads to. */
  readonly targetSocket: string;
  readonly powDefenses?: PowDefenses;
  /** Streams that one circuit may hold; a circuit that asks for more is closed. Default 64. */
  readonly maxStreams?: number;
  /** How long to wait for a directory to hold the descriptor, in milliseconds. Default 120 000. */
  readonly timeoutMs?: number;
}

export interface PublishedOnion {
  /** With ".onion". */
  readonly address: string;
  readonly remove: () => Promise<void>;
}

const command = "ADD_ONION ";

/** The ADD_ONION line, in a buffer of exactly its size: the secret key is in it, and control.ts wipes what it sends. */
const addOnion = ({ seed, targetSocket, powDefenses, maxStreams = 64 }: PublishOptions): Buffer => {
  // The port's target is one word of a control line: nothing in it may end the word.
  if (!isAbsolute(targetSocket) || !/^[\w./+@:~-]+$/.test(targetSocket)) throw new Fault("tor/path");
  unixSocket(targetSocket);
  const words = [" Flags=MaxStreamsCloseCircuit", `MaxStreams=${maxStreams}`];
  if (powDefenses) {
    words.push("PoWDefensesEnabled=1", `PoWQueueRate=${powDefenses.queueRate}`);
    words.push(`PoWQueueBurst=${powDefenses.queueBurst}`);
  }
  const rest = [...words, `Port=80,unix:${targetSocket}`].join(" ");
  const line = Buffer.alloc(command.length + onionKeyLength + Buffer.byteLength(rest));
  line.write(command, "ascii");
  writeOnionKey(seed, line.subarray(command.length));
  line.write(rest, command.length + onionKeyLength, "ascii");
  return line;
};

/** Tor ends uploads that get no answer after a minute or two; those are not waited for once others succeeded. */
const stragglers = 5_000;

/** Counts what becomes of the descriptors that this tor uploads from now on. */
const watchUploads = async (control: ControlClient) => {
  const counts = new Map<string, { begun: number; done: number; held: number }>();
  const of = (service: string) => {
    const count = counts.get(service) ?? { begun: 0, done: 0, held: 0 };
    counts.set(service, count);
    return count;
  };
  const stop = await control.subscribe("HS_DESC", ([line]) => {
    const [, action, service] = line?.text.split(" ") ?? [];
    if (service === undefined) return;
    const count = of(service);
    if (action === "UPLOAD") count.begun++;
    if (action === "UPLOADED" || action === "FAILED") count.done++;
    if (action === "UPLOADED") count.held++;
  });
  const held = async (service: string, timeoutMs: number): Promise<void> => {
    let lost = false;
    void control.closed.then(() => (lost = true));
    const count = of(service);
    const deadline = performance.now() + timeoutMs;
    let patience = Infinity;
    for (; count.held === 0 || count.done < count.begun; await sleep(20)) {
      const now = performance.now();
      if (count.held > 0) patience = Math.min(patience, now + stragglers);
      if (now > patience) return;
      if (lost) throw new Fault("tor/control-lost");
      if (now > deadline) throw new Fault("tor/timeout");
    }
  };
  return { held, stop };
};

/**
 * Publishes the onion of `seed` and resolves when directories hold its descriptor: from then on it can be reached.
 * Every upload begun is waited for, because a client asks some of the directories and believes them when they say no.
 * Faults: those of control.ts, tor/path, tor/timeout (the onion is withdrawn again).
 */
export const publishOnion = async (options: PublishOptions): Promise<PublishedOnion> => {
  const { control, timeoutMs = 120_000 } = options;
  const uploads = await watchUploads(control);
  try {
    const reply = await control.command(addOnion(options));
    const service = /^ServiceID=(.*)$/.exec(reply[0]?.text ?? "")?.[1] ?? "";
    const address = `${service}.onion`;
    parseOnionAddress(address);
    const remove = async (): Promise<void> => {
      await control.command(`DEL_ONION ${service}`);
    };
    try {
      await uploads.held(service, timeoutMs);
    } catch (error) {
      await remove().catch(() => undefined);
      throw error;
    }
    return { address, remove };
  } finally {
    await uploads.stop().catch(() => undefined);
  }
};
