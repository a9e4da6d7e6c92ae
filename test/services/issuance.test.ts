import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { randomBytes, randomFill } from "../../src/crypto/random.ts";
import { sign, signKeypair } from "../../src/crypto/sign.ts";
import { Fault, faults, type FaultCode } from "../../src/fault.ts";
import { ArenaPool } from "../../src/memory/arena.ts";
import { GuardedKey } from "../../src/memory/guarded-key.ts";
import { makeIssuance } from "../../src/services/issuance.ts";
import type { Handler } from "../../src/services/ports.ts";
import { createStore, openStore, type Store } from "../../src/store/store.ts";
import { windowOf } from "../../src/wire/frame.ts";

const NOW = 1_800_000_000;
const domain = Buffer.alloc(32, 7);
const record = Buffer.alloc(48, 5);
const name = Buffer.alloc(48, 6);

describe("services/issuance", () => {
  const arenas = new ArenaPool([[16384, 8]]);
  const masterKey = new GuardedKey(32, (memory) => void randomFill(memory));
  const [publicKey, secretKey] = [Buffer.alloc(32), Buffer.alloc(64)];
  signKeypair(publicKey, secretKey);
  let dir: string;
  let store: Store;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), "tacet-issuance-"));
    await createStore({ dir: join(dir, "data"), masterKey });
    store = await openStore({ dir: join(dir, "data"), masterKey, reserveBytes: 0 });
  });
  afterEach(async () => {
    await store.close();
    await rm(dir, { recursive: true, force: true });
    assert.equal(arenas.open, 0);
  });

  const tokenResponse = Buffer.from("response");
  const parts = { mediaType: Buffer.from("application/x"), body: Buffer.from("request"), window: windowOf(NOW) };
  /** What the issuance answers when each part is as signed but for `changed`. */
  const ask = async (handler: Handler<"as.issueTokens">, changed: Partial<typeof parts> = {}) => {
    const issuance = makeIssuance({ domain, store, handlers: { "as.issueTokens": handler } });
    const window = Buffer.alloc(4);
    window.writeUInt32BE(parts.window);
    const signature = sign(Buffer.alloc(64), "issuance", secretKey, domain, window, parts.mediaType, parts.body);
    const arena = arenas.arena();
    try {
      const ids = { userId: randomBytes(16), clientId: randomBytes(16) };
      const { code, payload } = await issuance({ ...parts, ...changed, ...ids, signature, arena, now: NOW });
      return { code, payload: Buffer.from(payload) };
    } finally {
      arena.close();
    }
  };
  const numberOf = (code: FaultCode): number => faults[code].number;
  const stored = async (): Promise<boolean> => {
    const arena = arenas.arena();
    try {
      return (await store.read(arena, (view) => view.get("issuance", name, { partition: 1 }))) !== undefined;
    } finally {
      arena.close();
    }
  };
  const draw: Handler<"as.issueTokens"> = async ({ tokenRequest }, call) => {
    call.authenticate(publicKey);
    assert.deepEqual(Buffer.from(tokenRequest), parts.body);
    call.tx.put("issuance", name, record, { partition: 1 });
    return { tokenResponse };
  };

  it("runs the operation in one transaction and answers with the response alone", async () => {
    assert.deepEqual(await ask(draw), { code: 0, payload: tokenResponse });
    assert.ok(await stored());
  });

  it("covers window, media type and body by the signature", async () => {
    for (const changed of [
      { window: parts.window + 1 },
      { mediaType: Buffer.from("application/y") },
      { body: Buffer.from("another") },
    ])
      assert.equal((await ask(draw, changed)).code, numberOf("auth/signature"));
    assert.ok(!(await stored()));
  });

  it("looks at no request of another window", async () => {
    for (const off of [-2, 2]) {
      const { code } = await ask(() => assert.fail("was asked"), { window: parts.window + off });
      assert.equal(code, numberOf("auth/stale"));
    }
  });

  it("writes and tells nothing when the operation refuses, breaks, or forgets to ask who it is for", async () => {
    const cases: readonly [FaultCode, Handler<"as.issueTokens">][] = [
      [
        "token/conflict",
        (request, call) => draw(request, call).then(() => Promise.reject(new Fault("token/conflict"))),
      ],
      ["server/error", (request, call) => draw(request, call).then(() => Promise.reject(new Error("secret")))],
      ["server/error", (request, call) => draw(request, { ...call, authenticate: () => undefined })],
      ["server/full", () => Promise.reject(new Fault("store/write"))],
    ];
    for (const [refusal, handler] of cases) {
      assert.deepEqual(await ask(handler), { code: numberOf(refusal), payload: Buffer.alloc(0) });
      assert.ok(!(await stored()));
    }
  });
});
