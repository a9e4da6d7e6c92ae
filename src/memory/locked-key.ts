// A secret that is used too often to be guarded: locked and wiped, but readable while it lives.
import { lockedAlloc, wipe } from "./locked.ts";

/** As GuardedKey, without the two system calls of each opening. For keys whose loss links, but forges nothing. */
export class LockedKey {
  readonly #memory: Buffer;

  /** `fill` writes the secret into the locked buffer it is given and must leave no copy. */
  constructor(size: number, fill: (memory: Buffer) => void) {
    this.#memory = lockedAlloc(size);
    fill(this.#memory);
  }

  use<T>(work: (secret: Buffer) => T): T {
    return work(this.#memory);
  }

  destroy(): void {
    wipe(this.#memory);
  }
}
