// The policy extension's form, and who may commit what, case by case.
import assert from "node:assert/strict";
import fc from "fast-check";
import type { Extension } from "ts-mls";
import { encodeExternalSenders } from "ts-mls/externalSender.js";
import { encodeRequiredCapabilities } from "ts-mls/requiredCapabilities.js";
import { randomBytes } from "../../src/crypto/random.ts";
import { Fault, type FaultCode } from "../../src/fault.ts";
import {
  checkCommitPolicy,
  checkContextExtensions,
  checkJoinPolicy,
  type CommitForPolicy,
  contextExtensions,
  decodePolicy,
  encodePolicy,
  type GroupPolicy,
  policyAfter,
  policyOf,
  senderKeyOf,
} from "../../src/mls/policy.ts";
import { GROUP_POLICY, MAX_ADMINS, QUEUE_HANDLE, SENDER_IDENTITY } from "../../src/mls/suite.ts";

const refused = (code: FaultCode, work: () => unknown): void =>
  assert.throws(work, (error) => error instanceof Fault && error.code === code && error.message === code);
/** A pseudonym that sorts by its number. */
const pseudonym = (n: number): Uint8Array => Buffer.alloc(16, n);
const policy = (admins: readonly number[], flags: Partial<GroupPolicy> = {}): GroupPolicy => ({
  membersMayAdd: false,
  connection: false,
  admins: admins.map(pseudonym),
  ...flags,
});
const plain = (p: GroupPolicy) => ({ ...p, admins: p.admins.map((admin) => Buffer.from(admin)) });
const anyPolicy = fc.record({
  membersMayAdd: fc.boolean(),
  connection: fc.boolean(),
  admins: fc
    .uniqueArray(fc.uint8Array({ minLength: 16, maxLength: 16 }), {
      minLength: 1,
      maxLength: MAX_ADMINS,
      selector: (bytes) => Buffer.from(bytes).toString("hex"),
    })
    .map((list) => list.toSorted((a, b) => Buffer.compare(a, b))),
});

describe("policy extension", () => {
  it("comes back as it was written, in one form only", () => {
    fc.assert(
      fc.property(anyPolicy, (p) => {
        const data = encodePolicy(p);
        assert.deepEqual(plain(decodePolicy(data)), plain(p));
        assert.deepEqual(encodePolicy({ ...p, admins: p.admins.toReversed() }), data);
      }),
    );
  });
  it("any other bytes are refused with a fault, or are the encoding of what they decode to", () => {
    const arbitrary = fc.oneof(
      fc.uint8Array({ maxLength: 80 }),
      fc
        .tuple(anyPolicy, fc.nat(), fc.integer({ min: 0, max: 255 }), fc.constantFrom("set", "cut", "insert"))
        .map(([p, at, byte, how]) => {
          const data = Buffer.from(encodePolicy(p));
          const i = at % data.length;
          if (how === "set") data[i] = byte;
          else if (how === "cut") return data.subarray(0, i);
          else return Buffer.concat([data.subarray(0, i), Buffer.of(byte), data.subarray(i)]);
          return data;
        }),
    );
    fc.assert(
      fc.property(arbitrary, (bytes) => {
        let decoded: GroupPolicy;
        try {
          decoded = decodePolicy(bytes);
        } catch (error) {
          assert.ok(error instanceof Fault && error.code.startsWith("group/"));
          return;
        }
        assert.deepEqual(Buffer.from(encodePolicy(decoded)), Buffer.from(bytes));
      }),
      { numRuns: 500 },
    );
  });
  it("refuses another version, other flags, no admin, too many, disorder, twins, longer lengths, more bytes", () => {
    const good = Buffer.from(encodePolicy(policy([1, 2])));
    decodePolicy(good); // control
    const withByte = (i: number, byte: number): Buffer => {
      const changed = Buffer.from(good);
      changed[i] = byte;
      return changed;
    };
    refused("group/policy", () => decodePolicy(withByte(0, 2)));
    for (const flags of [4, 8, 128, 255]) refused("group/policy", () => decodePolicy(withByte(1, flags)));
    refused("group/policy", () => decodePolicy(Buffer.of(1, 0, 0)));
    const swapped = Buffer.concat([good.subarray(0, 3), good.subarray(19), good.subarray(3, 19)]);
    const twins = Buffer.concat([good.subarray(0, 3), good.subarray(3, 19), good.subarray(3, 19)]);
    const longer = Buffer.concat([good.subarray(0, 2), Buffer.of(0x40, 32), good.subarray(3)]);
    const widest = Buffer.concat([good.subarray(0, 2), Buffer.of(0x80, 0, 0, 32), good.subarray(3)]);
    for (const bytes of [swapped, twins, longer, widest, good.subarray(0, -1), Buffer.concat([good, Buffer.of(0)])]) {
      refused("group/invalid", () => decodePolicy(bytes));
    }
    const many = (count: number) => policy(Array.from({ length: count }, (_, i) => i));
    decodePolicy(encodePolicy(many(MAX_ADMINS))); // control
    refused("group/limit", () => encodePolicy(many(MAX_ADMINS + 1)));
    const length = (MAX_ADMINS + 1) * 16;
    const body = many(MAX_ADMINS + 1).admins;
    refused("group/limit", () =>
      decodePolicy(Buffer.concat([Buffer.of(1, 0, 0x40 | (length >> 8), length & 0xff), ...body])),
    );
    refused("group/policy", () => encodePolicy(policy([])));
    refused("group/invalid", () => encodePolicy({ ...policy([]), admins: [new Uint8Array(15)] }));
    refused("group/invalid", () => encodePolicy(policy([3, 3])));
  });
});

