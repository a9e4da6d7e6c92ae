// Looks for fragments of many canaries in a lot of memory at once: one rolling eight-byte window, one hash table.
import { formsOf, type Canary, type Form } from "./canary.ts";

/** A mapping of the process. */
export interface Region {
  readonly start: number;
  readonly end: number;
  readonly access: string;
  readonly name: string;
}

export interface Hit {
  readonly kind: string;
  readonly form: string;
  readonly region: Region;
  readonly address: number;
  readonly length: number;
  /** Where in its form the found bytes begin, and how long the whole form is. */
  readonly offset: number;
  readonly whole: number;
  /** The memory around, from `AROUND` bytes before `address` or from where it begins. */
  readonly around: Buffer;
  readonly before: number;
}

/** Bytes before and behind a hit that are kept with it. */
const AROUND = 32;

const FILTER_BITS = 27;
const TABLE_BITS = 22;
const A = 0x9e3779b1 | 0;
const B = 0x85ebca77 | 0;
const hash = (low: number, high: number): number => Math.imul(low, A) ^ Math.imul(high, B);

interface Run {
  readonly form: number;
  readonly from: number;
  readonly length: number;
  readonly offset: number;
}

/** Grows by doubling. */
class Numbers {
  items = new Int32Array(1 << 16);
  length = 0;
  push(value: number): void {
    if (this.length === this.items.length) {
      const more = new Int32Array(this.length * 2);
      more.set(this.items);
      this.items = more;
    }
    this.items[this.length++] = value;
  }
}

/** Built once for a set of canaries; `scan` may then be called for any number of buffers. */
export class Scanner {
  readonly hits: Hit[] = [];
  readonly #forms: (Form & { readonly kind: string })[] = [];
  readonly #filter = new Uint8Array(1 << (FILTER_BITS - 3));
  readonly #table = new Int32Array(1 << TABLE_BITS).fill(-1);
  readonly #next = new Numbers();
  readonly #form = new Numbers();
  readonly #offset = new Numbers();

  constructor(canaries: readonly Canary[]) {
    for (const { kind, bytes } of canaries) {
      for (const form of formsOf(bytes)) {
        const index = this.#forms.push({ ...form, kind }) - 1;
        for (let at = 0; at + 8 <= form.bytes.length; at += form.step) this.#add(index, at, form.bytes);
      }
    }
  }

  #add(form: number, at: number, bytes: Buffer): void {
    const key = hash(bytes.readInt32LE(at), bytes.readInt32LE(at + 4));
    const bit = key >>> (32 - FILTER_BITS);
    this.#filter[bit >> 3]! |= 1 << (bit & 7);
    const slot = key >>> (32 - TABLE_BITS);
    this.#next.push(this.#table[slot]!);
    this.#form.push(form);
    this.#offset.push(at);
    this.#table[slot] = this.#next.length - 1;
  }

  /** Scans `memory`, which lies at `address`; also the bytes it may hold as arrays of numbers. */
  scan(memory: Buffer, address: number, region: Region): void {
    this.#scanNumbers(memory, address, region);
    this.#scanBytes(memory, address, region, "");
  }

  #scanBytes(memory: Buffer, address: number, region: Region, inside: string): void {
    const filter = this.#filter;
    const end = memory.length - 8;
    if (end < 0) return;
    let low = memory.readInt32LE(0);
    let high = memory.readInt32LE(4);
    let known = 0;
    for (let at = 0; ; at++) {
      const key = Math.imul(low, A) ^ Math.imul(high, B);
      const bit = key >>> (32 - FILTER_BITS);
      if ((filter[bit >> 3]! & (1 << (bit & 7))) !== 0 && at >= known) {
        const found = this.#longest(memory, at, key >>> (32 - TABLE_BITS));
        if (found !== undefined) {
          const { kind, name } = this.#forms[found.form]!;
          const { from, length, offset } = found;
          const before = Math.min(AROUND, from);
          this.hits.push({
            kind,
            form: inside + name,
            region,
            address: address + from,
            length,
            offset,
            whole: this.#forms[found.form]!.bytes.length,
            around: Buffer.from(memory.subarray(from - before, from + length + AROUND)),
            before,
          });
          known = from + length;
        }
      }
      if (at >= end) return;
      low = (low >>> 8) | (high << 24);
      high = (high >>> 8) | (memory[at + 8]! << 24);
    }
  }

  // The longest run, among all forms that have this window, of the form's own bytes around it.
  #longest(memory: Buffer, at: number, slot: number): Run | undefined {
    let best: Run | undefined;
    for (let entry = this.#table[slot]!; entry >= 0; entry = this.#next.items[entry]!) {
      const form = this.#form.items[entry]!;
      const offset = this.#offset.items[entry]!;
      const { bytes, least } = this.#forms[form]!;
      if (bytes.compare(memory, at, at + 8, offset, offset + 8) !== 0) continue;
      let before = 0;
      let after = 8;
      while (before < offset && before < at && bytes[offset - before - 1] === memory[at - before - 1]) before++;
      while (offset + after < bytes.length && bytes[offset + after] === memory[at + after]) after++;
      const length = before + after;
      if (length >= least && length > (best?.length ?? 0))
        best = { form, from: at - before, length, offset: offset - before };
    }
    return best;
  }

  // V8 keeps an array of small numbers as words (the number in the upper half) or as doubles: such runs are folded
  // back to the bytes they may stand for.
  #scanNumbers(memory: Buffer, address: number, region: Region): void {
    const shift = (8 - (address % 8)) % 8;
    const words = (memory.length - shift) >> 3;
    const view = new DataView(memory.buffer, memory.byteOffset, memory.byteLength);
    const run: number[] = [];
    let began = 0;
    let of = "";
    const flush = (): void => {
      if (run.length >= 16 && run.filter((value) => value > 1).length > 8) {
        this.#scanBytes(Buffer.from(run), address + shift + began * 8, region, `${of} `);
      }
      run.length = 0;
    };
    for (let i = 0; i < words; i++) {
      const at = shift + i * 8;
      const upper = view.getInt32(at + 4, true);
      let value = -1;
      let type = of;
      if (view.getInt32(at, true) === 0) {
        if (upper >= 0 && upper < 256) {
          value = upper;
          type = "small numbers";
        } else if (upper >>> 16 >= 0x3ff0 && upper >>> 16 <= 0x406f) {
          const double = view.getFloat64(at, true);
          if (double < 256 && Number.isInteger(double)) {
            value = double;
            type = "doubles";
          }
        }
      }
      if (run.length > 0 && (value < 0 || type !== of)) flush();
      if (value < 0) continue;
      if (run.length === 0) began = i;
      of = type;
      run.push(value);
    }
    flush();
  }
}
