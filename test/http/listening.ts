// Starts the real listener on a socket of its own, with stand-ins for the gate's token check and for dispatch.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { Fault, faults, type FaultCode } from "../../src/fault.ts";
import { EnvelopeKeys } from "../../src/http/envelope-keys.ts";
import { listen, type ListenOptions } from "../../src/http/listen.ts";
import type { Dispatch, Redeem, Reservation } from "../../src/http/types.ts";
import { ArenaPool } from "../../src/memory/arena.ts";
import { makeObserver, type Snapshot } from "../../src/observe/observer.ts";
import { TOKEN_SLOT_LENGTH } from "../../src/wire/frame.ts";
import { ask, buildRequest, httpHead, type RequestSpec } from "./envelope-client.ts";

export const NOW = 1_800_000_000;

export interface Listening {
  readonly socketPath: string;
  readonly folder: string;
  readonly arenas: ArenaPool;
  readonly keys: EnvelopeKeys;
  readonly publicKey: Buffer;
  readonly lines: string[];
  /** What happened to tokens, in order: "redeem", "release". */
  readonly tokens: string[];
  readonly dispatched: number;
  snapshot(): Snapshot;
  close(graceSeconds?: number): Promise<void>;
}

type Overrides = Partial<Omit<ListenOptions, "socketPath" | "arenas" | "keys">> & {
  readonly arenas?: ArenaPool;
  readonly dispatch?: Dispatch;
};

/** A redeemer that takes any token beginning with 5 as one of the class asked for. */
export const takesFives =
  (log: string[]): Redeem =>
  async (tokenClass, token) => {
    log.push("redeem");
    if (token[0] !== 5) throw new Fault("token/invalid");
    const reservation: Reservation = {
      class: tokenClass,
      epoch: 1,
      name: Buffer.alloc(32),
      binding: Buffer.alloc(16),
      state: "fresh",
      room: "spent",
      release: () => void log.push("release"),
    };
    return reservation;
  };

/** Answers with the payload it got, as code 0. */
export const echo: Dispatch = async ({ payload }) => ({ code: 0, payload });

export async function startListening(overrides: Overrides = {}): Promise<Listening> {
  const folder = mkdtempSync(join(tmpdir(), "tacet-http-"));
  const socketPath = join(folder, "s");
  const arenas =
    overrides.arenas ??
    new ArenaPool([
      [16 << 10, 32],
      [64 << 10, 8],
    ]);
  const keys = new EnvelopeKeys();
  keys.rotate(NOW);
  const lines: string[] = [];
  const tokens: string[] = [];
  const observe = makeObserver((line) => lines.push(line));
  let dispatched = 0;
  const dispatch = overrides.dispatch ?? echo;
  const listener = await listen({
    challenge: (tokenClass) => `PrivateToken challenge="${tokenClass}", token-key="k"`,
    redeem: takesFives(tokens),
    documents: { directory: () => Buffer.from("directory") },
    clock: () => NOW,
    observe,
    ...overrides,
    dispatch: (request) => {
      dispatched++;
      return dispatch(request);
    },
    arenas,
    keys,
    socketPath,
  });
  return {
    socketPath,
    folder,
    arenas,
    keys,
    publicKey: keys.published()[0]!.publicKey,
    lines,
    tokens,
    get dispatched() {
      return dispatched;
    },
    snapshot: () => observe.snapshot(),
    async close(graceSeconds) {
      await listener.close(graceSeconds);
      keys.destroy();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** A token that `takesFives` takes, or by another first byte does not. */
export const token = (first = 5): Buffer => {
  const bytes = Buffer.alloc(TOKEN_SLOT_LENGTH, 9);
  bytes[0] = first;
  return bytes;
};
export const number = (code: FaultCode): number => faults[code].number;

/** Requests to the house of the moment, and a wait until it has given back all memory. */
export function talkTo(house: () => Listening) {
  const build = (spec: Partial<RequestSpec> = {}) => buildRequest({ now: NOW, publicKey: house().publicKey, ...spec });
  return {
    build,
    async send(spec: Partial<RequestSpec> = {}, extra: string[] = []) {
      const request = build(spec);
      const reply = await ask(house().socketPath, httpHead(request.body.length, extra), request.body);
      assert.ok(reply !== undefined, "a reply");
      return { request, reply, opened: () => request.open(reply.body) };
    },
    async quiet(): Promise<void> {
      for (let i = 0; i < 100 && house().arenas.open > 0; i++) await pause(10);
      assert.equal(house().arenas.open, 0);
    },
  };
}