describe("context extensions", () => {
  const senderKey = randomBytes(32);
  const good = contextExtensions(policy([1]), senderKey);
  const check = (extensions: readonly Extension[]) => checkContextExtensions(extensions, senderKey);
  const swap = (type: Extension["extensionType"], extensionData: Uint8Array): Extension[] =>
    good.map((extension) => (extension.extensionType === type ? { ...extension, extensionData } : extension));

  it("are the three of the house, in any order", () => {
    for (const order of [good, good.toReversed(), [good[1]!, good[2]!, good[0]!]]) {
      assert.deepEqual(plain(check(order)), plain(policy([1])));
      assert.deepEqual(plain(policyOf({ extensions: order })), plain(policy([1])));
      assert.deepEqual(Buffer.from(senderKeyOf({ extensions: order })), senderKey);
    }
  });
  it("none missing, none more, none twice", () => {
    for (let i = 0; i < 3; i++) {
      refused("group/policy", () => check(good.toSpliced(i, 1)));
      refused("group/policy", () => check([...good.toSpliced(i, 1), good[(i + 1) % 3]!]));
      refused("group/policy", () => check([...good, good[i]!]));
    }
    refused("group/policy", () => check([...good, { extensionType: 0xf333, extensionData: new Uint8Array(0) }]));
    refused("group/policy", () => check([]));
  });
  it("no other requirements, and no sender but the house", () => {
    const requiring = (extensionTypes: number[], proposalTypes: number[] = []): Extension[] =>
      swap(
        "required_capabilities",
        encodeRequiredCapabilities({ extensionTypes, proposalTypes, credentialTypes: ["basic"] }),
      );
    check(requiring([QUEUE_HANDLE, GROUP_POLICY])); // control
    refused("group/policy", () => check(requiring([QUEUE_HANDLE])));
    refused("group/policy", () => check(requiring([QUEUE_HANDLE, GROUP_POLICY, 0xf333])));
    refused("group/policy", () => check(requiring([QUEUE_HANDLE, GROUP_POLICY], [0xf333])));
    refused("group/policy", () => check(swap("required_capabilities", new Uint8Array(0))));
    const house = {
      signaturePublicKey: senderKey,
      credential: { credentialType: "basic" as const, identity: SENDER_IDENTITY },
    };
    const sending = (...senders: (typeof house)[]): Extension[] =>
      swap("external_senders", encodeExternalSenders(senders));
    check(sending(house)); // control
    refused("group/policy", () => check(sending()));
    refused("group/policy", () => check(sending(house, house)));
    refused("group/policy", () => check(sending({ ...house, signaturePublicKey: randomBytes(32) })));
    refused("group/policy", () => check(sending({ ...house, signaturePublicKey: randomBytes(31) })));
    const stranger = { credentialType: "basic" as const, identity: randomBytes(SENDER_IDENTITY.length) };
    refused("group/policy", () => check(sending({ ...house, credential: stranger })));
    const behind = Buffer.concat([encodeExternalSenders([house]), Buffer.of(0)]);
    refused("group/policy", () => check(swap("external_senders", behind)));
  });
});

describe("policy after removals", () => {
  it("stays the same object while all admins are there", () => {
    const p = policy([1, 2]);
    assert.equal(policyAfter(p, [3, 2, 1].map(pseudonym)), p);
  });
  it("loses the admins who are gone, and falls to the first of the remaining when none is left", () => {
    const p = policy([1, 2], { membersMayAdd: true });
    assert.deepEqual(plain(policyAfter(p, [3, 2].map(pseudonym))), plain(policy([2], { membersMayAdd: true })));
    assert.deepEqual(plain(policyAfter(p, [9, 4].map(pseudonym))), plain(policy([9], { membersMayAdd: true })));
    refused("group/invalid", () => policyAfter(p, []));
  });
});

