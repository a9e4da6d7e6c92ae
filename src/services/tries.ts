// Second chances: a newcomer whose name is taken keeps its invitation for a few tries.
import type { FaultCode } from "../fault.ts";
import { SecureMap } from "../memory/secure-map.ts";

/** Enough to find a free name; too few to make a list of names. */
export const TRIES = 5;
const CAPACITY = 4096;

/**
 * Counts, in memory only, the refusals that were not charged to a token. A restart forgets the counts; when there is no
 * room for another token, it is charged at once.
 */
export class Tries {
  readonly #counts = new SecureMap(32, CAPACITY);

  /** True when a refusal with `code` shall not cost the token of this name (32 bytes). */
  another(code: FaultCode, name: Uint8Array): boolean {
    if (code !== "account/taken") return false;
    const tried = (this.#counts.get(name) ?? 0) + 1;
    try {
      if (tried >= TRIES) this.#counts.delete(name);
      else this.#counts.set(name, tried);
    } catch {
      return false;
    }
    return tried < TRIES;
  }

  /** The token is spent: nothing of it is kept here. */
  forget(name: Uint8Array): void {
    this.#counts.delete(name);
  }
}
