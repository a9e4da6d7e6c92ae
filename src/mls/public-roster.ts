// What the house needs of each member for anything but a commit, at fixed places: who signs, where messages go, when it
// was last active. Stands in front of the tree in a group's state, so that a message to n members decodes no tree of n
// leaves. It does not follow from the tree: a member may change its handle without a commit.
import type { LeafNode } from "ts-mls";
import { allowed, sameBytes, valid } from "./codec.ts";
import type { PublicTree } from "./public-tree.ts";
import { HANDLE_LENGTH, KEY_LENGTH, PSEUDONYM_LENGTH } from "./suite.ts";
import { handleOf, pseudonymOf } from "./validation-leaf.ts";

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
/** What becomes of members: another entry, or none. */
type Changes = ReadonlyMap<number, PublicLeaf | undefined>;

// u16 count, then for each member in leaf order: u16 leaf index || signature public key || handle || pseudonym || u16 month.
const COUNT = 2;
const INDEX = 2;
const HANDLE = INDEX + KEY_LENGTH;
const PSEUDONYM = HANDLE + HANDLE_LENGTH;
const MONTH = PSEUDONYM + PSEUDONYM_LENGTH;
const ENTRY = MONTH + 2;

/** Members in leaf order: those that stand in `bytes`, and what changed since. Immutable; all byte strings are views. */
export class Roster {
  readonly #bytes: Buffer;
  readonly #changes: Changes;
  /** Members. */
  readonly size: number;

