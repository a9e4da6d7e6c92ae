// What a member's calls cost in a group of 1000, on the member's own machine.
import assert from "node:assert/strict";
import { randomBytes } from "../../src/crypto/random.ts";
import { ClientGroup, createGroup, joinFromWelcome } from "../../src/mls/client.ts";
import type { PendingCommit } from "../../src/mls/client-results.ts";
import { makeKeyPackage } from "../../src/mls/key-package.ts";
import { readGroupInfo } from "../../src/mls/messages.ts";
import { percentile } from "./tokens/echo.ts";

export const describe = "a member's calls in a group of 1000 (commit, receive, join, resync, store): median ms";

const MEMBERS = 1000;
const ADD = 100;
const ROUNDS = 5;
const identity = () => ({ pseudonym: randomBytes(16), handle: randomBytes(88) });

const treeOf = async (group: ClientGroup): Promise<Uint8Array> => {
  const { extensions } = readGroupInfo(await group.groupInfo());
  return extensions.find(({ extensionType }) => extensionType === "ratchet_tree")!.extensionData;
};

export async function run({ json }: { json: boolean }): Promise<object> {
  const times = new Map<string, number[]>();
  const clock = async <T>(what: string, work: () => T | Promise<T>): Promise<T> => {
    const start = performance.now();
    const result = await work();
    times.set(what, [...(times.get(what) ?? []), performance.now() - start]);
    return result;
  };
  const now = Math.floor(Date.now() / 1000);
  const senderKey = randomBytes(32);
  const newKeyPackage = () => makeKeyPackage({ ...identity(), notBefore: now - 3600, notAfter: now + 86_400 });

  if (!json) console.log(`building a group of ${MEMBERS}`);
  let alice = await createGroup({ groupId: randomBytes(16), ...identity(), senderKey, now });
  let keys = await newKeyPackage();
  let welcome = new Uint8Array(0);
  for (let have = 1; have < MEMBERS - 1; have = alice.members().length) {
    const joiners = await Promise.all(Array.from({ length: Math.min(ADD, MEMBERS - 1 - have) }, newKeyPackage));
    const made = await alice.commit({ add: joiners.map(({ keyPackage }) => keyPackage), now });
    alice = made.next;
    welcome = Uint8Array.from(made.welcome!);
    keys = joiners[0]!;
  }
  const tree = await treeOf(alice);
  const { keyPackage, privateKeys } = keys;
  let bob = await clock("join", () => joinFromWelcome(welcome, keyPackage, privateKeys, tree, senderKey));

  /** A commit by one of the two, taken by the other. */
  async function step(what: string, byAlice: boolean, make: (group: ClientGroup) => Promise<PendingCommit>) {
    const made = await clock(what, () => make(byAlice ? alice : bob));
    const got = await clock(`receive ${what}`, () => (byAlice ? bob : alice).receive(made.commit));
    [alice, bob] = byAlice ? [made.next, got.next] : [got.next, made.next];
    return made;
  }
  let unfilled = 0;
  for (let i = 0; i < 2 * ROUNDS; i++) {
    const { commit } = await step("commit", i % 2 === 0, (group) => group.commit({ now }));
    unfilled = Math.max(unfilled, commit.length);
  }
  let recovery = 0;
  for (let i = 0; i < ROUNDS; i++) {
    const added = await newKeyPackage();
    await step("add", true, (group) => group.commit({ add: [added.keyPackage], now }));
    const last = alice.members().at(-1)!.leafIndex;
    const removing = await step("remove", true, (group) => group.commit({ remove: [last], now }));
    recovery = removing.recovery.length;
  }
  for (let i = 0; i < ROUNDS; i++) {
    const sent = await clock("send", () => alice.send(Buffer.alloc(100)));
    const got = await clock("receive message", () => bob.receive(sent.privateMessage));
    [alice, bob] = [sent.next, got.next];
  }
  const bytes = await clock("serialize", () => bob.serialize());
  await clock("deserialize", () => ClientGroup.deserialize(bytes));
  const { groupInfo, next } = await alice.commit({ now });
  const offer = { groupInfo, tree: await treeOf(next) };
  const back = await clock("resync", () => bob.resync({ ...offer, now }));
  const seen = await clock("receive resync", () => next.receive(back.commit));
  assert.ok(seen.kind === "commit" && seen.resynced === bob.ownLeaf);

  const milliseconds = Object.fromEntries(
    [...times].map(([what, list]) => [what, Number(percentile(list, 50).toFixed(1))]),
  );
  const sizes = { state: bytes.length, tree: tree.length, largestCommit: unfilled, recovery };
  return { members: MEMBERS, milliseconds, bytes: sizes };
}
