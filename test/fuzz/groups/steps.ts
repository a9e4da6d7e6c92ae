// What can happen in a history, and how often it is tried. A step that makes no sense as things are gives false.
import { welcomeGroupKey } from "../../../src/mls/client.ts";
import type { Actor } from "./actor.ts";
import { attacks } from "./attacks.ts";
import type { Planted, Scene } from "./scene.ts";
import { Finding, honest, must, refuses } from "./finding.ts";
import type { Change, History } from "./history.ts";
import { unusable, unusables } from "./unusable.ts";

type Step = (history: History, tally: Tally) => Promise<boolean>;

/** How often what happened; of attacks, each by its name. */
export interface Tally {
  readonly steps: Map<string, number>;
  readonly attacks: Map<string, number>;
  readonly undone: Map<string, number>;
}
export const count = (of: Map<string, number>, what: string): void => void of.set(what, (of.get(what) ?? 0) + 1);

/** Members of a group at most: enough for every shape of tree that matters. */
const MOST = 12;

const some = ({ random }: History, list: readonly Actor[]): Actor | undefined =>
  list.length === 0 ? undefined : random.pick(list);

/** A change that `by` may make. */
function change(history: History, by: Actor): Change {
  const { model, random } = history;
  const admin = model.isAdmin(by);
  const room = MOST - model.members.length;
  const add = model.mayAdd(by) && room > 0 && random.below(5) < 3 ? 1 + random.below(model.connection ? 1 : 3) : 0;
  const others = model.members.filter((actor) => actor !== by && !model.pending.has(actor));
  const removes = admin && random.below(3) === 0 && model.members.length > 3;
  const remove = removes ? others.filter(() => random.below(others.length) === 0) : [];
  const staying = model.members.filter((actor) => !remove.includes(actor) && !model.pending.has(actor));
  const policy = {
    admins: staying.filter((actor) => actor === by || random.below(4) === 0),
    membersMayAdd: random.below(2) === 0,
  };
  return {
    add: Math.min(add, Math.max(0, room)),
    remove,
    handle: random.below(8) === 0,
    late: random.below(6) === 0,
    ...(admin && random.below(5) === 0 && { policy }),
  };
}

const commit: Step = async (history) => {
  const by = some(history, history.able);
  if (by === undefined) return false;
  await history.commit(by, change(history, by));
  return true;
};

const race: Step = async (history) => {
  const { able, random } = history;
  if (able.length < 2) return false;
  const rivals = able.filter(() => random.below(2) === 0).slice(0, 4);
  if (rivals.length < 2) return false;
  await history.race(rivals);
  return true;
};

const lateRival: Step = async (history) => {
  const by = some(history, history.able);
  const rival = some(
    history,
    history.able.filter((actor) => actor !== by),
  );
  if (by === undefined || rival === undefined) return false;
  const wanted = change(history, by);
  await history.late(by, rival, { ...wanted, remove: (wanted.remove ?? []).filter((actor) => actor !== rival) });
  return true;
};

const say: Step = async (history) => {
  const by = some(history, history.inStep);
  if (by === undefined) return false;
  const others = history.inStep.filter((actor) => actor !== by);
  await history.say(by, history.random.below(4) === 0 ? some(history, others) : undefined);
  return true;
};

const leave: Step = async (history) => {
  if (history.able.length < 3) return false;
  await history.leave(history.random.pick(history.able));
  return true;
};

const vanish: Step = async (history) => {
  if (history.able.length < 4) return false;
  await history.random.pick(history.able).vanish();
  return true;
};

const away: Step = async (history) => {
  if (history.able.length < 4) return false;
  history.random.pick(history.able).online = false;
  return true;
};

/** Back, with all that waits in the queue, or without it; or out of step for no reason. */
const back: Step = async (history) => {
  const { model, random } = history;
  const actor = some(
    history,
    model.members.filter(({ online, vanished }) => !online && !vanished),
  );
  if (actor === undefined) return false;
  if (random.below(2) === 0) {
    // one whom it knows must have made the last commit
    const witness = history.able.find((other) => history.knows(actor, other));
    if (!history.knows(actor, model.committer)) {
      if (witness === undefined) return false;
      await history.commit(witness);
    }
    actor.stuck = true;
    await history.resync(actor);
  }
  actor.online = true;
  await history.settle();
  return true;
};

const resync: Step = async (history) => {
  const actor = some(history, history.inStep);
  if (actor === undefined) return false;
  await history.resync(actor);
  await history.settle();
  return true;
};

const comeIn: Step = async (history) => {
  const actor = some(
    history,
    history.model.members.filter(({ late }) => late),
  );
  if (actor === undefined) return false;
  actor.late = false;
  await actor.listen();
  await actor.comeIn();
  await history.settle();
  return true;
};

