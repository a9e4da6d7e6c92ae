// A group as an app sees it: its members by verified name, and what one can do in it.
import { equal } from "../memory/locked.ts";
import { groupMessageKinds } from "../wire/documents.ts";
import type { Contact } from "./contacts.ts";
import { ClientError } from "./errors.ts";
import { change } from "./group-commit.ts";
import { enqueue, flush } from "./group-outbox.ts";
import { introductionOf } from "./group-record.ts";
import type { HeldGroup } from "./groups.ts";
import type { Parts } from "./parts.ts";
import type { Turn } from "./turn.ts";

/** UTF-8 bytes of one message. */
export const TEXT_MAX = 3072;

export interface Member {
  /** The user name, verified; undefined for a member that nobody has introduced yet: treat it as a stranger. */
  readonly name: string | undefined;
  readonly self: boolean;
}

export class Group {
  readonly #parts: Parts;
  readonly #held: HeldGroup;
  readonly #turn: Turn;

  constructor(parts: Parts, held: HeldGroup, turn: Turn) {
    this.#parts = parts;
    this.#held = held;
    this.#turn = turn;
  }

  /** False once this client was removed. */
  get active(): boolean {
    return this.#held.state.mls !== undefined;
  }

  members(): Member[] {
    const { mls } = this.#held.state;
    return (mls?.members() ?? []).map(({ signaturePublicKey, leafIndex }) => ({
      name: this.nameOf(signaturePublicKey),
      self: leafIndex === mls?.ownLeaf,
    }));
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

  /** Adds a contact and introduces everybody to everybody. */
  async add(contact: Contact): Promise<void> {
    await this.#turn.take(async () => {
      this.#requireActive();
      const { keyPackages, tokens } = this.#parts;
      const claimed = await keyPackages.claim(contact, tokens);
      await change(this.#parts, this.#held, { add: [claimed] });
    });
  }

  /** Removes the member with this verified name; it can read nothing that is sent afterwards. */
  async remove(name: string): Promise<void> {
    await this.#turn.take(async () => {
      const { mls, introductions } = this.#requireActive();
      const present = mls.members().filter(({ leafIndex }) => leafIndex !== mls.ownLeaf);
      const remove = introductions
        .filter(({ identity }) => identity.name === name)
        .map(({ leafKey }) => leafKey)
        .filter((leafKey) => present.some(({ signaturePublicKey }) => equal(signaturePublicKey, leafKey)));
      if (remove.length === 0) throw new ClientError("group/unknown-member");
      await change(this.#parts, this.#held, { remove });
    });
  }

  #requireActive() {
    const { mls, introductions } = this.#held.state;
    if (mls === undefined) throw new ClientError("group/not-member");
    return { mls, introductions };
  }
}
