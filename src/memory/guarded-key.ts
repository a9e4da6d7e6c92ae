// A long-lived secret in pages that cannot be read while it is not in use.
import sodium from "sodium-native";
import { lockedAlloc, wipe } from "./locked.ts";

/** Owns `size` secret bytes. Readable only inside `use`; `destroy` wipes them for good. */
export class GuardedKey {
  readonly #memory: Buffer;
  #users = 0;
  #alive = true;

  /** `fill` writes the secret into the locked buffer it is given and must leave no copy. */
  constructor(size: number, fill: (memory: Buffer) => void) {
    this.#memory = lockedAlloc(size);
    try {
      fill(this.#memory);
    } catch (error) {
      wipe(this.#memory);
      throw error;
    }
    sodium.sodium_mprotect_noaccess(this.#memory);
  }

  /** Runs `work` with the secret readable. Synchronous on purpose: the pages close again before anything else runs. */
  use<T>(work: (secret: Buffer) => T): T {
    if (!this.#alive) throw new Error("key destroyed");
    if (this.#users++ === 0) sodium.sodium_mprotect_readonly(this.#memory);
    try {
      return work(this.#memory);
    } finally {
      if (--this.#users === 0 && this.#alive) sodium.sodium_mprotect_noaccess(this.#memory);
    }
  }

  destroy(): void {
    if (!this.#alive) return;
    this.#alive = false;
    sodium.sodium_mprotect_readwrite(this.#memory);
    wipe(this.#memory);
  }
}