const crash: Step = async (history) => {
  const actor = some(history, history.inStep);
  if (actor === undefined) return false;
  actor.crash();
  await history.settle();
  return true;
};

const restart: Step = async (history) => {
  await history.house.restart();
  await history.settle();
  return true;
};

const join: Step = async (history) => {
  const { model } = history;
  if (!model.connection || model.members.length !== 1 || history.inStep.length !== 1) return false;
  await history.join();
  return true;
};

const moveQueue: Step = async (history) => {
  const actor = some(history, history.inStep);
  if (actor === undefined) return false;
  await history.moveQueue(actor);
  return true;
};

const attack: Step = async (history, { attacks: done, undone }) => {
  const { house, model, random, inStep, able, old } = history;
  const by = some(history, able);
  if (by === undefined) return false;
  const others = model.members.filter((actor) => actor !== by);
  const scene: Scene = { house, model, random, by, others, inStep: inStep.filter((actor) => actor !== by), old };
  let name = "";
  let planted: Planted | undefined;
  for (let tries = 0; tries < 4 && planted === undefined; tries++) {
    name = random.pick(Object.keys(attacks));
    try {
      planted = await attacks[name]!(scene);
    } catch (error) {
      if (error instanceof Finding) throw error;
      count(undone, `${name}: ${String(error)}`);
    }
  }
  if (planted === undefined) return false;
  count(done, name);
  history.note(`attack ${name} by ${by.name}`);
  const { code } = await house.send(planted.prepared);
  must(code !== "ok", "wrongly_accepted", `${name} by ${by.name}`);
  must(/^(group|auth|wire)\//.test(code), "errors", `${name} by ${by.name}: ${code}`);
  const { show } = planted;
  if (show !== undefined) {
    for (const actor of scene.inStep) {
      const refused = await refuses(`${name}, shown to ${actor.name}`, () => actor.it.receive(show));
      must(refused, "wrongly_accepted", `${name}, shown to ${actor.name}`);
    }
  }
  await history.strangers();
  await history.settle();
  return true;
};

/** Who is away comes back, who is to go goes. */
async function gather(history: History): Promise<void> {
  const { model } = history;
  for (const actor of model.members.filter(({ vanished }) => !vanished)) {
    actor.online = true;
    if (!actor.late) continue;
    actor.late = false;
    await actor.listen();
    await actor.comeIn();
  }
  await history.settle();
  const [by] = history.able;
  if (by === undefined || history.able.length === model.members.length) return;
  // the house finds a queue gone when something goes to it
  await history.say(by);
  if (model.pending.size > 0) await history.commit(by);
}

/** A commit that the house must take and the others cannot use; then all come back into step, one way or the other. */
const spoil: Step = async (history, { attacks: done }) => {
  const { house, model, random } = history;
  await gather(history);
  const members = model.members;
  if (members.length < 2 || history.able.length < members.length) return false;
  const by = random.pick(members);
  const others = members.filter((actor) => actor !== by);
  const votes = random.below(2) === 0;
  // everybody's word confirms what was before: the commit to come begins a run of its own
  if (votes) for (const actor of members) await history.say(actor);
  const snapshot = model.clone();
  const epochKey = await by.it.groupKey();
  const kind = random.pick(unusables);
  const made = await unusable(kind, { house, by, random });
  count(done, kind);
  history.note(`${kind}, by ${by.name}${votes ? ", put to the vote" : ""}`);
  const hex = Buffer.from(made.commit).toString("hex");
  if (made.followed && made.next !== undefined)
    by.outOf({ commit: made.commit, next: made.next }, made.prepared, false);
  else history.unusable.add(hex);
  history.taken(await house.send(made.prepared), kind);
  history.epochs++;
  by.adopt();
  model.commit({ by });
  for (const actor of members) await actor.listen(history.unusable);
  for (const actor of others) must(actor.stuck !== made.followed, "wrongly_accepted", `${actor.name} follows ${kind}`);

  if (votes) {
    await vote(history, by, epochKey, snapshot.epoch);
    history.model = snapshot;
    for (const actor of members) await actor.listen(history.unusable);
  } else {
    // the first takes what the house offers, which may be of no use to the others
    const victim = random.pick(others);
    const { commit: bytes } = await history.resync(victim, "unrecovered");
    if (kind === "an external_pub that is none") history.unusable.add(bytes.toString("hex"));
    for (const actor of members) await actor.listen(history.unusable);
  }
  for (const actor of history.model.members) {
    if (!actor.stuck) continue;
    await history.resync(actor, "unrecovered");
    for (const one of members) await one.listen(history.unusable);
  }
  must(history.inStep.length === members.length, "unrecovered", `not all are back after ${kind}`);
  await history.settle();
  await history.say(random.pick(members));
  return true;
};

/** A Welcome that nobody can open is passed on: who was added does not come in, and is taken out again. */
const spoiltWelcome: Step = async (history, { attacks: done }) => {
  const { house, model, random } = history;
  const by = some(
    history,
    history.able.filter((actor) => model.isAdmin(actor) && model.mayAdd(actor)),
  );
  if (by === undefined || model.members.length >= MOST) return false;
  const newcomer = await history.newActor();
  const group = by.it;
  const add = [await newcomer.invitation()];
  const pending = await honest("wrongly_refused", "an addition", () => group.commit({ add, now: house.now }));
  const welcome = Uint8Array.from(pending.welcome ?? []);
  // the sealed GroupInfo is the last field
  welcome[welcome.length - 1 - random.below(100)]! ^= 1 << random.below(8);
  count(done, "a Welcome that is none");
  const prepared = await by.requestOf(group, { ...pending, welcome }, false);
  await history.accepted(by, by.outOf(pending, prepared, false), "a commit with a Welcome that is none");
  model.commit({ by, add: [newcomer] });
  model.fannedOut(by);
  newcomer.late = true;
  await newcomer.listen();
  const { keyPackage } = newcomer;
  must(newcomer.welcome !== undefined && keyPackage !== undefined, "failed_joins", "no Welcome came");
  const refused = await refuses("a Welcome that is none", () =>
    welcomeGroupKey(newcomer.welcome!, keyPackage.keyPackage, keyPackage.privateKeys),
  );
  must(refused, "wrongly_accepted", "a Welcome that is none");
  newcomer.online = false;
  await history.settle();
  await history.commit(by, { remove: [newcomer] });
  return true;
};

/** More than half of the others bring the epoch back; no fewer can. */
async function vote(history: History, by: Actor, groupKey: Uint8Array, epoch: number): Promise<void> {
  const { house, random, model } = history;
  const voters = model.members.filter((actor) => actor !== by);
  const first = random.below(voters.length);
  let done = false;
  for (let i = 0; i < voters.length && !done; i++) {
    const actor = voters[(first + i) % voters.length]!;
    const member = { groupId: actor.it.groupId, groupKey, leaf: model.leafOf(actor) };
    // nobody votes twice
    for (let times = 1 + random.below(2); times > 0 && !done; times--) {
      const { code, reply } = await history.sent(actor, house.prepare("ds.reset", member, actor.it));
      must(reply !== undefined, "unrecovered", `${actor.name}'s vote for epoch ${epoch}: ${code}`);
      done = reply.done === 1;
      must(done === 2 * (i + 1) > voters.length, "unrecovered", `${i + 1} of ${voters.length} votes: done ${done}`);
    }
  }
}

/** A reset that nobody may have: by the commit's maker, or of what others have confirmed. */
const falseReset: Step = async (history) => {
  const { model, random, able, house } = history;
  const by = some(history, able);
  const other = some(
    history,
    able.filter((actor) => actor !== by),
  );
  if (by === undefined || other === undefined || model.pending.size > 0) return false;
  const groupKey = await by.it.groupKey();
  await history.commit(by);
  const confirmed = random.below(2) === 0;
  if (confirmed) {
    // a word of everybody who is there: one of them has a vote, unless all who have one are away
    if (history.inStep.length < model.members.length) return true;
    for (const actor of history.inStep) await history.say(actor);
  }
  const actor = confirmed ? other : by;
  const member = { groupId: actor.it.groupId, groupKey, leaf: model.leafOf(actor) };
  const { code } = await house.ask("ds.reset", member, actor.it);
  must(code !== "ok", "wrongly_accepted", `a reset by ${actor.name}${confirmed ? " of what is confirmed" : ""}`);
  await history.settle();
  return true;
};

const pendingResync: Step = async (history) => {
  const actor = some(
    history,
    [...history.model.pending].filter((one) => history.inStep.includes(one)),
  );
  if (actor === undefined) return false;
  await honest("failed_joins", `${actor.name} thinks better of leaving`, () => history.resync(actor));
  await history.settle();
  return true;
};

export const steps: readonly (readonly [name: string, weight: number, step: Step])[] = [
  ["commit", 24, commit],
  ["race", 8, race],
  ["late rival", 5, lateRival],
  ["say", 12, say],
  ["leave", 5, leave],
  ["vanish", 2, vanish],
  ["away", 4, away],
  ["back", 6, back],
  ["resync", 4, resync],
  ["resync instead of leaving", 2, pendingResync],
  ["late join", 4, comeIn],
  ["crash", 4, crash],
  ["restart", 1, restart],
  ["join", 8, join],
  ["move queue", 2, moveQueue],
  ["attack", 20, attack],
  ["spoil", 5, spoil],
  ["spoilt Welcome", 2, spoiltWelcome],
  ["false reset", 2, falseReset],
];