describe("who may commit what", () => {
  // leaf i has pseudonym 10 - i, so that leaf order and the order of pseudonyms differ; leaves 0 and 1 are admins
  const at = (leaf: number): number => 10 - leaf;
  const members = (count: number) =>
    Array.from({ length: count }, (_, leaf) => ({ leaf, pseudonym: pseudonym(at(leaf)) }));
  const admins = (leaves: readonly number[], flags: Partial<GroupPolicy> = {}): GroupPolicy =>
    policy(
      leaves.map(at).toSorted((a, b) => a - b),
      flags,
    );
  const base: CommitForPolicy = {
    policyBefore: admins([0, 1]),
    policyChange: undefined,
    membersBefore: members(5),
    committer: 0,
    removesByValue: [],
    removesByReference: [],
    adds: [],
  };
  const check = (change: Partial<CommitForPolicy>): GroupPolicy => checkCommitPolicy({ ...base, ...change });
  const newcomer = pseudonym(77);

  it("anybody renews its keys; an admin adds, removes and changes the policy", () => {
    for (let committer = 0; committer < 5; committer++) assert.equal(check({ committer }), base.policyBefore);
    check({ adds: [newcomer], removesByValue: [3, 4] });
    const policyChange = admins([0, 3], { membersMayAdd: true });
    assert.equal(check({ policyChange }), policyChange);
    refused("group/invalid", () => check({ committer: 5 }));
  });
  it("a member adds only where members may", () => {
    refused("group/policy", () => check({ committer: 2, adds: [newcomer] }));
    check({ committer: 2, adds: [newcomer], policyBefore: admins([0, 1], { membersMayAdd: true }) });
  });
  it("a member removes nobody, not even with a change of policy, and nobody removes itself", () => {
    refused("group/policy", () => check({ committer: 2, removesByValue: [3] }));
    refused("group/policy", () => check({ committer: 2, removesByValue: [0], policyChange: admins([1]) }));
    refused("group/invalid", () => check({ removesByValue: [0] }));
  });
  it("a member changes no role and no flag", () => {
    for (const policyChange of [
      admins([0, 1, 2]),
      admins([2]),
      admins([0]),
      admins([0, 1]),
      admins([0, 1], { membersMayAdd: true }),
    ]) {
      refused("group/policy", () => check({ committer: 2, policyChange }));
      check({ committer: 0, policyChange }); // control
    }
  });
  it("an admin names members only, newcomers among them", () => {
    refused("group/policy", () => check({ policyChange: policy([at(0), 77]) }));
    check({ policyChange: policy([at(0), 77]), adds: [newcomer] });
    refused("group/policy", () => check({ policyChange: admins([0, 3]), removesByValue: [3] }));
  });
  it("an admin who goes leaves the list, whoever commits and however it goes", () => {
    refused("group/policy", () => check({ removesByValue: [1] }));
    check({ removesByValue: [1], policyChange: admins([0]) });
    for (const committer of [0, 2]) {
      refused("group/policy", () => check({ committer, removesByReference: [1] }));
      check({ committer, removesByReference: [1], policyChange: admins([0]) });
    }
    // a member can do this and no more
    refused("group/policy", () => check({ committer: 2, removesByReference: [1], policyChange: admins([0, 2]) }));
    refused("group/policy", () => check({ committer: 2, removesByReference: [1], policyChange: admins([2]) }));
    refused("group/policy", () =>
      check({ committer: 2, removesByReference: [1], policyChange: admins([0], { membersMayAdd: true }) }),
    );
    refused("group/policy", () => check({ committer: 2, removesByReference: [3], policyChange: admins([0, 1]) }));
    check({ committer: 2, removesByReference: [3] }); // control
  });
  it("when the last admin goes, the remaining member of the lowest leaf follows", () => {
    const gone = { committer: 4, removesByReference: [0, 1, 2] };
    assert.deepEqual(plain(check({ ...gone, policyChange: admins([3]) })), plain(admins([3])));
    refused("group/policy", () => check({ ...gone, policyChange: admins([4]) }));
    refused("group/policy", () => check({ ...gone }));
  });
  it("a newcomer under the pseudonym of an admin who goes inherits nothing", () => {
    const open = { policyBefore: admins([0, 1], { membersMayAdd: true }) };
    const twin = { ...open, committer: 2, removesByReference: [1], adds: [pseudonym(at(1))] };
    refused("group/policy", () => check(twin));
    check({ ...twin, policyChange: admins([0], { membersMayAdd: true }) }); // control
    refused("group/policy", () => check({ removesByValue: [1], adds: [pseudonym(at(1))] }));
  });
  it("who is about to go does not commit, and is not removed twice", () => {
    refused("group/policy", () => check({ committer: 3, removesByReference: [3] }));
    refused("group/policy", () => check({ removesByReference: [3], removesByValue: [3] }));
    check({ removesByReference: [3], removesByValue: [4] }); // control
  });
  it("a connection stays one, with two members at most; others join it from outside while there is one", () => {
    const policyBefore = admins([0], { connection: true });
    const pair = { policyBefore, membersBefore: members(2) };
    check(pair);
    refused("group/policy", () => check({ ...pair, adds: [newcomer] }));
    check({ ...pair, removesByValue: [1], adds: [newcomer] });
    check({ policyBefore, membersBefore: members(1), adds: [newcomer] });
    refused("group/policy", () => check({ ...pair, policyChange: admins([0]) }));
    refused("group/policy", () => check({ policyChange: admins([0, 1], { connection: true }) }));
    check({ ...pair, policyChange: admins([0, 1], { connection: true }) }); // control
    checkJoinPolicy(policyBefore, 1);
    refused("group/policy", () => checkJoinPolicy(policyBefore, 2));
    refused("group/policy", () => checkJoinPolicy(admins([0]), 1));
  });
});
