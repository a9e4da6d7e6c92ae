// Sealed queue handles: what a group knows of a member's queue. Opaque to the delivery service, fresh for each group.
import { openInto, sealInto, SEAL_OVERHEAD } from "../../crypto/aead.ts";
import { randomFill } from "../../crypto/random.ts";
import type { GuardedKey } from "../../memory/guarded-key.ts";
import type { Arena } from "../../memory/arena.ts";
import { QUEUE_HANDLE_LENGTH } from "../../wire/operations.ts";

const ID_LENGTH = 16;
const TAG_LENGTH = 16;
const GENERATION_LENGTH = 4;
const RANDOM_AT = ID_LENGTH + TAG_LENGTH + GENERATION_LENGTH;
const PLAIN_LENGTH = QUEUE_HANDLE_LENGTH - SEAL_OVERHEAD;

/** What is in a handle, in the arena. */
export interface Opened {
  readonly queueId: Buffer;
  /** Its owner's, who knows by it which group the handle is for; it says nothing to the house. */
  readonly tag: Buffer;
  readonly generation: number;
}

/** Seals queue id 16 || tag 16 || generation 4 || random 12 under a key that only the queuing service holds, bound to the house's domain. */
export class QueueHandles {
  readonly #key: GuardedKey;
  readonly #domain: Uint8Array;

  constructor(key: GuardedKey, domain: Uint8Array) {
    this.#key = key;
    this.#domain = domain;
  }

  /** Handles of one queue, one for each tag; nobody without the key can tell that they are. */
  mint(arena: Arena, queueId: Uint8Array, generation: number, tags: readonly Uint8Array[]): Buffer[] {
    const plain = arena.take(PLAIN_LENGTH);
    plain.set(queueId);
    plain.writeUInt32BE(generation, ID_LENGTH + TAG_LENGTH);
    return this.#key.use((key) =>
      tags.map((tag) => {
        plain.set(tag, ID_LENGTH);
        randomFill(plain.subarray(RANDOM_AT));
        return sealInto(arena.take(QUEUE_HANDLE_LENGTH), plain, this.#domain, key);
      }),
    );
  }

  /** What is in each handle; undefined for what this house did not mint. */
  open(arena: Arena, handles: readonly Uint8Array[]): (Opened | undefined)[] {
    return this.#key.use((key) =>
      handles.map((handle) => {
        try {
          const plain = openInto(arena.take(PLAIN_LENGTH), handle, this.#domain, key);
          const tag = plain.subarray(ID_LENGTH, ID_LENGTH + TAG_LENGTH);
          const generation = plain.readUInt32BE(ID_LENGTH + TAG_LENGTH);
          return { queueId: plain.subarray(0, ID_LENGTH), tag, generation };
        } catch {
          return undefined;
        }
      }),
    );
  }
}
