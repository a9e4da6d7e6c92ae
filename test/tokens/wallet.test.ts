import assert from "node:assert/strict";
import sodium from "sodium-native";
import { isZero } from "../../src/memory/locked.ts";
import { PENDING_LENGTH } from "../../tokens/blinding.ts";
import { tokenChallenge } from "../../tokens/challenge.ts";
import { issueBatch } from "../../tokens/issuer.ts";
import { decodeState } from "../../tokens/wallet-state.ts";
import { Wallet, type WalletStorage } from "../../tokens/wallet.ts";
import { allocate, DAY, makeSetting, NOW, ORIGIN, type Setting } from "./setting.ts";

const CHALLENGE = tokenChallenge(ORIGIN);
const SIZE = 4;

/** A disk on which the wallet's process dies: at the save numbered `crashAt`, before or after the bytes are down. */
class Disk implements WalletStorage {
  state: Buffer | undefined;
  saves = 0;
  crashAt = Infinity;
  after = false;
  /** The fault to be caught: a disk that answers before it writes, and then does not. */
  lies = false;
  readonly passed: Uint8Array[] = [];

  load(): Buffer | undefined {
    return this.state === undefined ? undefined : Buffer.from(this.state);
  }

  async save(bytes: Uint8Array): Promise<void> {
    this.passed.push(bytes);
    const crash = ++this.saves === this.crashAt;
    if (!this.lies && (!crash || this.after)) this.state = Buffer.from(bytes);
    await new Promise((resolve) => setImmediate(resolve));
    if (crash) throw new Error("crash");
  }
}

/** The server as the wallet meets it: one request per key, the same bytes for the same one. */
class Server {
  readonly #setting: Setting;
  readonly requests = new Set<string>();
  readonly seen = new Map<string, number>();

  constructor(setting: Setting) {
    this.#setting = setting;
  }

