// Broken inputs out of valid ones: changes that know where lengths, types and ends tend to lie.
import type { Random } from "./random.ts";

const MAX_LENGTH = 70_000;
const boundaryBytes = [0, 1, 2, 5, 0x3f, 0x40, 0x7f, 0x80, 0xbf, 0xc0, 0xfe, 0xff];
const textBytes = [...Buffer.from('+/=-_ "\t\n\0\u007f,:;.{}[]\\Aa09')];

type Mutation = (input: Buffer, random: Random, other: Uint8Array) => Buffer;

/** Mostly near the front, where types and lengths are. */
const place = (input: Buffer, random: Random): number =>
  random.below(random.below(3) === 0 ? input.length + 1 : Math.min(input.length, 12) + 1);

const insert = (input: Buffer, at: number, more: Uint8Array): Buffer =>
  Buffer.concat([input.subarray(0, at), more, input.subarray(at)]);

const writeInteger = (input: Buffer, at: number, size: number, value: number): Buffer => {
  if (at + size <= input.length) input.writeUIntBE(((value % 256 ** size) + 256 ** size) % 256 ** size, at, size);
  return input;
};

const mutations: readonly Mutation[] = [
  // one bit
  (input, random) => {
    const bit = random.below(8 * input.length || 1);
    if (input.length > 0) input[bit >> 3]! ^= 1 << (bit & 7);
    return input;
  },
  // one byte at a boundary, or a character that means something
  (input, random) => {
    const at = place(input, random);
    if (at < input.length) input[at] = random.pick(random.below(2) === 0 ? boundaryBytes : textBytes);
    return input;
  },
  // a length field: what is really left, one more or less, or a boundary of its size
  (input, random) => {
    const size = random.pick([1, 2, 4, 6]);
    const at = place(input, random);
    const left = input.length - at - size;
    const value = random.pick([0, 1, left, left - 1, left + 1, 256 ** size - 1, 256 ** size / 2, random.below(300)]);
    return writeInteger(input, at, size, value);
  },
  // a number in that place a little higher or lower
  (input, random) => {
    const size = random.pick([1, 2, 4]);
    const at = place(input, random);
    if (at + size > input.length) return input;
    return writeInteger(input, at, size, input.readUIntBE(at, size) + random.pick([-32, -2, -1, 1, 2, 32]));
  },
  // a variable-length integer (RFC 9000 section 16) in a longer form than needed
  (input, random) => {
    const at = place(input, random);
    const value = input[at] ?? 0;
    const long = random.pick([
      [0x40, value],
      [0x80, 0, 0, value],
      [0xc0, 0, 0, 0, 0, 0, 0, value],
    ]);
    return Buffer.concat([input.subarray(0, at), Buffer.from(long), input.subarray(at + 1)]);
  },
  (input, random) => input.subarray(0, random.below(input.length + 1)),
  (input, random) => input.subarray(0, Math.max(0, input.length - 1 - random.below(3))),
  (input, random) => Buffer.concat([input, random.bytes(1 + random.below(random.pick([1, 4, 64])))]),
  (input, random) => Buffer.concat([input, Buffer.alloc(1 + random.below(64))]),
  (input, random) => insert(input, place(input, random), random.bytes(1 + random.below(8))),
  (input, random) => insert(input, random.below(input.length + 1), Buffer.from([random.pick(textBytes)])),
  // a piece away, a piece twice
  (input, random) => {
    const from = place(input, random);
    return Buffer.concat([input.subarray(0, from), input.subarray(from + 1 + random.below(40))]);
  },
  (input, random) => {
    const from = place(input, random);
    return insert(input, from, input.subarray(from, from + 1 + random.below(120)));
  },
  // the front of one, the back of another, cut anywhere or at the same place
  (input, random, other) => {
    const at = random.below(input.length + 1);
    const from = random.below(2) === 0 ? at : random.below(other.length + 1);
    return Buffer.concat([input.subarray(0, at), other.subarray(from)]);
  },
  // a stretch of one value, as of points at infinity and empty padding
  (input, random) => {
    const from = random.below(input.length + 1);
    return input.fill(random.pick([0, 0xff]), from, Math.min(input.length, from + random.pick([1, 16, 32, 64])));
  },
  (_, random) => random.bytes(random.below(random.pick([4, 40, 400]))),
];

/** A copy of `valid` with one to four changes. */
export function mutate(valid: Uint8Array, corpus: readonly Uint8Array[], random: Random): Buffer {
  let out: Buffer = Buffer.from(valid);
  for (let changes = 1 + random.below(4); changes > 0; changes--)
    out = random.pick(mutations)(out, random, random.pick(corpus));
  // A buffer of its own: what lies behind its end is not the input's.
  return Buffer.from(out.subarray(0, MAX_LENGTH));
}
