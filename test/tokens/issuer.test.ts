import assert from "node:assert/strict";
import { ELEMENT_LENGTH, generateVoprfKey } from "../../src/crypto/voprf.ts";
import {
  layRequest,
  layResponse,
  parseRequest,
  parseResponse,
  requestLength,
  responseLength,
} from "../../tokens/batch.ts";
import { blindBatch, finishBatch, FINISHED_LENGTH, freshPending, PENDING_LENGTH } from "../../tokens/blinding.ts";
import { challengeDigest, tokenChallenge } from "../../tokens/challenge.ts";
import type { TokenClass } from "../../tokens/classes.ts";
import { identifyBatch, issueBatch } from "../../tokens/issuer.ts";
import { allocate, DAY, makeSetting, NOW, ORIGIN, type Setting } from "./setting.ts";

const limits = { maxBatch: 100, now: NOW };
const options = { ...limits, allocate };

function begin({ keys }: Setting, tokenClass: TokenClass, count: number) {
  const { publicKey } = keys.current(tokenClass, NOW);
  const key = { publicKey, challengeDigest: challengeDigest(tokenChallenge(ORIGIN)) };
  const pending = Buffer.alloc(count * PENDING_LENGTH);
  freshPending(pending);
  return { key, pending, request: blindBatch(key, pending) };
}

describe("tokens/batch", () => {
  it("lays out what it reads, one length byte up to one element and two beyond", () => {
    for (const [count, first] of [
      [1, 0x20],
      [2, 0x40],
      [100, 0x4c],
    ] as const) {
      const request = Buffer.alloc(requestLength(count));
      layRequest(request, 7, count).fill(9);
      assert.equal(request[3], first);
      const read = parseRequest(request);
      assert.equal(read.truncatedKeyId, 7);
      assert.deepEqual(read.blinded, Buffer.alloc(count * ELEMENT_LENGTH, 9));
      const response = Buffer.alloc(responseLength(count));
      layResponse(response, count).fill(8);
      assert.equal(parseResponse(response).evaluated.length, count * ELEMENT_LENGTH);
      assert.equal(parseResponse(response).proof.length, 64);
    }
    assert.throws(() => layRequest(Buffer.alloc(8), 0, 2 ** 25), { code: "token/batch" });
  });

  it("refuses longer length forms, broken lengths, other types, and trailing or missing bytes", () => {
    const elements = Buffer.alloc(64, 1);
    const good = Buffer.concat([Buffer.from([0, 5, 7, 0x40, 64]), elements]);
    parseRequest(good);
    const head = (...bytes: number[]): Buffer => Buffer.concat([Buffer.from(bytes), elements]);
    const bad = [
      Buffer.alloc(0),
      good.subarray(0, 3),
      good.subarray(0, 4),
      good.subarray(1),
      good.subarray(0, -1),
      Buffer.concat([good, Buffer.alloc(1)]),
      Buffer.concat([good, Buffer.alloc(32)]),
      head(0, 2, 7, 0x40, 64),
      head(1, 5, 7, 0x40, 64),
      head(0, 5, 7, 0x80, 0, 0, 64), // the four-byte form
      head(0, 5, 7, 0xc0, 0, 0, 0, 0, 0, 0, 64), // the eight-byte form
      Buffer.concat([Buffer.from([0, 5, 7, 0x40, 32]), elements.subarray(32)]), // two bytes where one is enough
      Buffer.concat([Buffer.from([0, 5, 7, 33]), Buffer.alloc(33)]),
      Buffer.from([0, 5, 7, 0]),
    ];
    for (const bytes of bad) assert.throws(() => parseRequest(bytes), { code: "token/batch" }, bytes.toString("hex"));
    const response = Buffer.concat([Buffer.from([32]), Buffer.alloc(96)]);
    parseResponse(response);
    for (const bytes of [response.subarray(1), response.subarray(0, -1), Buffer.concat([response, Buffer.alloc(1)])])
      assert.throws(() => parseResponse(bytes), { code: "token/batch" });
    assert.throws(() => parseResponse(Buffer.concat([Buffer.from([0]), Buffer.alloc(64)])), { code: "token/batch" });
  });
});

