// The chained head: one sealed record, rewritten in every batch, that says what all other records together must be.
import { openInto, sealInto, SEAL_OVERHEAD } from "../crypto/aead.ts";
import { derive, Layout } from "../crypto/derive.ts";
import { randomBytes } from "../crypto/random.ts";
import { Fault } from "../fault.ts";
import { GuardedKey } from "../memory/guarded-key.ts";
import { equal } from "../memory/locked.ts";
import { KEY_LENGTH, type Operation } from "./driver.ts";
import { subkey } from "./sealing.ts";
import { TURN_ID_LENGTH } from "./turn-keys.ts";

// Why a set digest and not a row of journal records: a row can only cover the batches it still keeps, while a table
// file that goes missing may be of any age. The digest is the exclusive or of a keyed 256-bit hash of every record's
// key and nonce, which no two seals share and a turn leaves as it is, MSet-XOR-Hash of Clarke et al. (ASIACRYPT 2003),
// and is itself only stored sealed. It changes with each put and delete at the price of one hash, and a full scan at opening must arrive at the same value.
//
// Noticed at opening: any record missing, added, moved, brought back after deletion or set back to an older value, from
// whatever cause (log cut or flipped, table dropped, batches lost in the middle, reordered). A whole directory set back
// shows by the anchor (anchor.ts). Noticed when the record is read: anything altered behind an intact nonce.
// Not noticed: directory and anchor set back together; a loss while the house runs, until it opens again; after a
// power cut, the loss of the batches since the kernel last wrote the anchor out (normally under a minute).

/** The state after batch number `batch`: `set` is the digest of all records, `chain` binds it to all states before. */
export interface Head {
  readonly batch: number;
  readonly chain: Buffer;
  readonly set: Buffer;
}

const LINK = Buffer.of(0);
const ELEMENT = Buffer.of(1);
const NONCE_LENGTH = 24;
const element = new Layout("recordChain", ELEMENT.length, KEY_LENGTH, NONCE_LENGTH);
element.parts[0]!.set(ELEMENT);
const HEAD_LENGTH = 80; // u64 batch || chain(32) || set(32) || 8 zeros

export class Journal {
  /** Where the head lies; looks like any other key. */
  readonly key: Buffer;
  // 32 bytes for hashing, 32 for sealing the head.
  readonly #keys: GuardedKey;

  constructor(masterKey: GuardedKey, id: Uint8Array) {
    this.#keys = new GuardedKey(64, (slab) =>
      masterKey.use((master) => {
        subkey(slab.subarray(0, 32), "recordChain", master, "journal", id);
        subkey(slab.subarray(32), "recordValue", master, "journal", id);
      }),
    );
    this.key = this.#keys.use((slab) => derive(Buffer.alloc(KEY_LENGTH), "recordName", slab.subarray(0, 32)));
  }

  /** Opens the keys' pages once for all that `work` does. */
  together<T>(work: () => T): T {
    return this.#keys.use(work);
  }

  /** Before the first batch. */
  empty(): Head {
    return { batch: 0, chain: Buffer.alloc(32), set: Buffer.alloc(32) };
  }

  /** The state after a batch that leaves the records with this digest. */
  advance(head: Head, set: Buffer): Head {
    const batch = head.batch + 1;
    const number = Buffer.alloc(8);
    number.writeDoubleBE(batch);
    return this.#keys.use((slab) => {
      const chain = derive(Buffer.alloc(32), "recordChain", slab.subarray(0, 32), LINK, head.chain, number, set);
      return { batch, chain, set };
    });
  }

  /** `set` with these records taken in, or taken out where they were in: the operation is its own inverse. */
  digest(set: Buffer, records: readonly Operation[]): Buffer {
    const sum = Buffer.from(set);
    const hash = Buffer.alloc(32);
    const [, keyPart, noncePart] = element.parts as [Buffer, Buffer, Buffer];
    this.#keys.use((slab) => {
      const secret = slab.subarray(0, 32);
      for (const { key, value } of records) {
        if (value === undefined) continue;
        if (value.length < TURN_ID_LENGTH + SEAL_OVERHEAD) throw new Fault("store/corrupt");
        keyPart.set(key);
        noncePart.set(value.subarray(TURN_ID_LENGTH, TURN_ID_LENGTH + NONCE_LENGTH));
        element.derive(hash, secret);
        for (let i = 0; i < 32; i++) sum[i] = sum[i]! ^ hash[i]!;
      }
    });
    return sum;
  }

  /** The write that must go into the same batch. */
  operation(head: Head): Operation {
    const plain = Buffer.alloc(HEAD_LENGTH);
    plain.writeDoubleBE(head.batch);
    plain.set(head.chain, 8);
    plain.set(head.set, 40);
    // Behind as many bytes as other records have in front of their seal.
    const value = randomBytes(TURN_ID_LENGTH + HEAD_LENGTH + SEAL_OVERHEAD);
    const sealed = value.subarray(TURN_ID_LENGTH);
    this.#keys.use((slab) => sealInto(sealed, plain, this.key, slab.subarray(32)));
    return { key: this.key, value };
  }

  /** Fault `store/corrupt` when there is no head or it is not ours. */
  open(value: Buffer | undefined): Head {
    const sealed = value?.subarray(TURN_ID_LENGTH);
    if (sealed?.length !== HEAD_LENGTH + SEAL_OVERHEAD) throw new Fault("store/corrupt");
    const plain = Buffer.alloc(HEAD_LENGTH);
    try {
      this.#keys.use((slab) => openInto(plain, sealed, this.key, slab.subarray(32)));
    } catch {
      throw new Fault("store/corrupt");
    }
    return { batch: plain.readDoubleBE(), chain: plain.subarray(8, 40), set: plain.subarray(40, 72) };
  }

  destroy(): void {
    this.#keys.destroy();
  }
}

/** The same batch of the same history. */
export const sameHead = (a: Head, b: Head): boolean => a.batch === b.batch && equal(a.chain, b.chain);