  private constructor(bytes: Buffer, changes: Changes) {
    this.#bytes = bytes;
    this.#changes = changes;
    let size = (bytes.length - COUNT) / ENTRY;
    for (const [index, leaf] of changes) {
      size += Number(leaf !== undefined) - Number(this.#find(index) !== undefined);
    }
    this.size = size;
  }

  /** The roster at the start of `bytes`, and its length. Throws Fault `group/invalid` when it does not fit in there. */
  static open(bytes: Buffer): [roster: Roster, length: number] {
    valid(bytes.length >= COUNT);
    const length = COUNT + ENTRY * bytes.readUInt16BE();
    valid(length <= bytes.length);
    return [new Roster(bytes.subarray(0, length), new Map()), length];
  }

  /** The members of a tree, all active in `month`. Throws Fault `group/policy`, `group/invalid` for leaves of another form. */
  static of(tree: PublicTree, month: number): Roster {
    const members = Array.from(tree.leaves(), ([index, leaf]) => [index, publicLeaf(leaf, month)] as const);
    return new Roster(Buffer.alloc(COUNT), new Map(members));
  }

  /** With one member's handle or month changed. Throws Fault `group/invalid` without that member. */
  with(index: number, change: { readonly handle?: Uint8Array; readonly month?: number }): Roster {
    const leaf = this.leaf(index);
    valid(leaf !== undefined);
    allowed(change.handle === undefined || change.handle.length === HANDLE_LENGTH);
    return this.#after(new Map([[index, { ...leaf, ...change }]]));
  }

  /**
   * After a commit in `month` that led from tree `before` to `after`. The roster's handle of a committer stays when its
   * new leaf carries the one its old leaf carried. Leaf indices: `removed` in `before`, the others in `after`.
   */
  next(
    before: PublicTree,
    after: PublicTree,
    { committer, added, removed }: { committer: number; added: readonly number[]; removed: readonly number[] },
    month: number,
  ): Roster {
    const changes = new Map<number, PublicLeaf | undefined>(removed.map((index) => [index, undefined]));
    for (const index of new Set([...added, committer])) {
      const leaf = after.leaf(index);
      valid(leaf !== undefined);
      const entry = publicLeaf(leaf, month);
      const [old, known] = [before.leaf(index), this.leaf(index)];
      const same = old !== undefined && sameBytes(pseudonymOf(old), entry.pseudonym);
      const keeps = same && known !== undefined && sameBytes(handleOf(old), entry.handle);
      changes.set(index, keeps ? { ...entry, handle: known.handle } : entry);
    }
    return this.#after(changes);
  }

  #after(changes: Changes): Roster {
    return new Roster(this.#bytes, new Map([...this.#changes, ...changes]));
  }

  leaf(index: number): PublicLeaf | undefined {
    if (this.#changes.has(index)) return this.#changes.get(index);
    const at = this.#find(index);
    return at === undefined ? undefined : this.#entry(at);
  }

  // where the stored entry of a leaf is
  #find(index: number): number | undefined {
    let [low, high] = [0, (this.#bytes.length - COUNT) / ENTRY];
    while (low < high) {
      const middle = (low + high) >> 1;
      const at = COUNT + ENTRY * middle;
      const found = this.#bytes.readUInt16BE(at);
      if (found === index) return at;
      if (found < index) low = middle + 1;
      else high = middle;
    }
    return undefined;
  }

  #entry(at: number): PublicLeaf {
    return {
      signaturePublicKey: this.#bytes.subarray(at + INDEX, at + HANDLE),
      handle: this.#bytes.subarray(at + HANDLE, at + PSEUDONYM),
      pseudonym: this.#bytes.subarray(at + PSEUDONYM, at + MONTH),
      month: this.#bytes.readUInt16BE(at + MONTH),
    };
  }

  // In leaf order: a member that changed, or where the entry of one that did not is.
  *#merged(): Generator<[index: number, entry: PublicLeaf | number]> {
    const changes = [...this.#changes].sort(([a], [b]) => a - b);
    let next = 0;
    for (let at = COUNT; at < this.#bytes.length; at += ENTRY) {
      const index = this.#bytes.readUInt16BE(at);
      for (; next < changes.length && changes[next]![0] <= index; next++) {
        const [changed, leaf] = changes[next]!;
        if (leaf !== undefined) yield [changed, leaf];
      }
      if (!this.#changes.has(index)) yield [index, at];
    }
    for (const [index, leaf] of changes.slice(next)) if (leaf !== undefined) yield [index, leaf];
  }

  *entries(): Generator<RosterEntry> {
    for (const [index, entry] of this.#merged()) yield [index, typeof entry === "number" ? this.#entry(entry) : entry];
  }

  *pseudonyms(): Generator<[leafIndex: number, pseudonym: Uint8Array]> {
    for (const [index, entry] of this.#merged()) {
      const stored = typeof entry === "number";
      yield [index, stored ? this.#bytes.subarray(entry + PSEUDONYM, entry + MONTH) : entry.pseudonym];
    }
  }

  /** The leaf index of who signs with `key`. */
  leafOf(key: Uint8Array): number | undefined {
    for (const [index, entry] of this.#merged()) {
      if (typeof entry !== "number") {
        if (sameBytes(entry.signaturePublicKey, key)) return index;
      } else if (this.#bytes[entry + INDEX] === key[0]) {
        if (sameBytes(this.#bytes.subarray(entry + INDEX, entry + HANDLE), key)) return index;
      }
    }
    return undefined;
  }

  *handles(): Generator<[leafIndex: number, handle: Uint8Array]> {
    for (const [index, entry] of this.#merged()) {
      const stored = typeof entry === "number";
      yield [index, stored ? this.#bytes.subarray(entry + HANDLE, entry + PSEUDONYM) : entry.handle];
    }
  }

  /** Bytes that `encodeInto` writes. */
  get encodedLength(): number {
    return COUNT + ENTRY * this.size;
  }

  /** Writes the roster at `offset`; returns where it ends. */
  encodeInto(out: Buffer, offset: number): number {
    let at = out.writeUInt16BE(this.size, offset);
    // entries that stand behind each other are copied together
    let [from, to] = [0, 0];
    const copy = (): void => {
      at += this.#bytes.copy(out, at, from, to);
    };
    for (const [index, entry] of this.#merged()) {
      if (entry === to) to += ENTRY;
      else {
        copy();
        [from, to] = typeof entry === "number" ? [entry, entry + ENTRY] : [0, 0];
        if (typeof entry !== "number") at = writeEntry(out, at, index, entry);
      }
    }
    copy();
    return at;
  }
}

function writeEntry(out: Buffer, at: number, index: number, leaf: PublicLeaf): number {
  out.writeUInt16BE(index, at);
  out.set(leaf.signaturePublicKey, at + INDEX);
  out.set(leaf.handle, at + HANDLE);
  out.set(leaf.pseudonym, at + PSEUDONYM);
  return out.writeUInt16BE(leaf.month, at + MONTH);
}

function publicLeaf(leaf: LeafNode, month: number): PublicLeaf {
  const { signaturePublicKey } = leaf;
  valid(signaturePublicKey.length === KEY_LENGTH);
  return { signaturePublicKey, handle: handleOf(leaf), pseudonym: pseudonymOf(leaf), month };
}