describe("tokens/issuer", () => {
  let setting: Setting;
  before(async () => {
    setting = await makeSetting();
  });

  it("says what a request is for", () => {
    const { request } = begin(setting, "connect", 3);
    const { key, count } = identifyBatch(setting.keys, request, limits);
    assert.equal(key, setting.keys.current("connect", NOW));
    assert.equal(count, 3);
  });

  it("answers an identical request with identical bytes, and another with others", async () => {
    const { request } = begin(setting, "deliver", 25);
    const first = await issueBatch(setting.keys, request, options);
    assert.deepEqual(await issueBatch(setting.keys, request, options), first);
    const other = begin(setting, "deliver", 25).request;
    assert.notDeepEqual(await issueBatch(setting.keys, other, options), first);
  });

  it("takes up to the limit and not one more", async () => {
    const full = begin(setting, "deliver", 20);
    const response = await issueBatch(setting.keys, full.request, { ...options, maxBatch: 20 });
    finishBatch(Buffer.alloc(20 * FINISHED_LENGTH), full.key, full.pending, full.request, response);
    await assert.rejects(issueBatch(setting.keys, full.request, { ...options, maxBatch: 19 }), { code: "token/batch" });
    const hundredAndOne = Buffer.alloc(requestLength(101));
    layRequest(hundredAndOne, full.request[2]!, 101);
    assert.throws(() => identifyBatch(setting.keys, hundredAndOne, limits), { code: "token/batch" });
  });

  it("knows no other key, no dead or unborn key, and draws invitations only where it may", async () => {
    const { request } = begin(setting, "deliver", 1);
    const used = new Set(setting.keys.all.map((key) => key.truncatedKeyId));
    const stranger = Buffer.from(request);
    while (used.has(stranger[2]!)) stranger[2]!++;
    const unknown = { code: "token/unknown-key" };
    await assert.rejects(issueBatch(setting.keys, stranger, options), unknown);
    await assert.rejects(issueBatch(setting.keys, request, { ...options, now: NOW + 27 * DAY }), unknown);
    await assert.rejects(issueBatch(setting.keys, request, { ...options, now: NOW - 11 * DAY }), unknown);
    await issueBatch(setting.keys, request, { ...options, now: NOW + 26 * DAY });
    const invitations = begin(setting, "invite", 2).request;
    await assert.rejects(issueBatch(setting.keys, invitations, options), { code: "token/allowance" });
    await assert.rejects(issueBatch(setting.keys, invitations, { ...options, maxInvitations: 1 }), {
      code: "token/allowance",
    });
    await issueBatch(setting.keys, invitations, { ...options, maxInvitations: 2 });
  });

  it("refuses the identity and non-canonical elements wherever they stand", async () => {
    const { request } = begin(setting, "deliver", 12);
    for (const at of [0, 5, 11])
      for (const fill of [0, 0xff]) {
        const bad = Buffer.from(request);
        bad.fill(fill, 5 + at * 32, 5 + (at + 1) * 32);
        await assert.rejects(issueBatch(setting.keys, bad, options), { code: "token/batch" });
      }
  });

  it("lets the event loop turn between slices", async () => {
    const { request } = begin(setting, "deliver", 50);
    let turns = 0;
    let running = true;
    const count = (): void => {
      turns++;
      if (running) setImmediate(count);
    };
    setImmediate(count);
    await issueBatch(setting.keys, request, options);
    running = false;
    assert.ok(turns >= 4, `${turns}`);
  });

  it("gives tokens only for the key's own proof over this very request", async () => {
    const { key, pending, request } = begin(setting, "deliver", 3);
    const finished = Buffer.alloc(3 * FINISHED_LENGTH);
    const response = await issueBatch(setting.keys, request, options);
    const invalid = { code: "token/invalid" };
    for (let i = 2; i < response.length; i += 7) {
      const bent = Buffer.from(response);
      bent[i]! ^= 4;
      assert.throws(() => finishBatch(finished, key, pending, request, bent), invalid);
    }
    const otherKey = { ...key, publicKey: generateVoprfKey().publicKey };
    assert.throws(() => finishBatch(finished, otherKey, pending, request, response), invalid);
    const foreign = begin(setting, "deliver", 3);
    const theirs = await issueBatch(setting.keys, foreign.request, options);
    assert.throws(() => finishBatch(finished, key, pending, request, theirs), invalid);
    const shorter = await issueBatch(setting.keys, begin(setting, "deliver", 2).request, options);
    assert.throws(() => finishBatch(finished, key, pending, request, shorter), { code: "token/batch" });
    finishBatch(finished, key, pending, request, response);
    assert.throws(() => blindBatch({ ...key, publicKey: Buffer.alloc(32) }, pending), { code: "crypto/input" });
  });
});
