// Random values of any codec of src/wire, by letting it read from a source that makes the bytes up as they are asked for.
import { isDeepStrictEqual } from "node:util";
import { Fault } from "../../src/fault.ts";
import { decode, encode, type Codec } from "../../src/wire/codec.ts";
import type { Decoder } from "./engine.ts";
import type { Random } from "./random.ts";

// Small, so that most lengths and counts are within their bounds.
const smallNumber = (random: Random, size: number): number =>
  random.below(4) > 0 ? random.below(random.pick([2, 4, 40])) : random.below(2 ** Math.min(31, 8 * size));

/** A value the codec can have read; undefined when a length it made up was over its bound. */
export function generate<T>(codec: Codec<T>, random: Random): T | undefined {
  let left = 2000;
  const source = {
    length: Number.MAX_SAFE_INTEGER,
    readUIntBE(_: number, size: number): number {
      if (left-- < 0) throw new Fault("wire/malformed");
      return smallNumber(random, size);
    },
    subarray: (from: number, to: number): Buffer => random.bytes(to - from),
  };
  try {
    return codec.read({ bytes: source as unknown as Buffer, offset: 0 });
  } catch (error) {
    if (error instanceof Fault) return undefined;
    throw error;
  }
}

const encoded = <T>(codec: Codec<T>, value: T): Buffer => encode(codec, value, (size) => Buffer.alloc(size));

/** A codec of src/wire as a decoder under test. */
export function codecDecoder<T>(name: string, codec: Codec<T>, random: Random): Decoder {
  const fresh = (source: Random): Buffer => {
    for (let tries = 0; tries < 1000; tries++) {
      const value = generate(codec, source);
      if (value === undefined) continue;
      const bytes = encoded(codec, value);
      if (!isDeepStrictEqual(decode(codec, bytes), value)) throw new Error("decodes to another value");
      return bytes;
    }
    throw new Error("no value found");
  };
  return {
    name,
    faults: ["wire/malformed"],
    corpus: Array.from({ length: 4 }, () => fresh(random)),
    reencode: (input) => encoded(codec, decode(codec, input)),
    fresh,
  };
}
