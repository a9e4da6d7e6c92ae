// Whether the members, the house and the bookkeeping agree; and whether those who are out stay out.
import { readGroupInfo, readRatchetTree } from "../../../src/mls/messages.ts";
import { policyOf } from "../../../src/mls/policy.ts";
import { PublicTree } from "../../../src/mls/public-tree.ts";
import { rawState } from "../../mls/raw.ts";
import type { Actor } from "./actor.ts";
import { Finding, honest, must } from "./finding.ts";
import type { House } from "./house.ts";
import type { Model } from "./model.ts";

const same = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0;
const hexes = (list: readonly Uint8Array[]): string =>
  list
    .map((bytes) => Buffer.from(bytes).toString("hex"))
    .toSorted()
    .join();

/** Epoch, tree hash, authenticator, group key, members by leaf, policy, pending proposals; and what has been read. */
export async function agree(model: Model, inStep: readonly Actor[]): Promise<void> {
  const [first] = inStep;
  if (first === undefined) return;
  const groupKey = await first.it.groupKey();
  const authenticator = first.it.epochAuthenticator;
  const admins = hexes([...model.admins].map(({ pseudonym }) => pseudonym));
  const info = await first.joinInfo(first.it.groupId, groupKey);
  must(info !== undefined, "forks", `the house does not know the key of epoch ${first.it.epoch} (${first.name})`);
  const { groupContext } = readGroupInfo(info.groupInfo);
  must(
    Number(groupContext.epoch) === model.epoch,
    "forks",
    `the house is in ${groupContext.epoch}, not ${model.epoch}`,
  );
  const tree = PublicTree.from(readRatchetTree(info.tree));
  must(same(tree.treeHash(), groupContext.treeHash), "forks", "the house's tree is not that of its GroupInfo");
  must(info.proposals.length === model.pending.size, "forks", `${info.proposals.length} pending at the house`);
  const policy = policyOf(groupContext);
  must(policy.membersMayAdd === model.membersMayAdd, "forks", "the house's policy: membersMayAdd");
  must(hexes(policy.admins) === admins, "forks", "the house's policy: admins");
  for (const actor of inStep) {
    const { it, name } = actor;
    const fork = (holds: boolean, what: string): void => must(holds, "forks", `${name}: ${what} in ${it.epoch}`);
    fork(it.epoch === model.epoch, `epoch, of ${model.epoch},`);
    fork(same(it.epochAuthenticator, authenticator), "epoch authenticator");
    fork(same(await it.groupKey(), groupKey), "group key");
    fork(same(rawState(it).groupContext.treeHash, groupContext.treeHash), "tree hash");
    fork(it.policy.membersMayAdd === model.membersMayAdd, "membersMayAdd");
    fork(hexes(it.policy.admins) === admins, "admins");
    fork(it.ownLeaf === model.leafOf(actor), "own leaf");
    const members = it.members();
    fork(members.length === model.members.length, "number of members");
    for (const { leafIndex, pseudonym } of members) {
      const expected = model.slots[leafIndex];
      fork(expected !== undefined && same(expected.pseudonym, pseudonym), `member at ${leafIndex}`);
    }
    const pending = it.pending.map(({ leaf }) => leaf).toSorted((a, b) => a - b);
    const due = [...model.pending].map((one) => model.leafOf(one)).toSorted((a, b) => a - b);
    fork(pending.join() === due.join(), `pending ${pending.join()} and not ${due.join()}`);
    for (const text of actor.expects) must(actor.read.has(text), "unread", `${name} has not read ${text}`);
  }
}

/** Nobody reads what was not meant for it. */
export function checkReaders(actors: readonly Actor[]): void {
  for (const { name, read, expects } of actors) {
    for (const text of read) must(expects.has(text), "overheard", `${name} reads ${text}`);
  }
}

/** What somebody who was removed still can: nothing. `messages`: of the group, after its removal. */
export async function staysOut(house: House, ghost: Actor, leaves: readonly number[], messages: readonly Uint8Array[]) {
  const group = ghost.it;
  for (const message of messages) {
    const opened = await group.receive(message).then(
      (received) => received.kind !== "commit" || !received.removedSelf,
      () => false,
    );
    must(!opened, "overheard", `${ghost.name}, who was removed, takes a message`);
  }
  const keys = { groupId: group.groupId, groupKey: await group.groupKey() };
  const info = await house.ask("ds.joinInfo", { ...keys, offset: 0 });
  must(info.code !== "ok", "overheard", `${ghost.name}, who was removed, opens the group`);
  const text = await honest("forks", "a message of the removed", () => group.send(Buffer.from("still here")));
  const request = { ...keys, leaf: group.ownLeaf, message: text.privateMessage };
  const sent = await house.ask("ds.send", request, group);
  must(sent.code !== "ok", "wrongly_accepted", `${ghost.name}, who was removed, sends`);
  for (const leaf of [group.ownLeaf, ...leaves]) {
    const { reply } = await house.ask("ds.recover", { ...keys, leaf });
    if (reply === undefined) continue;
    if (reply.kind === 1) throw new Finding("overheard", `${ghost.name}, who was removed, is told the next key`);
    const key = await group.openRecovery(group.epoch, reply.value).catch(() => undefined);
    must(key === undefined, "overheard", `${ghost.name}, who was removed, opens the next key`);
  }
}
