// Sealed queue handles: what a group knows of a member's queue. Opaque to the delivery service, fresh for each group.
import { openInto, sealInto, SEAL_OVERHEAD } from "../../crypto/aead.ts";
import { randomFill } from "../../crypto/random.ts";
import type { GuardedKey } from "../../memory/guarded-key.ts";
import type { Arena } from "../../memory/arena.ts";
import { QUEUE_HANDLE_LENGTH } from "../../wire/operations.ts";

const ID_LENGTH = 16;
const PLAIN_LENGTH = QUEUE_HANDLE_LENGTH - SEAL_OVERHEAD;

/** Seals queue id 16 || random 32 under a key that only the queuing service holds, bound to the house's domain. */
export class QueueHandles {
  readonly #key: GuardedKey;
  readonly #domain: Uint8Array;

  constructor(key: GuardedKey, domain: Uint8Array) {
    this.#key = key;
    this.#domain = domain;
  }

  /** `count` handles of one queue; nobody without the key can tell that they are. */
  mint(arena: Arena, queueId: Uint8Array, count: number): Buffer[] {
    const plain = arena.take(PLAIN_LENGTH);
    plain.set(queueId);
    return this.#key.use((key) =>
      Array.from({ length: count }, () => {
        randomFill(plain.subarray(ID_LENGTH));
        return sealInto(arena.take(QUEUE_HANDLE_LENGTH), plain, this.#domain, key);
      }),
    );
  }

  /** The queue id behind each handle, in the arena; undefined for what this house did not mint. */
  open(arena: Arena, handles: readonly Uint8Array[]): (Buffer | undefined)[] {
    return this.#key.use((key) =>
      handles.map((handle) => {
        try {
          return openInto(arena.take(PLAIN_LENGTH), handle, this.#domain, key).subarray(0, ID_LENGTH);
        } catch {
          return undefined;
        }
      }),
    );
  }
}
