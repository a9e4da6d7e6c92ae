// What the group must look like, by the history's own bookkeeping: written from RFC 9420 and the protocol's rules, and
// sharing nothing with the code under test.
import type { Actor } from "./actor.ts";

export class Model {
  epoch = 0;
  /** By leaf index. */
  slots: (Actor | undefined)[] = [];
  admins = new Set<Actor>();
  membersMayAdd = false;
  connection = false;
  /** Who made the last commit, and signed the GroupInfo that the house gives out. */
  committer: Actor | undefined;
  /** Whose removal is proposed. */
  pending = new Set<Actor>();

  clone(): Model {
    const copy = new Model();
    copy.epoch = this.epoch;
    copy.slots = [...this.slots];
    copy.admins = new Set(this.admins);
    copy.membersMayAdd = this.membersMayAdd;
    copy.connection = this.connection;
    copy.committer = this.committer;
    copy.pending = new Set(this.pending);
    return copy;
  }

  get members(): Actor[] {
    return this.slots.filter((actor) => actor !== undefined);
  }
  has(actor: Actor): boolean {
    return this.slots.includes(actor);
  }
  leafOf(actor: Actor): number {
    return this.slots.indexOf(actor);
  }
  isAdmin(actor: Actor): boolean {
    return this.admins.has(actor);
  }
  mayAdd(actor: Actor): boolean {
    return (this.isAdmin(actor) || this.membersMayAdd) && !(this.connection && this.members.length > 1);
  }

  // RFC 9420 section 7.7: the leftmost blank leaf
  #place(actor: Actor): void {
    const blank = this.slots.indexOf(undefined);
    if (blank >= 0) this.slots[blank] = actor;
    else this.slots.push(actor);
  }
  #blank(actor: Actor): void {
    this.slots[this.leafOf(actor)] = undefined;
  }

  /** RFC 9420 section 12.3: removes before adds. Whoever is no member is no admin; somebody always is. */
  commit(change: {
    by: Actor;
    add?: readonly Actor[];
    remove?: readonly Actor[];
    policy?: { admins?: readonly Actor[]; membersMayAdd?: boolean };
  }): Actor[] {
    const gone = [...new Set([...(change.remove ?? []), ...this.pending])].filter((actor) => this.has(actor));
    for (const actor of gone) this.#blank(actor);
    const admins = (change.policy?.admins ?? [...this.admins]).filter((actor) => !gone.includes(actor));
    const [first] = this.members;
    this.admins = new Set(admins.length > 0 || first === undefined ? admins : [first]);
    this.membersMayAdd = change.policy?.membersMayAdd ?? this.membersMayAdd;
    for (const actor of change.add ?? []) this.#place(actor);
    this.#next(change.by);
    return gone;
  }

  /** The house proposes again what an external commit cannot take in; who comes back is not to go any more. */
  resync(actor: Actor): void {
    const others = [...this.pending].filter((one) => one !== actor);
    this.#blank(actor);
    this.#place(actor);
    this.#next(actor);
    this.pending = new Set(others);
  }

  join(actor: Actor): void {
    const due = [...this.pending];
    this.#place(actor);
    this.#next(actor);
    this.pending = new Set(due);
  }

  /** Something went to everybody's queue: the house sees whose is gone. */
  fannedOut(asker: Actor): void {
    for (const actor of this.members) if (actor.vanished && actor !== asker) this.pending.add(actor);
  }

  #next(committer: Actor): void {
    this.epoch++;
    this.committer = committer;
    this.pending = new Set();
  }
}
