// A group as an app sees it: its members by verified name, and what one can do in it.
import { equal } from "../memory/locked.ts";
import { groupMessageKinds } from "../wire/documents.ts";
import type { Contact } from "./contacts.ts";
import { ClientError } from "./errors.ts";
import { change } from "./group-commit.ts";
import { block, leave } from "./group-leave.ts";
import { enqueue, flush } from "./group-outbox.ts";
import { healths, introductionOf } from "./group-record.ts";
import type { HeldGroup } from "./groups.ts";
import type { Parts } from "./parts.ts";
import type { Turn } from "./turn.ts";

/** UTF-8 bytes of one message. */
export const TEXT_MAX = 3072;

const SIGNAL_MAX = 256;

export interface Member {
  /** The user name, verified; undefined for a member that nobody has introduced yet: treat it as a stranger. */
  readonly name: string | undefined;
  readonly self: boolean;
  /** May add and remove members, name admins and delete the group. */
  readonly admin: boolean;
}

/**
 * `good`; `diverged`: this client cannot follow the group, and finds its way back with the next `sync`s by itself; `stuck`:
 * it did not, only being added anew helps.
 */
export type Health = "good" | "diverged" | "stuck";

export class Group {
  readonly #parts: Parts;
  readonly #held: HeldGroup;
  readonly #turn: Turn;

  constructor(parts: Parts, held: HeldGroup, turn: Turn) {
    this.#parts = parts;
    this.#held = held;
    this.#turn = turn;
  }

  /** 16 bytes by which the group is known again after a restart. The house knows them: keep them on this machine. */
  get id(): Uint8Array {
    return this.#held.state.groupId;
  }

  /** False once this client was removed. */
  get active(): boolean {
    return this.#held.state.mls !== undefined;
  }

  /** Whether this client keeps step with the group. */
  get health(): Health {
    const { health } = this.#held.state.care;
    if (health === healths.stuck) return "stuck";
    return health === healths.diverged ? "diverged" : "good";
  }

  /** True from `leave` on, until another member's commit has removed this client. */
  get leaving(): boolean {
    return this.active && this.#held.state.leaving;
  }

  /** Whether members who are no admins may add others. */
  get membersMayAdd(): boolean {
    return this.#held.state.mls?.policy.membersMayAdd === true;
  }

  members(): Member[] {
    const { mls } = this.#held.state;
    if (mls === undefined) return [];
    const { admins } = mls.policy;
    return mls.members().map(({ signaturePublicKey, leafIndex, pseudonym }) => ({
      name: this.nameOf(signaturePublicKey),
      self: leafIndex === mls.ownLeaf,
      admin: admins.some((admin) => equal(admin, pseudonym)),
    }));
  }

  admins(): Member[] {
    return this.members().filter(({ admin }) => admin);
  }

  /** The verified name behind a leaf key, also of one who is a member no more. */
  nameOf(leafKey: Uint8Array): string | undefined {
    return introductionOf(this.#held.state, leafKey)?.identity.name;
  }

  /**
   * Sends a text of 1 to 3072 bytes of UTF-8 to all members; resolves when the server has queued it. It is saved first:
   * when this rejects because the server is out of reach or tokens have run out, the next `sync` sends it; do not send
   * it again.
   */
  async send(text: string): Promise<void> {
    const body = Buffer.from(text);
    if (body.length === 0 || body.length > TEXT_MAX) throw new ClientError("client/text-length");
    await this.#turn.take(async () => {
      this.#requireActive();
      await enqueue(this.#parts, this.#held, { kind: groupMessageKinds.text, body });
      await flush(this.#parts, this.#held);
    });
  }

  /**
   * Tells all members that this user is there or not (`presence`), or how far it has read (`read`), in the app's own words of
   * at most 256 bytes: end to end, and only when the app asks. Sent, and paid for, as a text is.
   */
  async tell(kind: "presence" | "read", text: string): Promise<void> {
    const body = Buffer.from(text);
    if (body.length === 0 || body.length > SIGNAL_MAX) throw new ClientError("client/text-length");
    await this.#turn.take(async () => {
      this.#requireActive();
      await enqueue(this.#parts, this.#held, { kind: groupMessageKinds[kind], body });
      await flush(this.#parts, this.#held);
    });
  }

  /** Adds a contact and introduces everybody to everybody. ClientError `group/not-admin`. */
  async add(contact: Contact): Promise<void> {
    await this.#turn.take(async () => {
      const { mls } = this.#requireActive();
      if (!mls.policy.membersMayAdd) this.#requireAdmin();
      const { keyPackages, tokens } = this.#parts;
      const add = await keyPackages.claimAll(contact, tokens);
      await change(this.#parts, this.#held, { add });
    });
  }

