// One group's life: what its members do, step by step, as a seed chooses, and what must be true after each step.
import { randomBytes } from "../../../src/crypto/random.ts";
import { createGroup, externalJoin } from "../../../src/mls/client.ts";
import type { OperationName, RequestOf } from "../../../src/wire/operations.ts";
import type { Random } from "../random.ts";
import { Actor, type Out } from "./actor.ts";
import { agree, checkReaders, staysOut } from "./checks.ts";
import { Finding, honest, must } from "./finding.ts";
import type { Answer, House, Prepared, Signer } from "./house.ts";
import { Model } from "./model.ts";

export interface Change {
  readonly add?: number;
  readonly remove?: readonly Actor[];
  readonly policy?: { readonly admins: readonly Actor[]; readonly membersMayAdd: boolean };
  readonly handle?: boolean;
  /** Newcomers ask for the tree later. */
  readonly late?: boolean;
}

/** Removed members that are tried again, and old commits that are sent again. */
const REMEMBERED = 3;

export class History {
  readonly house: House;
  readonly random: Random;
  readonly note: (event: string) => void;
  model = new Model();
  ghosts: Actor[] = [];
  /** Hex of commits that nobody needs to be able to follow. */
  readonly unusable = new Set<string>();
  readonly old: { request: RequestOf<"ds.commit">; as: Signer }[] = [];
  joins = 0;
  epochs = 0;
  #names = 0;
  #texts = 0;
  readonly #everybody: Actor[] = [];

  constructor(house: House, random: Random, note: (event: string) => void) {
    this.house = house;
    this.random = random;
    this.note = note;
  }

  async newActor(): Promise<Actor> {
    const actor = await Actor.create(this.house, `#${this.#names++}`);
    this.#everybody.push(actor);
    return actor;
  }

  /** Members that read their queue and can follow. */
  get inStep(): Actor[] {
    return this.model.members.filter(({ online, late, stuck }) => online && !late && !stuck);
  }
  /** Those of them that may commit. */
  get able(): Actor[] {
    return this.inStep.filter((actor) => !this.model.pending.has(actor));
  }

  async found(connection: boolean): Promise<void> {
    const { house, model } = this;
    const reserved = await house.ask("ds.reserve", {});
    must(reserved.reply !== undefined, "wrongly_refused", "a reservation");
    const founder = await this.newActor();
    const { pseudonym, handle } = founder;
    const policy = { connection, membersMayAdd: this.random.below(2) === 0 };
    const { senderKey, now } = house;
    const own = { groupId: Buffer.from(reserved.reply.groupId), pseudonym, handle, senderKey, now };
    founder.group = await honest("wrongly_refused", "a new group", () => createGroup({ ...own, policy }));
    const groupInfo = await founder.it.groupInfo();
    const request = { groupId: own.groupId, groupKey: await founder.it.groupKey(), groupInfo };
    this.taken(await this.sent(founder, house.prepare("ds.create", request)), "a group");
    founder.save();
    model.slots = [founder];
    model.committer = founder;
    model.admins.add(founder);
    model.connection = connection;
    model.membersMayAdd = policy.membersMayAdd;
    await this.settle();
  }

  taken(answer: Answer, what: string): void {
    must(answer.code === "ok", "wrongly_refused", `${what}: ${answer.code}`);
  }

  /** One request, whose answer may get lost: the same request gets the same answer, also from a house that was restarted. */
  async sent<N extends OperationName>(by: Actor, prepared: Prepared<N>): Promise<Answer<N>> {
    const answer = await this.house.send(prepared);
    const fate = this.random.below(12);
    if (fate > 2) return answer;
    this.note(`lost answer ${by.name}`);
    if (fate === 0) await this.house.restart();
    const again = await this.house.send(prepared, this.random.below(2) === 0);
    must(
      again.code === answer.code,
      "wrongly_refused",
      `${prepared.operation} again: ${again.code}, was ${answer.code}`,
    );
    return again;
  }

