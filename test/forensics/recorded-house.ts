// A house in this process whose owner writes down all that it sees: each request opened, its reply, its circuit, its time.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openReply, REPLY_OVERHEAD } from "../../src/crypto/hpke.ts";
import { randomFill } from "../../src/crypto/random.ts";
import { openHouse } from "../../src/house/house.ts";
import { createIdentity } from "../../src/house/identity.ts";
import { EnvelopeKeys } from "../../src/http/envelope-keys.ts";
import { openBody, openPreamble, readHeader } from "../../src/http/envelope.ts";
import { listen } from "../../src/http/listen.ts";
import { ArenaPool } from "../../src/memory/arena.ts";
import { GuardedKey } from "../../src/memory/guarded-key.ts";
import { makeObserver } from "../../src/observe/observer.ts";
import { createStore, openStore } from "../../src/store/store.ts";
import { decode, type Codec } from "../../src/wire/codec.ts";
import { PREAMBLE_LENGTH, TOKEN_SLOT_LENGTH, unpadReply } from "../../src/wire/frame.ts";
import { SIGNATURE_LENGTH } from "../../src/crypto/sign.ts";
import { operationOfNumber, operations, type OperationName } from "../../src/wire/operations.ts";
import { onionAddress } from "../../tor/onion-address.ts";
import { socketTransport } from "../../tor/socket-transport.ts";
import type { Transport } from "../../tor/transport-interface.ts";
import { dumpStore, type Dump } from "../dump-store.ts";
import type { TestHouse } from "../house.ts";

/** One request as the server has it in its hands. */
export interface Event {
  /** Which circuit it came on: a number that a client's label has until the circuit ends. */
  readonly circuit: number;
  readonly operation: OperationName;
  /** Decoded; byte fields are copies. */
  readonly request: Readonly<Record<string, unknown>>;
  /** Undefined for a refusal. */
  readonly reply: Readonly<Record<string, unknown>> | undefined;
  readonly requestId: Buffer;
  readonly paid: boolean;
  /** Bytes of the payload, which the server sees without its padding. */
  readonly length: number;
  /** Unix seconds. */
  readonly at: number;
}

export interface RecordedHouse {
  /** What people of tests take for their house. */
  readonly house: TestHouse;
  readonly events: readonly Event[];
  /** Moves the house's clock; seconds. */
  advance(seconds: number): void;
  /** Ends the house and opens every record with the master key. */
  end(): Promise<Dump>;
}

function copied(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value);
  if (Array.isArray(value)) return value.map(copied);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, field]) => [key, copied(field)]));
}

export async function recordedHouse(): Promise<RecordedHouse> {
  const dir = await mkdtemp(join(tmpdir(), "tacet-seen-"));
  const [dataDir, socketPath] = [join(dir, "data"), join(dir, "s")];
  const masterKey = new GuardedKey(32, (memory) => void randomFill(memory));
  const arenas = new ArenaPool();
  let ahead = 0;
  const clock = (): number => Math.floor(Date.now() / 1000) + ahead;
  await createStore({ dir: dataDir, masterKey });
  const store = await openStore({ dir: dataDir, masterKey, reserveBytes: 0 });
  await createIdentity(store, arenas, clock(), async () => undefined);
  const served = await openHouse({ store, arenas, clock, onionOf: onionAddress });
  const keys = new EnvelopeKeys({ rotationSeconds: 1 << 20 });
  keys.rotate(clock());
  const directory = served.directory(keys.published());
  const listener = await listen({
    socketPath,
    arenas,
    keys,
    redeem: served.redeem,
    challenge: served.challenge,
    dispatch: served.dispatch,
    documents: { directory: () => directory },
    clock,
    observe: makeObserver(),
  });

  const events: Event[] = [];
  let circuits = 0;
  /** What the server reads in a request and its reply. */
  const see = (circuit: number, body: Buffer, sealed: Buffer): void => {
    const arena = arenas.arena();
    try {
      const envelope = openPreamble(arena.copy(body.subarray(0, PREAMBLE_LENGTH)), keys, arena, clock());
      const { operation: number, token, requestId } = readHeader(envelope.header);
      const payload = openBody(envelope.context, arena.copy(body.subarray(PREAMBLE_LENGTH)));
      const operation = operationOfNumber(number);
      if (operation === undefined) throw new Error("unknown operation");
      const { price, caller, request, reply } = operations[operation];
      const before = Math.max(0, price - 1) * TOKEN_SLOT_LENGTH;
      const after = caller === "anonymous" ? 0 : SIGNATURE_LENGTH;
      const asked = payload.subarray(before, payload.length - after);
      const out = arena.take(sealed.length - REPLY_OVERHEAD);
      openReply(out, envelope.context, envelope.enc, sealed);
      const answer = unpadReply(out);
      events.push({
        circuit,
        operation,
        request: copied(decode(request as Codec<unknown>, asked)) as Record<string, unknown>,
        reply:
          answer.code === 0
            ? (copied(decode(reply as Codec<unknown>, answer.payload)) as Record<string, unknown>)
            : undefined,
        requestId: Buffer.from(requestId),
        paid: token.some((byte) => byte !== 0),
        length: payload.length,
        at: clock(),
      });
    } finally {
      arena.close();
    }
  };
  const transport = (): Transport => {
    const inner = socketTransport(socketPath, served.onion);
    const numbers = new Map<string, number>();
    return {
      get: (circuit, path, options) => inner.get(circuit, path, options),
      async post(circuit, path, body, options) {
        if (!numbers.has(circuit)) numbers.set(circuit, circuits++);
        const number = numbers.get(circuit)!;
        const copy = Buffer.from(body);
        const reply = await inner.post(circuit, path, body, options);
        see(number, copy, reply.body);
        return reply;
      },
      closeCircuit(circuit) {
        numbers.delete(circuit);
        inner.closeCircuit(circuit);
      },
      close: () => inner.close(),
    };
  };
  const house = { onion: served.onion, socketPath, dataDir, now: clock, invite: served.invite, transport };
  return {
    house: house as unknown as TestHouse,
    events,
    advance: (seconds) => void (ahead += seconds),
    async end() {
      await listener.close();
      keys.destroy();
      served.destroy();
      await store.close();
      try {
        return await dumpStore(dataDir, masterKey);
      } finally {
        masterKey.destroy();
        await rm(dir, { recursive: true, force: true });
      }
    },
  };
}
