// Sends per second through the whole house, beside the work that no gated, sealed and durable send can do without.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Agent, request } from "node:http";
import { SEAL_OVERHEAD, sealInto } from "../../src/crypto/aead.ts";
import { CONTEXT_LENGTH, openWith, ReceiverKey, sealWith, setupSender } from "../../src/crypto/hpke.ts";
import { randomBytes, randomFill } from "../../src/crypto/random.ts";
import { sign, signKeypair, verify } from "../../src/crypto/sign.ts";
import { evaluate, generateVoprfKey, OUTPUT_LENGTH } from "../../src/crypto/voprf.ts";
import { ArenaPool } from "../../src/memory/arena.ts";
import { GuardedKey } from "../../src/memory/guarded-key.ts";
import { equal, lockedAlloc } from "../../src/memory/locked.ts";
import { createStore, openStore } from "../../src/store/store.ts";
import { API_PATH, HEADER_LENGTH, replyLength, sizes } from "../../src/wire/frame.ts";
import { TOKEN_INPUT_LENGTH, TOKEN_LENGTH } from "../../tokens/token.ts";
import { rawAccount, rawHouse, type RawHouse } from "../raw-account.ts";
import { rawPair, rawQueue, type RawGroup } from "../raw-group.ts";
import { sealRequest } from "../raw-client.ts";
import { spawnHouse, type SpawnedHouse } from "../spawn-house.ts";

export const describe =
  "durable, gated sends per second to a group of two at 1 and 64 clients, beside token check + envelope + signature + sealed append";

const ALONE = 250;
const TOGETHER = 600;
const CLIENTS = 64;
const WARM_UP = 50;
/** What making the group costs: a commit, and the tree for who was added. */
const SET_UP = 2;

/** Runs `tasks`, `width` at a time; per second. */
async function rate(tasks: readonly (() => Promise<void>)[], width: number): Promise<number> {
  const began = performance.now();
  const queue = [...tasks];
  const one = async (): Promise<void> => {
    for (let task = queue.pop(); task !== undefined; task = queue.pop()) await task();
  };
  await Promise.all(Array.from({ length: width }, one));
  return (tasks.length / (performance.now() - began)) * 1000;
}

// Of a process, in ticks of 10 ms: the fields 14 and 15 of proc(5), counted behind the name, which may hold spaces.
function processorTime(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "latin1")
    .replace(/^.*\) /s, "")
    .split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 10_000;
}