  /** A commit that must be taken. Its maker may crash before it has the answer. */
  async accepted(by: Actor, out: Out, what: string): Promise<void> {
    this.taken(await this.sent(by, out.prepared), what);
    if (this.random.below(6) === 0) {
      this.note(`crash ${by.name}`);
      by.crash();
      // its own commit in the queue is the confirmation; or it sends again what it had under way
      if (this.random.below(2) === 0) await by.listen(this.unusable);
      else this.taken(await this.house.send(out.prepared, true), `${what}, sent again`);
    }
    by.adopt();
    this.epochs++;
  }

  async commit(by: Actor, change: Change = {}): Promise<void> {
    const { house, model, random } = this;
    const newcomers = await Promise.all(Array.from({ length: change.add ?? 0 }, () => this.newActor()));
    const { policy, remove = [] } = change;
    const request = {
      add: await Promise.all(newcomers.map((one) => one.invitation())),
      remove: remove.map((one) => model.leafOf(one)),
      ...(policy && {
        policy: { membersMayAdd: policy.membersMayAdd, admins: policy.admins.map(({ pseudonym }) => pseudonym) },
      }),
      ...(change.handle === true && { handle: await by.mintHandle() }),
    };
    const what = `${by.name}'s commit in ${model.epoch}`;
    const before = by.it;
    const out = await honest("wrongly_refused", what, () => by.committing(request, random.below(8) === 0));
    if (out.prepared.operation === "ds.commit") await this.#remember(out, before);
    await this.accepted(by, out, what);
    const gone = model.commit({ by, add: newcomers, remove, ...(policy && { policy }) });
    model.fannedOut(by);
    for (const one of newcomers) {
      one.late = change.late === true;
      await one.listen();
      must(one.late ? one.welcome !== undefined : one.group !== undefined, "failed_joins", `${one.name} is not in`);
      this.joins++;
    }
    await this.settle();
    for (const one of gone) {
      if (!one.online || one.late) continue;
      await one.listen(this.unusable);
      must(one.removed, "forks", `${one.name} does not know that it was removed`);
      this.ghosts = [...this.ghosts, one].slice(-REMEMBERED);
    }
    const leaves = model.members.map((member) => model.leafOf(member));
    for (const ghost of this.ghosts) await staysOut(house, ghost, leaves.slice(0, 2), []);
  }

