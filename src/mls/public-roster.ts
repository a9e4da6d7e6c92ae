// What the house needs of each member for anything but a commit, at fixed places: who signs, where messages go, when it
// was last active. Stands in front of the tree in a group's state, so that a message to n members decodes no tree of n
// leaves. It does not follow from the tree: a member may change its handle without a commit.
import { allowed, valid } from "./codec.ts";
import { HANDLE_LENGTH, KEY_LENGTH, PSEUDONYM_LENGTH } from "./suite.ts";

/** What a member shows to the server: views of the group's state. */
export interface PublicLeaf {
  /** Ed25519, 32 bytes. */
  readonly signaturePublicKey: Uint8Array;
  /** Sealed queue handle, 88 bytes. */
  readonly handle: Uint8Array;
  /** 16 bytes. */
  readonly pseudonym: Uint8Array;
  /** Month of its last activity, u16, as `monthOf` of public-state.ts counts. */
  readonly month: number;
}

export type RosterEntry = readonly [leafIndex: number, leaf: PublicLeaf];

// u16 count, then for each member in leaf order: u16 leaf index || signature public key || handle || pseudonym || u16 month.
const COUNT = 2;
const INDEX = 2;
const HANDLE = INDEX + KEY_LENGTH;
const PSEUDONYM = HANDLE + HANDLE_LENGTH;
const MONTH = PSEUDONYM + PSEUDONYM_LENGTH;
const ENTRY = MONTH + 2;

/** Members in leaf order; all byte strings are views of `bytes`. */
export class Roster {
  /** The roster alone. */
  readonly bytes: Buffer;
  /** Members. */
  readonly size: number;

  /** The roster at the start of `bytes`. Throws Fault `group/invalid` when it does not fit in there. */
  constructor(bytes: Buffer) {
    valid(bytes.length >= COUNT);
    this.size = bytes.readUInt16BE();
    const length = COUNT + ENTRY * this.size;
    valid(length <= bytes.length);
    this.bytes = bytes.subarray(0, length);
  }

  /** A roster in memory of its own, of entries in leaf order. Throws Fault `group/policy`, `group/invalid` for their sizes. */
  static of(entries: readonly RosterEntry[]): Roster {
    const out = Buffer.allocUnsafeSlow(COUNT + ENTRY * entries.length);
    let at = out.writeUInt16BE(entries.length);
    for (const [index, { signaturePublicKey, handle, pseudonym, month }] of entries) {
      valid(signaturePublicKey.length === KEY_LENGTH);
      allowed(handle.length === HANDLE_LENGTH && pseudonym.length === PSEUDONYM_LENGTH);
      out.writeUInt16BE(index, at);
      out.set(signaturePublicKey, at + INDEX);
      out.set(handle, at + HANDLE);
      out.set(pseudonym, at + PSEUDONYM);
      out.writeUInt16BE(month, at + MONTH);
      at += ENTRY;
    }
    return new Roster(out);
  }

  /** A copy in memory of its own with one member's handle or month changed. Throws Fault `group/invalid` without that member. */
  with(index: number, change: { readonly handle?: Uint8Array; readonly month?: number }): Roster {
    const at = this.#find(index);
    valid(at !== undefined);
    const out = Buffer.allocUnsafeSlow(this.bytes.length);
    out.set(this.bytes);
    if (change.handle !== undefined) {
      allowed(change.handle.length === HANDLE_LENGTH);
      out.set(change.handle, at + HANDLE);
    }
    if (change.month !== undefined) out.writeUInt16BE(change.month, at + MONTH);
    return new Roster(out);
  }

  leaf(index: number): PublicLeaf | undefined {
    const at = this.#find(index);
    return at === undefined ? undefined : this.#at(at);
  }

  #find(index: number): number | undefined {
    for (let at = COUNT; at < this.bytes.length; at += ENTRY) if (this.bytes.readUInt16BE(at) === index) return at;
    return undefined;
  }

  #at(at: number): PublicLeaf {
    return {
      signaturePublicKey: this.bytes.subarray(at + INDEX, at + HANDLE),
      handle: this.bytes.subarray(at + HANDLE, at + PSEUDONYM),
      pseudonym: this.bytes.subarray(at + PSEUDONYM, at + MONTH),
      month: this.bytes.readUInt16BE(at + MONTH),
    };
  }

  *entries(): Generator<RosterEntry> {
    for (let at = COUNT; at < this.bytes.length; at += ENTRY) yield [this.bytes.readUInt16BE(at), this.#at(at)];
  }

  *handles(): Generator<[leafIndex: number, handle: Uint8Array]> {
    for (let at = COUNT; at < this.bytes.length; at += ENTRY) {
      yield [this.bytes.readUInt16BE(at), this.bytes.subarray(at + HANDLE, at + PSEUDONYM)];
    }
  }
}