  issue(request: Uint8Array): Promise<Buffer> {
    this.requests.add(Buffer.from(request).toString("hex"));
    return issueBatch(this.#setting.keys, request, { maxBatch: 100, now: this.#setting.clock.now, allocate });
  }

  spend(token: Uint8Array): void {
    this.#setting.redeemer.check(token, "deliver", Buffer.alloc(32));
    const id = Buffer.from(token).toString("hex");
    this.seen.set(id, (this.seen.get(id) ?? 0) + 1);
  }
}

describe("tokens/wallet", () => {
  let setting: Setting;
  before(async () => {
    setting = await makeSetting();
  });
  beforeEach(() => {
    setting.clock.now = NOW;
  });
  const open = (storage: WalletStorage): Promise<Wallet> =>
    Wallet.open({ storage, directory: () => setting.keys.all, now: () => setting.clock.now });
  const publicKey = (): Uint8Array => setting.keys.current("deliver", NOW).publicKey;

  async function filled(disk: Disk): Promise<Wallet> {
    const wallet = await open(disk);
    const pending = await wallet.requestBatch(publicKey(), CHALLENGE, SIZE);
    await wallet.finalize(pending, await new Server(setting).issue(pending.request));
    return wallet;
  }

  /** One life of the client: goes on where the disk says, until everything is spent or the process dies. */
  async function live(disk: Disk, server: Server): Promise<void> {
    const wallet = await open(disk);
    if (!wallet.drawn(publicKey())) {
      const pending = await wallet.requestBatch(publicKey(), CHALLENGE, SIZE);
      await wallet.finalize(pending, await server.issue(pending.request));
    }
    while (wallet.count("deliver") > 0) server.spend(await wallet.take("deliver", Buffer.alloc(162)));
  }

  it("draws a full batch, spends each token once, and keeps its state over a restart", async () => {
    const disk = new Disk();
    const wallet = await open(disk);
    const pending = await wallet.requestBatch(publicKey(), CHALLENGE);
    assert.equal(pending.class, "deliver");
    assert.equal(await wallet.finalize(pending, await new Server(setting).issue(pending.request)), 100);
    const seen = new Set<string>();
    for (let i = 0; i < 3; i++) {
      const token = await (await open(disk)).take("deliver", Buffer.alloc(162));
      setting.redeemer.check(token, "deliver", Buffer.alloc(32));
      seen.add(token.toString("hex"));
    }
    assert.equal(seen.size, 3);
    assert.equal((await open(disk)).count("deliver"), 97);
    assert.equal((await open(disk)).count("connect"), 0);
    await assert.rejects(wallet.take("connect", Buffer.alloc(162)), { code: "token/required" });
  });

  it("gives up a batch that was refused, and asks for a smaller one with other blinds", async () => {
    const disk = new Disk();
    const wallet = await open(disk);
    const refused = await wallet.requestBatch(publicKey(), CHALLENGE, SIZE);
    await wallet.abandon(refused);
    assert.deepEqual((await open(disk)).pending(), []);
    const smaller = await wallet.requestBatch(publicKey(), CHALLENGE, SIZE - 1);
    assert.ok(!smaller.request.includes(refused.request.subarray(-32)));
    const late = await new Server(setting).issue(refused.request);
    await assert.rejects(wallet.finalize(refused, late));
    assert.equal(await wallet.finalize(smaller, await new Server(setting).issue(smaller.request)), SIZE - 1);
    // What was issued stays.
    await wallet.abandon(smaller);
    assert.equal((await open(disk)).count("deliver"), SIZE - 1);
  });

  it("gives concurrent takers different tokens, and saves in order", async () => {
    const disk = new Disk();
    const wallet = await filled(disk);
    const tokens = await Promise.all(
      Array.from({ length: SIZE }, () => wallet.take("deliver", Buffer.alloc(162)).then((t) => t.toString("hex"))),
    );
    assert.equal(new Set(tokens).size, SIZE);
    assert.equal((await open(disk)).count("deliver"), 0);
    await assert.rejects(wallet.take("deliver", Buffer.alloc(162)), { code: "token/required" });
  });

  it("never lets a later save be overtaken by an earlier one", async () => {
    const disk = new Disk();
    const wallet = await filled(disk);
    let delay = SIZE;
    const slowest = async (bytes: Uint8Array): Promise<void> => {
      const state = Buffer.from(bytes);
      for (let turns = 3 * delay--; turns > 0; turns--) await new Promise((resolve) => setImmediate(resolve));
      disk.state = state;
    };
    disk.save = slowest;
    await Promise.all(Array.from({ length: SIZE }, () => wallet.take("deliver", Buffer.alloc(162))));
    assert.equal((await open(disk)).count("deliver"), 0);
  });

  it("saves a batch's blinds before its request can be sent, and repeats the very request", async () => {
    const disk = new Disk();
    const wallet = await open(disk);
    const { request } = await wallet.requestBatch(publicKey(), CHALLENGE, SIZE);
    const again = await open(disk);
    assert.deepEqual(again.pending()[0]!.request, request);
    assert.deepEqual((await again.requestBatch(publicKey(), CHALLENGE, SIZE)).request, request);
    assert.deepEqual((await wallet.requestBatch(publicKey(), CHALLENGE, SIZE)).request, request);
    assert.ok(!again.drawn(publicKey()));
  });

  it("survives a crash at every save, before and after the bytes are down", async () => {
    for (const after of [false, true])
      for (let crashAt = 1; crashAt <= SIZE + 2; crashAt++) {
        const disk = Object.assign(new Disk(), { crashAt, after });
        const server = new Server(setting);
        await assert.rejects(live(disk, server), /crash/);
        await live(disk, server);
        assert.equal(server.requests.size, 1, "one request, however often it was sent");
        assert.ok([...server.seen.values()].every((times) => times === 1));
        // Only a token whose removal was saved and that was not sent yet may be lost.
        const lost = after && crashAt > 2 ? 1 : 0;
        assert.equal(server.seen.size, SIZE - lost, `${crashAt} ${after}`);
      }
  });

  it("control: on a disk that does not keep what it confirmed, tokens are sent twice and it shows", async () => {
    const disk = new Disk();
    await filled(disk);
    disk.lies = true;
    const server = new Server(setting);
    await live(disk, server);
    await live(disk, server);
    assert.ok([...server.seen.values()].some((times) => times > 1));
  });

  it("goes on in the same process after a failed save, with nothing lost", async () => {
    for (let crashAt = 1; crashAt <= 3; crashAt++) {
      const disk = Object.assign(new Disk(), { crashAt });
      const wallet = await open(disk);
      const server = new Server(setting);
      let failures = 0;
      const twice = async <T>(work: () => Promise<T>): Promise<T> => {
        try {
          return await work();
        } catch (error) {
          assert.match(String(error), /crash/);
          failures++;
          return await work();
        }
      };
      const pending = await twice(() => wallet.requestBatch(publicKey(), CHALLENGE, SIZE));
      const response = await server.issue(pending.request);
      await twice(() => wallet.finalize(pending, response));
      while (wallet.count("deliver") > 0) server.spend(await twice(() => wallet.take("deliver", Buffer.alloc(162))));
      assert.equal(failures, 1);
      assert.equal(server.seen.size, SIZE);
    }
  });

  it("keeps a batch pending when the answer is wrong", async () => {
    const wallet = await open(new Disk());
    const pending = await wallet.requestBatch(publicKey(), CHALLENGE, SIZE);
    const response = await new Server(setting).issue(pending.request);
    const bent = Buffer.from(response);
    bent[bent.length - 1]! ^= 1;
    await assert.rejects(wallet.finalize(pending, bent), { code: "token/invalid" });
    await assert.rejects(wallet.finalize(pending, response.subarray(1)), { code: "token/batch" });
    assert.equal(wallet.count("deliver"), 0);
    assert.equal(await wallet.finalize(pending, response), SIZE);
    await assert.rejects(wallet.finalize(pending, response), { code: "token/unknown-key" });
  });

  it("draws from no key that the directory does not have, none out of its window, and none twice", async () => {
    const wallet = await filled(new Disk());
    const stranger = await makeSetting();
    const foreign = stranger.keys.current("deliver", NOW).publicKey;
    await assert.rejects(wallet.requestBatch(foreign, CHALLENGE), { code: "token/unknown-key" });
    await assert.rejects(wallet.requestBatch(publicKey(), CHALLENGE), { code: "token/allowance" });
    setting.clock.now = NOW + 27 * DAY;
    const expired = setting.keys.current("create", NOW).publicKey;
    await assert.rejects(wallet.requestBatch(expired, CHALLENGE), { code: "token/unknown-key" });
  });

  it("spends no token of a dead key, and drops it from the state at the next batch", async () => {
    const disk = new Disk();
    const wallet = await filled(disk);
    setting.clock.now = NOW + 27 * DAY;
    assert.equal(wallet.count("deliver"), 0);
    await assert.rejects(wallet.take("deliver", Buffer.alloc(162)), { code: "token/required" });
    const later = await makeSetting();
    await later.keys.rotate(setting.clock.now, async () => {});
    const next = await Wallet.open({ storage: disk, directory: () => later.keys.all, now: () => setting.clock.now });
    await next.requestBatch(later.keys.current("deliver", setting.clock.now).publicKey, CHALLENGE, SIZE);
    assert.deepEqual(
      decodeState(disk.load()!).map((batch) => batch.epoch),
      [701],
    );
  });

  it("wipes blinds, taken tokens and the bytes it saved; close wipes the rest", async () => {
    const disk = new Disk();
    const wallet = await filled(disk);
    assert.ok(disk.passed.length > 0 && disk.passed.every((bytes) => isZero(bytes)));
    assert.equal(decodeState(disk.load()!)[0]!.pending, false);
    await wallet.close();
    assert.equal(wallet.count("deliver"), 0);
    const loaded = disk.load()!;
    await open({ load: () => loaded, save: () => {} });
    assert.ok(isZero(loaded));
  });

  it("wipes the blinds of a finished batch", async () => {
    const allocated: Buffer[] = [];
    const malloc = sodium.sodium_malloc;
    sodium.sodium_malloc = (size) => {
      const buffer = malloc(size);
      allocated.push(buffer);
      return buffer;
    };
    try {
      const wallet = await open(new Disk());
      const pending = await wallet.requestBatch(publicKey(), CHALLENGE, SIZE);
      const secrets = allocated.find((buffer) => buffer.length === SIZE * PENDING_LENGTH);
      assert.ok(secrets !== undefined && !isZero(secrets));
      await wallet.finalize(pending, await new Server(setting).issue(pending.request));
      assert.ok(isZero(secrets));
    } finally {
      sodium.sodium_malloc = malloc;
    }
  });

  it("refuses a state that it did not write", async () => {
    const disk = new Disk();
    await filled(disk);
    const good = disk.state!;
    const bad = [
      Buffer.alloc(0),
      good.subarray(0, 1),
      good.subarray(0, -1),
      Buffer.concat([good, Buffer.alloc(1)]),
      Buffer.from(good).fill(1, 0, 1),
      Buffer.from(good).fill(2, 1, 2),
      Buffer.from(good).fill(9, 2, 3),
      Buffer.from(good).fill(2, 39, 40), // neither pending nor finished
      Buffer.from(good).fill(1, 42, 44), // no public key is that long
    ];
    for (const state of bad)
      await assert.rejects(open({ load: () => Buffer.from(state), save: () => {} }), { code: "store/corrupt" });
  });
});