  async #remember({ commit, next }: Out, as: Actor["it"]): Promise<void> {
    const keys = { groupId: as.groupId, groupKey: await as.groupKey(), nextGroupKey: await next.groupKey() };
    const none = { groupInfo: Buffer.alloc(0), welcome: Buffer.alloc(0), recovery: Buffer.alloc(0) };
    this.old.push({ request: { ...keys, leaf: as.ownLeaf, commit, ...none }, as });
    if (this.old.length > REMEMBERED) this.old.shift();
  }

  /** Everybody who is there reads; then all must agree. */
  async settle(): Promise<void> {
    for (const actor of this.model.members) if (actor.online) await actor.listen(this.unusable);
    await agree(this.model, this.inStep);
    checkReaders(this.#everybody);
  }

  /** Several commit at once: one of them wins. */
  async race(rivals: readonly Actor[]): Promise<void> {
    const outs: Out[] = [];
    for (const rival of rivals) {
      outs.push(await honest("wrongly_refused", `${rival.name}'s commit`, () => rival.committing({}, false)));
    }
    const answers = await Promise.all(outs.map(({ prepared }) => this.house.send(prepared)));
    const won = answers.flatMap(({ code }, i) => (code === "ok" ? [i] : []));
    must(won.length > 0, "wrongly_refused", `none of ${rivals.length} rivals wins`);
    must(won.length < 2, "wrongly_accepted", `${won.length} commits of one epoch`);
    for (const [i, rival] of rivals.entries()) {
      if (i === won[0]) rival.adopt();
      else rival.out = undefined;
    }
    this.epochs++;
    const by = rivals[won[0]!]!;
    this.model.commit({ by });
    this.model.fannedOut(by);
    await this.settle();
  }

  /** A commit of an epoch that another has ended meanwhile. */
  async late(by: Actor, rival: Actor, change: Change): Promise<void> {
    const out = await honest("wrongly_refused", `${rival.name}'s commit`, () => rival.committing({}, false));
    rival.out = undefined;
    await this.commit(by, change);
    const { code } = await this.house.send(out.prepared);
    must(code !== "ok", "wrongly_accepted", `${rival.name}'s commit of an epoch that is over`);
    await this.settle();
  }

  /** To all, or to one. */
  async say(by: Actor, to?: Actor): Promise<void> {
    const { house, model } = this;
    const text = `${by.name}: ${this.#texts++}`;
    const sent = await honest("wrongly_refused", `${by.name}'s message`, () => by.it.send(Buffer.from(text)));
    const member = { groupId: by.it.groupId, groupKey: await by.it.groupKey(), leaf: by.it.ownLeaf };
    const request = { ...member, message: sent.privateMessage };
    by.group = sent.next;
    by.save();
    const prepared =
      to === undefined
        ? house.prepare("ds.send", request, by.it)
        : house.prepare("ds.sendTo", { ...request, recipient: model.leafOf(to) }, by.it);
    this.taken(await this.sent(by, prepared), `${by.name}'s message`);
    for (const other of to === undefined ? model.members : [to]) if (other !== by) other.expects.add(text);
    if (to === undefined) model.fannedOut(by);
    await this.settle();
    const leaves = [by.it.ownLeaf];
    for (const ghost of this.ghosts) await staysOut(house, ghost, leaves, [sent.privateMessage]);
  }

  async leave(by: Actor): Promise<void> {
    const { proposal } = await honest("wrongly_refused", `${by.name} leaves`, () => by.it.leave());
    const member = { groupId: by.it.groupId, groupKey: await by.it.groupKey(), leaf: by.it.ownLeaf };
    const prepared = this.house.prepare("ds.leave", { ...member, proposal }, by.it);
    this.taken(await this.sent(by, prepared), `${by.name} leaves`);
    this.model.pending.add(by);
    this.model.fannedOut(by);
    await this.settle();
  }

  async moveQueue(by: Actor): Promise<void> {
    const handle = await by.mintHandle();
    const member = { groupId: by.it.groupId, groupKey: await by.it.groupKey(), leaf: by.it.ownLeaf };
    this.taken(await this.sent(by, this.house.prepare("ds.updateHandle", { ...member, handle }, by.it)), "a handle");
    await this.settle();
  }

  /** The second member of a connection, with the key that it was told. */
  async join(): Promise<void> {
    const { house, model } = this;
    const [founder] = this.inStep;
    if (founder === undefined) return;
    const newcomer = await this.newActor();
    const keys = { groupId: founder.it.groupId, groupKey: await founder.it.groupKey() };
    const made = await honest("failed_joins", `${newcomer.name} joins`, async () => {
      const info = await newcomer.joinInfo(keys.groupId, keys.groupKey);
      must(info !== undefined, "failed_joins", "no joinInfo");
      const { pseudonym, handle } = newcomer;
      const { senderKey, now } = house;
      return externalJoin({ ...info, pseudonym, handle, senderKey, now });
    });
    const { commit, groupInfo, nextGroupKey } = made;
    const prepared = house.prepare("ds.join", { ...keys, nextGroupKey, commit, groupInfo }, made.next);
    await this.accepted(newcomer, newcomer.outOf(made, prepared, true), `${newcomer.name} joins`);
    model.join(newcomer);
    model.fannedOut(newcomer);
    this.joins++;
    await this.settle();
  }

  /** From the last key that one knows to the key of now. */
  async climb(actor: Actor): Promise<Uint8Array> {
    for (const from of [actor.it, actor.before]) {
      if (from === undefined) continue;
      const { groupId, ownLeaf: leaf } = from;
      let key = await from.groupKey();
      for (let { epoch } = from; ; epoch++) {
        const { reply } = await this.house.ask("ds.recover", { groupId, groupKey: key, leaf });
        if (reply === undefined) break;
        key = reply.kind === 1 ? reply.value : await from.openRecovery(epoch, reply.value);
      }
      if ((await actor.joinInfo(groupId, key)) !== undefined) return key;
    }
    throw new Finding("unrecovered", `${actor.name} does not find the key of epoch ${this.model.epoch}`);
  }

  /** Whom `actor` knows as a member: only of such a one does it believe what the group is now. */
  knows(actor: Actor, other: Actor | undefined): boolean {
    return actor.it.members().some(({ pseudonym }) => other !== undefined && other.pseudonym.equals(pseudonym));
  }

  /** Comes back into step by itself. */
  async resync(actor: Actor, kind: "failed_joins" | "unrecovered" = "failed_joins"): Promise<Out> {
    const { house, model } = this;
    const what = `${actor.name} comes back in ${model.epoch}`;
    const groupKey = await honest(kind, what, () => this.climb(actor));
    const { groupId } = actor.it;
    const out = await honest(kind, what, async () => {
      const info = await actor.joinInfo(groupId, groupKey);
      must(info !== undefined, kind, `${what}: no joinInfo`);
      const handle = this.random.below(4) === 0 ? { handle: await actor.mintHandle() } : {};
      const made = await actor.it.resync({ ...info, now: house.now, afterReset: true, ...handle });
      const { commit, groupInfo, nextGroupKey } = made;
      const keys = { groupId, groupKey, nextGroupKey };
      const request = { ...keys, leaf: model.leafOf(actor), commit, groupInfo };
      return actor.outOf(made, house.prepare("ds.resync", request, actor.it), true);
    });
    await this.accepted(actor, out, what);
    actor.stuck = false;
    actor.online = true;
    // what was said meanwhile is lost
    actor.expects.clear();
    for (const text of actor.read) actor.expects.add(text);
    model.resync(actor);
    model.fannedOut(actor);
    return out;
  }

  /** An admin ends the group: all others are out, and the house knows nothing of it any more. */
  async end(by: Actor): Promise<void> {
    const { house, model } = this;
    const others = model.members.filter((actor) => actor !== by);
    const what = `${by.name} ends the group`;
    const remove = others.map((actor) => model.leafOf(actor));
    const pending = await honest("wrongly_refused", what, () => by.it.commit({ remove, now: house.now }));
    const member = { groupId: by.it.groupId, groupKey: await by.it.groupKey(), leaf: by.it.ownLeaf };
    const { commit, groupInfo } = pending;
    const prepared = house.prepare("ds.delete", { ...member, commit, groupInfo }, by.it);
    this.taken(await this.sent(by, prepared), what);
    for (const actor of others.filter(({ online, late }) => online && !late)) {
      await actor.listen(this.unusable);
      must(actor.removed, "forks", `${actor.name} does not know of the end`);
    }
    for (const groupKey of [member.groupKey, pending.nextGroupKey]) {
      const { code } = await house.ask("ds.joinInfo", { groupId: member.groupId, groupKey, offset: 0 });
      must(code !== "ok", "wrongly_accepted", "a group that was ended is there");
    }
  }

  /** A stranger, or one with a key of nothing, learns nothing. */
  async strangers(): Promise<void> {
    const [member] = this.inStep;
    if (member === undefined) return;
    for (const [groupId, groupKey] of [
      [randomBytes(16), await member.it.groupKey()],
      [member.it.groupId, randomBytes(32)],
    ] as const) {
      const { code } = await this.house.ask("ds.joinInfo", { groupId, groupKey, offset: 0 });
      must(code === "group/unavailable", "overheard", `a stranger is told ${code}`);
    }
  }
}
