import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { randomBytes, randomFill } from "../../src/crypto/random.ts";
import { sign, signKeypair } from "../../src/crypto/sign.ts";
import { Fault, faults } from "../../src/fault.ts";
import { ArenaPool } from "../../src/memory/arena.ts";
import { GuardedKey } from "../../src/memory/guarded-key.ts";
import { makeDispatch, RECEIPT_DAYS } from "../../src/services/dispatch.ts";
import type { Call, Handlers } from "../../src/services/ports.ts";
import { TRIES } from "../../src/services/tries.ts";
import { createStore, openStore, type Store } from "../../src/store/store.ts";
import { encode, type Codec } from "../../src/wire/codec.ts";
import { header, HEADER_LENGTH, TOKEN_SLOT_LENGTH } from "../../src/wire/frame.ts";
import { operations, type OperationName } from "../../src/wire/operations.ts";

const NOW = 1_800_000_000;
const domain = Buffer.alloc(32, 7);
const key = Buffer.alloc(32, 1);

describe("services/dispatch", () => {
  const arenas = new ArenaPool([[16384, 64]]);
  const masterKey = new GuardedKey(32, (memory) => void randomFill(memory));
  let dir: string;
  let store: Store;
  let released: number;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), "tacet-dispatch-"));
    await createStore({ dir: join(dir, "data"), masterKey });
    store = await openStore({ dir: join(dir, "data"), masterKey, reserveBytes: 0 });
    released = 0;
  });
  afterEach(async () => {
    await store.close();
    await rm(dir, { recursive: true, force: true });
    assert.equal(arenas.open, 0);
  });

  type Body = (request: never, call: Call) => Promise<unknown>;
  const makeAsk = (operation: OperationName, handler: Body) => {
    const dispatch = makeDispatch({ domain, store, handlers: { [operation]: handler } as unknown as Handlers });
    return async (options: {
      payload: Buffer;
      requestId?: Uint8Array;
      name?: Uint8Array;
      others?: Uint8Array[];
      state?: "fresh" | "replay";
      now?: number;
      headerBytes?: Buffer;
      gone?: Promise<void>;
      binding?: Buffer;
    }) => {
      const arena = arenas.arena();
      const requestId = options.requestId ?? randomBytes(16);
      try {
        const { code, payload } = await dispatch({
          operation,
          header: arena.copy(options.headerBytes ?? headerOf(operation, requestId)),
          payload: arena.copy(options.payload),
          reservations: [options.name, ...(options.others ?? [])].flatMap((name) =>
            name === undefined
              ? []
              : [
                  {
                    epoch: 5,
                    name,
                    binding: options.binding ?? randomBytes(16),
                    state: options.state ?? "fresh",
                    room: "spent" as const,
                    release: () => void released++,
                  },
                ],
          ),
          arena,
          now: options.now ?? NOW,
          ...(options.gone !== undefined && { gone: options.gone }),
        });
        return { code, payload: Buffer.from(payload) };
      } finally {
        arena.close();
      }
    };
  };
  const headerOf = (operation: OperationName, requestId: Uint8Array, window = 3_000_000): Buffer => {
    const { number } = operations[operation];
    const fields = { version: 1, reserved: 0, operation: number, window, requestId };
    return encode(
      header,
      { ...fields, token: Buffer.alloc(TOKEN_SLOT_LENGTH), padding: Buffer.alloc(6) },
      Buffer.alloc,
    );
  };
  const payloadOf = (operation: OperationName, request: object): Buffer =>
    encode(operations[operation].request as Codec<unknown>, request, Buffer.alloc);
  const stored = async (room: "spent" | "account", name: Uint8Array, partition?: number): Promise<boolean> => {
    const arena = arenas.arena();
    try {
      const found = await store.read(arena, (view) =>
        view.get(room, name, partition === undefined ? {} : { partition }),
      );
      return found !== undefined;
    } finally {
      arena.close();
    }
  };
  const discover = payloadOf("as.discover", { name: Buffer.from("name") });
  const empty = Buffer.alloc(0);
  const found = { found: 1, credential: Buffer.from("credential"), clientList: empty, connectionPackage: empty };

  it("writes the work, the spent token and the receipt in one batch", async () => {
    const [name, record] = [randomBytes(32), randomBytes(16)];
    const ask = makeAsk("as.discover", async (_, call) => {
      call.tx.put("account", record, key);
      return found;
    });
    const reply = await ask({ payload: discover, name });
    assert.equal(reply.code, 0);
    assert.ok(await stored("spent", name, 5));
    assert.ok(await stored("account", record));
    assert.equal(released, 1);
  });

  it("a receipt answers the same request, and no other, for two days", async () => {
    const [name, requestId] = [randomBytes(32), randomBytes(16)];
    let runs = 0;
    const ask = makeAsk("as.discover", async () => ({ ...found, found: ++runs % 2 }));
    const first = await ask({ payload: discover, name, requestId });
    const retry = { payload: discover, name, requestId, state: "replay" } as const;
    for (let day = 0; day <= RECEIPT_DAYS; day++) {
      assert.deepEqual(await ask({ ...retry, now: NOW + day * 86400 }), first);
    }
    assert.equal(runs, 1);
    const spent = faults["token/spent"].number;
    assert.equal((await ask({ ...retry, now: NOW + (RECEIPT_DAYS + 1) * 86400 })).code, spent);
    const other = payloadOf("as.discover", { name: Buffer.from("other") });
    assert.equal((await ask({ ...retry, payload: other })).code, spent);
    assert.notEqual((await ask({ ...retry, requestId: randomBytes(16) })).code, 0);
    assert.equal(runs, 1);
  });

  it("a signed request that is tried again in a later window gets the answer it missed", async () => {
    const [publicKey, secret] = [Buffer.alloc(32), Buffer.alloc(64)];
    signKeypair(publicKey, secret);
    const [name, requestId] = [randomBytes(32), randomBytes(16)];
    const fields = { groupId: randomBytes(16), groupKey: randomBytes(32), leaf: 0 };
    const send = payloadOf("ds.send", { ...fields, message: randomBytes(50) });
    const other = payloadOf("ds.send", { ...fields, message: randomBytes(50) });
    let runs = 0;
    const ask = makeAsk("ds.send", async (_, call) => {
      call.authenticate(publicKey);
      runs++;
      return {};
    });
    const inWindow = (window: number, body: Buffer) => {
      const headerBytes = headerOf("ds.send", requestId, window);
      const signature = sign(Buffer.alloc(64), "request", secret, domain, headerBytes, body);
      return { headerBytes, payload: Buffer.concat([body, signature]), name };
    };
    const replay = { state: "replay" } as const;
    assert.equal((await ask(inWindow(3_000_000, send))).code, 0);
    assert.equal((await ask({ ...inWindow(3_000_001, send), ...replay })).code, 0);
    assert.equal((await ask({ ...inWindow(3_000_001, other), ...replay })).code, faults["token/spent"].number);
    assert.equal(runs, 1);
  });

  it("looks again for a spent token where it writes: what the gate saw may be overtaken", async () => {
    const [name, requestId, binding] = [randomBytes(32), randomBytes(16), randomBytes(16)];
    let runs = 0;
    const ask = makeAsk("as.discover", async () => ({ ...found, found: ++runs }));
    const refusing = makeAsk("as.discover", async () => {
      throw new Fault("queue/limit");
    });
    const first = await ask({ payload: discover, name, requestId, binding });
    const spent = faults["token/spent"].number;
    // both come as fresh from the gate
    assert.equal((await ask({ payload: discover, name })).code, spent);
    assert.equal((await refusing({ payload: discover, name })).code, spent);
    assert.deepEqual(await ask({ payload: discover, name, requestId, binding }), first);
    assert.equal(runs, 1);
  });

  it("a refusal by the service costs the token, stores nothing else, and is the retry's answer too", async () => {
    const [name, record, requestId] = [randomBytes(32), randomBytes(16), randomBytes(16)];
    const ask = makeAsk("as.discover", async (_, call) => {
      call.tx.put("account", record, key);
      throw new Fault("queue/limit");
    });
    const first = await ask({ payload: discover, name, requestId });
    assert.equal(first.code, faults["queue/limit"].number);
    assert.ok(await stored("spent", name, 5));
    assert.ok(!(await stored("account", record)));
    assert.deepEqual(await ask({ payload: discover, name, requestId, state: "replay" }), first);
  });

  it("spends all tokens that an operation costs, or none", async () => {
    const [name, ...others] = Array.from({ length: 4 }, () => randomBytes(32));
    const crash = makeAsk("as.discover", async () => {
      throw new TypeError("x");
    });
    const price = { payload: discover, name: name ?? Buffer.alloc(0), others };
    await crash(price);
    for (const one of [price.name, ...others]) assert.ok(!(await stored("spent", one, 5)));
    assert.equal((await makeAsk("as.discover", async () => found)(price)).code, 0);
    for (const one of [price.name, ...others]) assert.ok(await stored("spent", one, 5));
    assert.equal(released, 8);
  });

  it("a taken name costs the invitation only after a few tries", async () => {
    const [name, other] = [randomBytes(32), randomBytes(32)];
    const ask = makeAsk("as.discover", async () => {
      throw new Fault("account/taken");
    });
    const taken = faults["account/taken"].number;
    for (let i = 1; i < TRIES; i++) assert.equal((await ask({ payload: discover, name })).code, taken);
    assert.ok(!(await stored("spent", name, 5)));
    assert.equal((await ask({ payload: discover, name: other })).code, taken);
    assert.ok(!(await stored("spent", other, 5)));
    assert.equal((await ask({ payload: discover, name })).code, taken);
    assert.ok(await stored("spent", name, 5));
  });

  it("the house's own trouble and malformed requests cost nothing", async () => {
    const name = randomBytes(32);
    const crash = makeAsk("as.discover", async () => {
      throw new TypeError("a secret detail");
    });
    const reply = await crash({ payload: discover, name });
    assert.deepEqual(reply, { code: faults["server/error"].number, payload: Buffer.alloc(0) });
    const local = makeAsk("as.discover", async () => {
      throw new Fault("crypto/open");
    });
    assert.equal((await local({ payload: discover, name })).code, faults["server/error"].number);
    const good = makeAsk("as.discover", async () => found);
    for (const payload of [Buffer.alloc(0), discover.subarray(1), Buffer.concat([discover, Buffer.alloc(1)])]) {
      assert.equal((await good({ payload, name })).code, faults["wire/malformed"].number);
    }
    assert.ok(!(await stored("spent", name, 5)));
    assert.equal(released, 5);
    assert.equal((await good({ payload: discover, name })).code, 0, "control: the token was still good");
  });

  it("commits for no caller who was not authenticated", async () => {
    const [publicKey, secret] = [Buffer.alloc(32), Buffer.alloc(64)];
    signKeypair(publicKey, secret);
    const record = randomBytes(16);
    const body = payloadOf("qs.mintHandles", { queueId: Buffer.alloc(16), generation: 0, tags: [] });
    const headerBytes = headerOf("qs.mintHandles", randomBytes(16));
    const signed = (over: Uint8Array): Buffer =>
      Buffer.concat([body, sign(Buffer.alloc(64), "request", secret, domain, over, body)]);
    const forgetful = makeAsk("qs.mintHandles", async (_, call) => {
      call.tx.put("account", record, key);
      return { handles: [] };
    });
    assert.equal((await forgetful({ payload: signed(headerBytes), headerBytes })).code, faults["server/error"].number);
    assert.ok(!(await stored("account", record)));

    const careful = makeAsk("qs.mintHandles", async (_, call) => {
      call.authenticate(publicKey);
      return { handles: [] };
    });
    assert.equal((await careful({ payload: signed(headerBytes), headerBytes })).code, 0);
    const refused = faults["auth/signature"].number;
    assert.equal((await careful({ payload: signed(randomBytes(HEADER_LENGTH)), headerBytes })).code, refused);
    assert.equal((await careful({ payload: Buffer.concat([body, Buffer.alloc(64)]), headerBytes })).code, refused);
    assert.equal((await careful({ payload: Buffer.alloc(10), headerBytes })).code, faults["wire/malformed"].number);
  });

  it("runs a waiting handler again when it is woken, and gives its last answer at the deadline", async () => {
    const [publicKey, secret] = [Buffer.alloc(32), Buffer.alloc(64)];
    signKeypair(publicKey, secret);
    const body = payloadOf("qs.mintHandles", { queueId: Buffer.alloc(16), generation: 0, tags: [] });
    const headerBytes = headerOf("qs.mintHandles", randomBytes(16));
    const payload = Buffer.concat([body, sign(Buffer.alloc(64), "request", secret, domain, headerBytes, body)]);
    let runs = 0;
    const woken = makeAsk("qs.mintHandles", async (_, call) => {
      call.authenticate(publicKey);
      if (++runs < 3) call.waitFor(Promise.resolve(), 5);
      return { handles: [] };
    });
    assert.equal((await woken({ payload, headerBytes })).code, 0);
    assert.equal(runs, 3);
    const began = performance.now();
    const late = makeAsk("qs.mintHandles", async (_, call) => {
      call.authenticate(publicKey);
      call.waitFor(new Promise(() => undefined), 0.2);
      return { handles: [] };
    });
    assert.equal((await late({ payload, headerBytes })).code, 0);
    assert.ok(performance.now() - began >= 190);
    const abandoned = makeAsk("qs.mintHandles", async (_, call) => {
      call.authenticate(publicKey);
      call.waitFor(new Promise(() => undefined), 20);
      return { handles: [] };
    });
    const left = performance.now();
    await abandoned({ payload, headerBytes, gone: new Promise((resolve) => setTimeout(resolve, 50)) });
    assert.ok(performance.now() - left < 5000, "nobody waits any more");
  });
});
