// Strict binary codecs: fixed layouts, bounded lengths, no trailing bytes. Byte fields decode to views of the input and
// encode straight into a caller's (locked) buffer, so that no plaintext is copied into ordinary memory.
import { Fault } from "../fault.ts";

/** A cursor over the input. */
export interface Reader {
  readonly bytes: Buffer;
  offset: number;
}

export interface Codec<T> {
  /** Encoded size of `value` in bytes. */
  size(value: T): number;
  /** Writes `value` at `offset`, returns the offset behind it. */
  write(value: T, out: Buffer, offset: number): number;
  read(reader: Reader): T;
}
export type ValueOf<C> = C extends Codec<infer T> ? T : never;

const malformed = (): never => {
  throw new Fault("wire/malformed");
};

function take(reader: Reader, size: number): number {
  const at = reader.offset;
  if (size > reader.bytes.length - at) malformed();
  reader.offset = at + size;
  return at;
}

const uint = (size: 1 | 2 | 4 | 6): Codec<number> => {
  const max = 2 ** (8 * size);
  return {
    size: () => size,
    write(value, out, offset) {
      if (!Number.isSafeInteger(value) || value < 0 || value >= max) malformed();
      return out.writeUIntBE(value, offset, size);
    },
    read: (reader) => reader.bytes.readUIntBE(take(reader, size), size),
  };
};
export const u8 = uint(1);
export const u16 = uint(2);
export const u32 = uint(4);
export const u48 = uint(6);

/** Exactly `size` bytes. */
export const fixed = (size: number): Codec<Uint8Array> => ({
  size: () => size,
  write(value, out, offset) {
    if (value.length !== size) malformed();
    out.set(value, offset);
    return offset + size;
  },
  read(reader) {
    const at = take(reader, size);
    return reader.bytes.subarray(at, at + size);
  },
});

/** u32 length, then at most `max` bytes. */
export const bytes = (max: number): Codec<Uint8Array> => ({
  size: (value) => 4 + value.length,
  write(value, out, offset) {
    if (value.length > max) malformed();
    out.set(value, out.writeUInt32BE(value.length, offset));
    return offset + 4 + value.length;
  },
  read(reader) {
    const length = u32.read(reader);
    if (length > max) malformed();
    const at = take(reader, length);
    return reader.bytes.subarray(at, at + length);
  },
});

/** u16 count, then at most `max` items. */
export const list = <T>(item: Codec<T>, max: number): Codec<readonly T[]> => ({
  size: (values) => values.reduce((sum, value) => sum + item.size(value), 2),
  write(values, out, offset) {
    if (values.length > max) malformed();
    return values.reduce((at, value) => item.write(value, out, at), out.writeUInt16BE(values.length, offset));
  },
  read(reader) {
    const count = u16.read(reader);
    if (count > max) malformed();
    const values: T[] = [];
    for (let i = 0; i < count; i++) values.push(item.read(reader));
    return values;
  },
});

/** The fields one after the other, in the order they are named. */
export function struct<T extends Record<string, unknown>>(fields: {
  readonly [K in keyof T]: Codec<T[K]>;
}): Codec<{ readonly [K in keyof T]: T[K] }> {
  const names: (keyof T)[] = Object.keys(fields);
  return {
    size: (value) => names.reduce((sum, name) => sum + fields[name].size(value[name]), 0),
    write: (value, out, offset) => names.reduce((at, name) => fields[name].write(value[name], out, at), offset),
    read(reader) {
      const value: Partial<T> = {};
      for (const name of names) value[name] = fields[name].read(reader);
      return value as T;
    },
  };
}

/** Decodes all of `input`; anything left over is refused. Byte fields are views of `input`. Fault `wire/malformed`. */
export function decode<T>(codec: Codec<T>, input: Uint8Array): T {
  const reader = { bytes: Buffer.from(input.buffer, input.byteOffset, input.byteLength), offset: 0 };
  const value = codec.read(reader);
  if (reader.offset !== reader.bytes.length) malformed();
  return value;
}

/** Encodes into `allocate(size)`, which decides in what memory the bytes live. Fault `wire/malformed` when out of bounds. */
export function encode<T>(codec: Codec<T>, value: NoInfer<T>, allocate: (size: number) => Buffer): Buffer {
  const out = allocate(codec.size(value));
  codec.write(value, out, 0);
  return out;
}
