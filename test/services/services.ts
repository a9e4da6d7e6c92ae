// The services over a real store in a directory of its own, asked as dispatch asks them, with a clock that tests set.
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ed25519Sign } from "../../src/crypto/mls-provider.ts";
import { randomBytes } from "../../src/crypto/random.ts";
import { sign, SIGNATURE_LENGTH, signKeypair, verify } from "../../src/crypto/sign.ts";
import { acceptRollback } from "../../src/house/rollback.ts";
import { Fault } from "../../src/fault.ts";
import { ArenaPool, type Arena } from "../../src/memory/arena.ts";
import { GuardedKey } from "../../src/memory/guarded-key.ts";
import type { ClientGroup } from "../../src/mls/client.ts";
import { removeEnded } from "../../src/services/auth/end.ts";
import { makeAuthService } from "../../src/services/auth/service.ts";
import { makeDeliveryService } from "../../src/services/delivery/service.ts";
import type { AuthSigner, AuthToIssuer, Call, Handler, Handlers } from "../../src/services/ports.ts";
import { Bell } from "../../src/services/queue/bell.ts";
import { lookAfter } from "../../src/services/queue/look.ts";
import { makeQueueService } from "../../src/services/queue/service.ts";
import { openRolledBack } from "../../src/store/rollback.ts";
import { createStore, openStore, type Store } from "../../src/store/store.ts";
import { decode, encode, type Codec } from "../../src/wire/codec.ts";
import { pad, padReply, sizes } from "../../src/wire/frame.ts";
import { operations, type OperationName, type ReplyOf, type RequestOf } from "../../src/wire/operations.ts";

import { dumpStore, type Dump } from "../dump-store.ts";

export interface KeyPair {
  readonly publicKey: Buffer;
  readonly secretKey: Buffer;
}
export function keyPair(): KeyPair {
  const pair = { publicKey: Buffer.alloc(32), secretKey: Buffer.alloc(64) };
  signKeypair(pair.publicKey, pair.secretKey);
  return pair;
}

/** Whoever signs a request: a key pair, or a group's member with its leaf key. */
export type Signer = KeyPair | Pick<ClientGroup, "signWithLeaf">;
const signatureOf = (as: Signer, ...parts: Uint8Array[]): Uint8Array =>
  "secretKey" in as ? sign(Buffer.alloc(64), "request", as.secretKey, ...parts) : as.signWithLeaf("request", ...parts);

export const DAY = 86_400;
/** Noon of some day. */
export const NOON = 20_000 * DAY + DAY / 2;

export interface Asked<N extends OperationName> {
  readonly reply: ReplyOf<N>;
  /** What the handler wants to wait for before it answers. */
  readonly wait: { wake: Promise<void>; seconds: number } | undefined;
  /** Writes of the request's batch. */
  readonly writes: number;
}

const pool = new ArenaPool([
  [64 << 10, 160],
  [1 << 20, 4],
]);
export const openArenas = (): number => pool.open;

/** Plain copies: what a test keeps outlives the arena. */
function copied<T>(value: T): T {
  if (value instanceof Uint8Array) return Buffer.from(value) as T;
  if (Array.isArray(value)) return value.map(copied) as T;
  if (typeof value === "object" && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([key, field]) => [key, copied(field)])) as T;
  }
  return value;
}

/** Issues nothing: the request's first byte is the class, its second the epoch; the answer is derived from all of it. */
const classes = ["invite", "create", "discover", "connect", "deliver"] as const;
export const issuer: AuthToIssuer = {
  identify(request) {
    const name = classes[request[0] ?? 255];
    if (name === undefined) throw new Fault("token/unknown-key");
    return { class: name, epoch: request[1] ?? 0, keyId: request.subarray(0, 1) };
  },
  liveKeys: () => classes.flatMap((_, i) => [1, 2].map((epoch) => ({ epoch, keyId: Buffer.of(i) }))),
  async issue(request, _now, allocate) {
    if (request.length < 3) throw new Fault("token/batch");
    const response = allocate(request.length);
    response.set(request.map((byte) => byte ^ 0xff));
    return response;
  },
};

