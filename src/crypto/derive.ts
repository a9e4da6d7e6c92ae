// Keyed BLAKE2b (RFC 7693) as pseudorandom function: record names, subkeys, ratchet steps, digests.
import sodium from "sodium-native";
import { derivationLabels, type DerivationPurpose } from "./labels.ts";
import { lockedAlloc, wipe } from "../memory/locked.ts";

const labelBytes = Object.fromEntries(
  Object.entries(derivationLabels).map(([purpose, label]) => [
    purpose,
    Buffer.concat([Buffer.from([label.length]), Buffer.from(label)]),
  ]),
) as Record<DerivationPurpose, Buffer>;

// Part lengths are encoded so that two different lists of parts never hash alike. The buffers are reused: the
// library call is synchronous.
const lengths = Array.from({ length: 8 }, () => lockedAlloc(4));
// Short inputs are laid out here and hashed in one call: handing over a list of parts costs twice the hash itself.
const joined = lockedAlloc(512);
const dummyIn = lockedAlloc(128);
const dummyOut = lockedAlloc(32);

/**
 * out = BLAKE2b(key, label || for each part: u32 length || part). `key`: 32 secret bytes; `out`: 16 to 64 bytes,
 * caller-provided so that secrets stay where the caller keeps them. At most 8 parts.
 */
export function derive<B extends Uint8Array>(
  out: B,
  purpose: DerivationPurpose,
  key: Uint8Array | undefined,
  ...parts: Uint8Array[]
): B {
  const label = labelBytes[purpose];
  let total = label.length;
  for (const part of parts) total += 4 + part.length;
  if (total > joined.length || parts.length > lengths.length) return deriveLong(out, label, key, parts);
  joined.set(label);
  let end = label.length;
  for (const part of parts) {
    end = joined.writeUInt32BE(part.length, end);
    joined.set(part, end);
    end += part.length;
  }
  const input = joined.subarray(0, total);
  try {
    if (key === undefined) sodium.crypto_generichash(out, input);
    else sodium.crypto_generichash(out, input, key);
  } finally {
    wipe(input);
  }
  return out;
}

/** As `derive`, for parts of fixed lengths that are no secrets: laid out once, set in place, hashed in one call. */
export class Layout {
  readonly parts: readonly Buffer[];
  readonly #input: Buffer;

  constructor(purpose: DerivationPurpose, ...partLengths: number[]) {
    const label = labelBytes[purpose];
    this.#input = Buffer.alloc(partLengths.reduce((sum, length) => sum + 4 + length, label.length));
    this.#input.set(label);
    let end = label.length;
    this.parts = partLengths.map((length) => {
      const start = this.#input.writeUInt32BE(length, end);
      end = start + length;
      return this.#input.subarray(start, end);
    });
  }

  /** out = derive(purpose, key, ...parts) of what the parts hold now. */
  derive(out: Uint8Array, key: Uint8Array): void {
    sodium.crypto_generichash(out, this.#input, key);
  }
}

function deriveLong<B extends Uint8Array>(out: B, label: Buffer, key: Uint8Array | undefined, parts: Uint8Array[]): B {
  const input: Uint8Array[] = [label];
  parts.forEach((part, i) => {
    const length = lengths[i];
    if (length === undefined) throw new RangeError("parts");
    length.writeUInt32BE(part.length);
    input.push(length, part);
  });
  if (key === undefined) sodium.crypto_generichash_batch(out, input);
  else sodium.crypto_generichash_batch(out, input, key);
  return out;
}

/** Overwrites the block that the last hash left on the C stack. Call once at the end of secret work. */
export function flushHash(): void {
  sodium.crypto_generichash(dummyOut, dummyIn);
}