interface Measured {
  readonly alone: number;
  readonly together: number;
  /** Of the process that does the work, microseconds a send with many at a time. */
  readonly processor: number;
}
async function measured(pid: number, alone: () => Promise<number>, together: () => Promise<number>): Promise<Measured> {
  const first = await alone();
  const before = processorTime(pid);
  const second = await together();
  return { alone: first, together: second, processor: (processorTime(pid) - before) / TOGETHER };
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;

function post(agent: Agent, socketPath: string, body: Buffer): Promise<{ status: number; body: Buffer }> {
  return new Promise((resolve, reject) => {
    const headers = { "Content-Type": "application/octet-stream", "Content-Length": body.length };
    const sent = request({ socketPath, path: API_PATH, method: "POST", agent, headers }, (reply) => {
      const parts: Buffer[] = [];
      reply.on("data", (part: Buffer) => parts.push(part));
      reply.on("end", () => resolve({ status: reply.statusCode ?? 0, body: Buffer.concat(parts) }));
      reply.on("error", reject);
    });
    sent.on("error", reject);
    sent.end(body);
  });
}

/** Sealed requests that each send one message, ready to go: clients' work is not what is measured. */
async function prepare(house: SpawnedHouse, raw: RawHouse, group: RawGroup, tokens: readonly Uint8Array[]) {
  const { privateMessage } = await group.founder.send(Buffer.alloc(200, "m"));
  const { groupId, groupKey, founder } = group;
  return tokens.map((token) =>
    sealRequest(raw.to, {
      operation: "ds.send",
      request: { groupId, groupKey, leaf: founder.ownLeaf, message: privateMessage },
      signer: (...parts) => founder.signWithLeaf("request", ...parts),
      token,
      now: house.now(),
    }),
  );
}

async function measureHouse(): Promise<Measured> {
  const house = await spawnHouse();
  const raw = await rawHouse(house);
  const agent = new Agent({ keepAlive: true, maxSockets: CLIENTS });
  try {
    const tokens: Buffer[] = [];
    const first = await rawAccount(house, raw, "bench.first");
    const creates = await first.draw("create");
    for (let i = 0; tokens.length < ALONE + TOGETHER + WARM_UP + SET_UP; i++) {
      const account = i === 0 ? first : await rawAccount(house, raw, `bench.${String.fromCharCode(97 + i)}`);
      tokens.push(...(await account.draw("deliver")));
    }
    const take = (count: number) => tokens.splice(0, count);
    const queues = [await rawQueue(raw, creates), await rawQueue(raw, creates)] as const;
    const group = await rawPair(house, raw, queues, { create: creates, deliver: take(SET_UP) });
    const tasks = async (count: number) =>
      (await prepare(house, raw, group, take(count))).map((sealed) => async () => {
        const { code } = sealed.open(await post(agent, house.socketPath, sealed.body));
        if (code !== "ok") throw new Error(code);
      });
    await rate(await tasks(WARM_UP), 8);
    const [alone, together] = [await tasks(ALONE), await tasks(TOGETHER)];
    return await measured(
      house.pid,
      () => rate(alone, 1),
      () => rate(together, CLIENTS),
    );
  } finally {
    agent.destroy();
    raw.close();
    await house.remove();
  }
}

/** The same primitives in the same amounts, without HTTP, MLS, decoding and dispatch. */
async function measureFloor(): Promise<Measured> {
  const dir = mkdtempSync(join(tmpdir(), "tacet-bench-"));
  const masterKey = new GuardedKey(32, (memory) => void randomFill(memory));
  await createStore({ dir: join(dir, "data"), masterKey });
  const store = await openStore({ dir: join(dir, "data"), masterKey, reserveBytes: 0 });
  const arenas = new ArenaPool();
  const issuer = generateVoprfKey();
  const envelope = new ReceiverKey("request");
  const [publicKey, secret] = [Buffer.alloc(32), lockedAlloc(64)];
  signKeypair(publicKey, secret);
  const [context, enc] = [lockedAlloc(CONTEXT_LENGTH), Buffer.alloc(32)];
  setupSender(context, enc, "request", envelope.publicKey);
  const [header, body] = [Buffer.alloc(HEADER_LENGTH + 16), Buffer.alloc(sizes.small + 16)];
  sealWith(context, 0, header, Buffer.alloc(HEADER_LENGTH));
  sealWith(context, 1, body, Buffer.alloc(sizes.small));
  const message = Buffer.alloc(700, "m");
  const signature = sign(Buffer.alloc(64), "request", secret, message);
  const token = randomBytes(TOKEN_LENGTH);
  let sequence = 0;
  const queue = randomBytes(16);

  const send = async (): Promise<void> => {
    const arena = arenas.arena();
    try {
      const opened = arena.take(CONTEXT_LENGTH);
      envelope.setup(opened, enc);
      openWith(opened, 0, arena.take(HEADER_LENGTH), header);
      const output = evaluate(arena.take(OUTPUT_LENGTH), issuer, token.subarray(0, TOKEN_INPUT_LENGTH));
      equal(output, token.subarray(TOKEN_INPUT_LENGTH));
      openWith(opened, 1, arena.take(sizes.small), body);
      if (!verify(signature, "request", publicKey, message)) throw new Error("signature");
      const item = sealInto(arena.take(message.length + SEAL_OVERHEAD), message, queue, opened.subarray(0, 32));
      const name = randomBytes(32);
      await store.transact(arena, async (tx) => {
        tx.putAt("queueItem", queue, ++sequence, item);
        tx.put("queue", queue, opened);
        tx.put("spent", name, name.subarray(0, 16), { partition: 1 });
        tx.put("receipt", name, opened, { partition: 1 });
      });
      sealWith(opened, 2, arena.take(replyLength("small")).subarray(0, sizes.small + 16), arena.take(sizes.small));
    } finally {
      arena.close();
    }
  };
  try {
    const tasks = (count: number) => Array.from({ length: count }, () => send);
    await rate(tasks(WARM_UP), 8);
    return await measured(
      process.pid,
      () => rate(tasks(ALONE), 1),
      () => rate(tasks(TOGETHER), CLIENTS),
    );
  } finally {
    await store.close();
    rmSync(dir, { recursive: true, force: true });
  }
}

const ROUNDS = 3;

export async function run({ json }: { json: boolean }): Promise<object> {
  const house: Measured[] = [];
  const floor: typeof house = [];
  // Interleaved, so that a noisy neighbour hits both.
  for (let round = 0; round < ROUNDS; round++) {
    if (!json) console.log(`round ${round + 1} of ${ROUNDS}`);
    floor.push(await measureFloor());
    house.push(await measureHouse());
  }
  const of = (runs: typeof house, which: keyof Measured) => Math.round(median(runs.map((r) => r[which])));
  const round2 = (value: number): number => Math.round(value * 100) / 100;
  const result = {
    sends_per_second_1: of(house, "alone"),
    sends_per_second_64: of(house, "together"),
    floor_per_second_1: of(floor, "alone"),
    floor_per_second_64: of(floor, "together"),
    ratio_1: round2(of(house, "alone") / of(floor, "alone")),
    processor_us: of(house, "processor"),
    floor_processor_us: of(floor, "processor"),
    ratio: round2(of(house, "together") / of(floor, "together")),
  };
  if (!json) console.table(result);
  return result;
}
