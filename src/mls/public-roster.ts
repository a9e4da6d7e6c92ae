// What the house needs of each member for anything but a commit, at fixed places: who signs, and where messages go.
// Kept in front of the tree in a group's stored state, so that a message to n members does not decode a tree of n leaves.
import { valid } from "./codec.ts";
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
}

// u16 count, then for each member in leaf order: u16 leaf index || signature public key || handle || pseudonym.
const COUNT = 2;
const INDEX = 2;
const HANDLE = INDEX + KEY_LENGTH;
const PSEUDONYM = HANDLE + HANDLE_LENGTH;
const ENTRY = PSEUDONYM + PSEUDONYM_LENGTH;

const countOf = (tree: PublicTree): number => [...tree.leaves()].length;

/** Bytes that `writeRoster` will write. */
export const rosterLength = (tree: PublicTree): number => COUNT + ENTRY * countOf(tree);

/** Writes the roster of a tree's members at `offset`. Throws Fault `group/invalid`, `group/policy`. */
export function writeRoster(tree: PublicTree, out: Buffer, offset: number): void {
  let at = out.writeUInt16BE(countOf(tree), offset);
  for (const [index, leaf] of tree.leaves()) {
    valid(leaf.signaturePublicKey.length === KEY_LENGTH);
    out.writeUInt16BE(index, at);
    out.set(leaf.signaturePublicKey, at + INDEX);
    out.set(handleOf(leaf), at + HANDLE);
    out.set(pseudonymOf(leaf), at + PSEUDONYM);
    at += ENTRY;
  }
}

/** A roster that `writeRoster` wrote; all byte strings are views of `bytes`. */
export class Roster {
  readonly #bytes: Buffer;
  /** Members. */
  readonly size: number;
  /** Bytes it takes. */
  readonly length: number;

  /** The roster at the start of `bytes`. Throws Fault `group/invalid` when it does not fit in there. */
  constructor(bytes: Buffer) {
    valid(bytes.length >= COUNT);
    this.#bytes = bytes;
    this.size = bytes.readUInt16BE();
    this.length = COUNT + ENTRY * this.size;
    valid(this.length <= bytes.length);
  }

  leaf(index: number): PublicLeaf | undefined {
    for (let i = 0; i < this.size; i++) {
      const at = COUNT + ENTRY * i;
      if (this.#bytes.readUInt16BE(at) !== index) continue;
      return {
        signaturePublicKey: this.#bytes.subarray(at + INDEX, at + HANDLE),
        handle: this.#bytes.subarray(at + HANDLE, at + PSEUDONYM),
        pseudonym: this.#bytes.subarray(at + PSEUDONYM, at + ENTRY),
      };
    }
    return undefined;
  }

  *handles(): Generator<[leafIndex: number, handle: Uint8Array]> {
    for (let i = 0; i < this.size; i++) {
      const at = COUNT + ENTRY * i;
      yield [this.#bytes.readUInt16BE(at), this.#bytes.subarray(at + HANDLE, at + PSEUDONYM)];
    }
  }
}