export class Services {
  readonly domain = randomBytes(32);
  readonly issuerKey = keyPair();
  readonly deliveryKey = keyPair();
  readonly bell = new Bell(25, 64);
  readonly #dir = mkdtempSync(join(tmpdir(), "tacet-services-"));
  readonly #masterKey = new GuardedKey(32, (memory) => memory.fill(7));
  readonly #handleKey = new GuardedKey(32, (memory) => memory.fill(9));
  readonly queue = makeQueueService({ domain: this.domain, handleKey: this.#handleKey, bell: this.bell });
  readonly handlers: Handlers;
  now = NOON;
  #store: Store | undefined;

  private constructor() {
    const signer: AuthSigner = {
      publicKey: this.issuerKey.publicKey,
      sign: (signature, body, purpose) => {
        sign(signature, purpose, this.issuerKey.secretKey, body);
      },
    };
    this.handlers = {
      ...makeAuthService({ domain: this.domain, signer, issuer }),
      ...this.queue.handlers,
      ...makeDeliveryService({
        queue: { enqueue: this.queue.enqueue },
        signer: {
          publicKey: this.deliveryKey.publicKey,
          sign: (signature, message) => ed25519Sign(signature, message, this.deliveryKey.secretKey),
        },
      }),
    };
  }

  static async open(): Promise<Services> {
    const services = new Services();
    await createStore({ dir: services.#storeDir, masterKey: services.#masterKey });
    await services.reopen();
    return services;
  }

  get #storeDir(): string {
    return join(this.#dir, "store");
  }
  /** True when a file of the database holds `needle`. */
  onDisk(needle: Buffer): boolean {
    const dir = join(this.#storeDir, "db");
    return readdirSync(dir).some((name) => readFileSync(join(dir, name)).includes(needle));
  }
  /** Control of `onDisk`: puts the needles there in the clear. */
  plant(needles: readonly Buffer[]): void {
    writeFileSync(join(this.#storeDir, "db", "planted"), Buffer.concat(needles));
  }
  get store(): Store {
    if (this.#store === undefined) throw new Error("closed");
    return this.#store;
  }

  /** Closes the database and opens it again, as a restart does. */
  async reopen(): Promise<void> {
    await this.#store?.close();
    this.#store = await openStore({ dir: this.#storeDir, masterKey: this.#masterKey, reserveBytes: 0 });
  }

  /** A copy of the closed database in a folder of its own, under `to`. */
  async image(to: string): Promise<string> {
    await this.#store?.close();
    this.#store = undefined;
    const copy = mkdtempSync(join(to, "image-"));
    cpSync(this.#storeDir, copy, { recursive: true });
    await this.reopen();
    return copy;
  }

  get masterKey(): GuardedKey {
    return this.#masterKey;
  }

  /** Lets the database look set back, and accepts it as it is. */
  async rollBack(): Promise<void> {
    await this.#store?.close();
    this.#store = undefined;
    rmSync(join(this.#storeDir, "anchor"));
    const place = { dir: this.#storeDir, masterKey: this.#masterKey, reserveBytes: 0 };
    const rolledBack = await openRolledBack(place);
    await acceptRollback(rolledBack, pool);
    await rolledBack.store.close();
    await this.reopen();
  }

  /** Closes the database, opens every record with the master key, and opens the database again. */
  async dump(): Promise<Dump> {
    await this.#store?.close();
    this.#store = undefined;
    const dump = await dumpStore(this.#storeDir, this.#masterKey);
    await this.reopen();
    return dump;
  }

  /** The part of the upkeep that ends accounts. */
  removeEnded(): Promise<number> {
    return removeEnded({ store: this.store, arenas: pool, issuer }, this.now);
  }

  /** The part of the upkeep that looks at queues. */
  lookAfterQueues(): Promise<{ items: number; queues: number }> {
    return lookAfter({ store: this.store, arenas: pool }, this.now);
  }

  async close(): Promise<void> {
    await this.#store?.close();
    rmSync(this.#dir, { recursive: true, force: true });
  }

  /** Runs `work` as one request's batch; `as` signs it. */
  async call<T>(work: (call: Call) => Promise<T>, as?: Signer): Promise<T> {
    return (await this.#run(work, as)).result;
  }

  async #run<T>(work: (call: Call, arena: Arena) => Promise<T>, as?: Signer) {
    const arena = pool.arena();
    const subject = randomBytes(192);
    const signature = as === undefined ? Buffer.alloc(64) : signatureOf(as, this.domain, subject);
    const after: (() => void)[] = [];
    let wait: Asked<OperationName>["wait"];
    let writes = 0;
    let authenticated = false;
    try {
      const result = await this.store.transact(arena, async (real) => {
        const counted =
          <A extends unknown[]>(write: (...of: A) => void) =>
          (...of: A): void => {
            if (as !== undefined && !authenticated) throw new Error("wrote before it authenticated");
            writes++;
            write(...of);
          };
        const tx = {
          lock: real.lock.bind(real),
          places: real.places.bind(real),
          together: real.together.bind(real),
          get: real.get.bind(real),
          getMany: real.getMany.bind(real),
          range: real.range.bind(real),
          put: counted(real.put.bind(real)),
          putAt: counted(real.putAt.bind(real)),
          append: counted(real.append.bind(real)),
          delete: counted(real.delete.bind(real)),
          deleteRange: counted(real.deleteRange.bind(real)),
        };
        const call: Call = {
          arena,
          tx,
          now: this.now,
          authenticate: (publicKey) => {
            if (!verify(signature, "request", publicKey, this.domain, subject)) throw new Fault("auth/signature");
            authenticated = true;
          },
          afterCommit: (task) => after.push(task),
          waitFor: (wake, seconds) => (wait = { wake, seconds }),
        };
        return work(call, arena);
      });
      for (const task of after) task();
      return { result, wait, writes, authenticated };
    } finally {
      arena.close();
    }
  }

  /** One operation with its codecs, as the wire brings it. Request and reply must fit their size classes. */
  async asked<N extends OperationName>(name: N, request: RequestOf<N>, as?: Signer): Promise<Asked<N>> {
    const shape = operations[name];
    const handler = this.handlers[name] as unknown as Handler<N>;
    const { result, wait, writes, authenticated } = await this.#run(async (call, arena) => {
      const input = encode(shape.request as Codec<unknown>, request, (size) => arena.take(size));
      const signature = arena.take(shape.caller === "anonymous" ? 0 : SIGNATURE_LENGTH);
      pad(arena.take(sizes[shape.size.request] - signature.length), input);
      const reply = await handler(decode(shape.request as Codec<unknown>, input) as RequestOf<N>, call);
      const output = encode(shape.reply as Codec<unknown>, reply, (size) => arena.take(size));
      padReply(arena.take(sizes[shape.size.reply]), 0, output);
      return copied(decode(shape.reply as Codec<unknown>, output)) as ReplyOf<N>;
    }, as);
    if (shape.caller !== "anonymous" && !authenticated) throw new Error("answered without authentication");
    return { reply: result, wait, writes };
  }

  async ask<N extends OperationName>(name: N, request: RequestOf<N>, as?: Signer): Promise<ReplyOf<N>> {
    return (await this.asked(name, request, as)).reply;
  }
}