  /** Removes the member with this verified name; it can read nothing that is sent afterwards. ClientError `group/not-admin`. */
  async remove(name: string): Promise<void> {
    await this.#turn.take(async () => {
      const mls = this.#requireAdmin();
      const remove = this.#named(name).filter(({ leafIndex }) => leafIndex !== mls.ownLeaf);
      if (remove.length === 0) throw new ClientError("group/unknown-member");
      const keys = remove.map(({ signaturePublicKey }) => signaturePublicKey);
      await change(this.#parts, this.#held, { remove: keys });
    });
  }

  /**
   * Makes the member with this verified name an admin, or takes that from it. The last admin stays one. ClientError
   * `group/not-admin`, `group/unknown-member`; Fault `group/policy`.
   */
  async setAdmin(name: string, admin: boolean): Promise<void> {
    await this.#turn.take(async () => {
      this.#requireAdmin();
      const members = this.#named(name);
      if (members.length === 0) throw new ClientError("group/unknown-member");
      const isOne = (pseudonym: Uint8Array): boolean => members.some((one) => equal(one.pseudonym, pseudonym));
      await change(this.#parts, this.#held, {
        policy: ({ policy }) => {
          const others = policy.admins.filter((other) => !isOne(other));
          const admins = admin ? [...others, ...members.map(({ pseudonym }) => pseudonym)] : others;
          return admins.length === policy.admins.length ? undefined : { admins };
        },
      });
    });
  }

  /**
   * Leaves the group: asks to be removed, which the next commit of another member does; `leftGroup` tells of it. Saved
   * first, and gone on with by the next `sync` when this rejects. A group of which nobody else is a member ends at once.
   */
  async leave(): Promise<void> {
    await this.#turn.take(() => leave(this.#parts, this.#held));
  }

  /**
   * Wants nothing from this group any more: it ends here, the house drops what is sent to this member, and nobody is told.
   * For a group that one was drawn into; who leaves in peace calls `leave`. Being added anew is another membership.
   */
  async block(): Promise<void> {
    await this.#turn.take(() => block(this.#parts, this.#held));
  }

  /** Removes everybody and ends the group. ClientError `group/not-admin`. */
  async delete(): Promise<void> {
    await this.#turn.take(async () => {
      this.#requireAdmin();
      await change(this.#parts, this.#held, { ends: true });
    });
  }

  #named(name: string) {
    const { mls, introductions } = this.#requireActive();
    const keys = introductions.filter(({ identity }) => identity.name === name).map(({ leafKey }) => leafKey);
    return mls.members().filter(({ signaturePublicKey }) => keys.some((key) => equal(key, signaturePublicKey)));
  }

  #requireAdmin() {
    const { mls } = this.#requireActive();
    if (!mls.isAdmin(mls.ownLeaf)) throw new ClientError("group/not-admin");
    return mls;
  }

  #requireActive() {
    const { mls, introductions } = this.#held.state;
    if (mls === undefined) throw new ClientError("group/not-member");
    return { mls, introductions };
  }
}
