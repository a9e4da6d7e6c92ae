// The Authorization header by which an account's client draws tokens over plain HTTP. It is a string when it gets here,
// as node makes one of every header; from there on it is read as bytes in locked memory, and by no regular expression,
// which would keep its last subject alive.
import { Fault } from "../fault.ts";
import type { Arena } from "../memory/arena.ts";

/** Who says to ask. Views of the arena, but for the window. */
export interface AccountHeader {
  /** 16 bytes. */
  readonly userId: Buffer;
  /** 16 bytes. */
  readonly clientId: Buffer;
  /** u32. */
  readonly window: number;
  /** 64 bytes. */
  readonly signature: Buffer;
}

const SCHEME = Buffer.from("tacet ");
/** The longest there is: 220 characters. */
const MAX_LENGTH = 256;
const MAX_WINDOW = 2 ** 32 - 1;
const [QUOTE, DIGIT_0, LOWER] = [0x22, 0x30, 0x20];

const ALPHABET = Buffer.from("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_");
const NONE = 0xff;
const values = Buffer.alloc(256, NONE);
ALPHABET.forEach((character, value) => (values[character] = value));

class Reader {
  readonly #text: Buffer;
  readonly #arena: Arena;
  #at: number;

  constructor(text: Buffer, arena: Arena, at: number) {
    this.#text = text;
    this.#arena = arena;
    this.#at = at;
  }

  /** Passes exactly these characters. */
  expect(literal: string): void {
    for (let i = 0; i < literal.length; i++)
      if (this.#text[this.#at++] !== literal.charCodeAt(i)) throw new Fault("wire/malformed");
  }

  /** `length` bytes in base64url (RFC 4648 section 5) without padding, whose unused bits must be zero. */
  bytes(length: number): Buffer {
    const out = this.#arena.take(length);
    let [bits, held, at] = [0, 0, 0];
    while (at < length) {
      const value = values[this.#text[this.#at++] ?? 0]!;
      if (value === NONE) throw new Fault("wire/malformed");
      held = ((held << 6) | value) & 0xfff;
      bits += 6;
      if (bits < 8) continue;
      bits -= 8;
      out[at++] = (held >> bits) & 0xff;
    }
    if ((held & ((1 << bits) - 1)) !== 0) throw new Fault("wire/malformed");
    return out;
  }

  /** A decimal number up to the next quote, in its shortest form. */
  number(): number {
    const from = this.#at;
    let value = 0;
    for (; this.#text[this.#at] !== QUOTE; this.#at++) {
      const digit = (this.#text[this.#at] ?? 0) - DIGIT_0;
      value = value * 10 + digit;
      if (digit < 0 || digit > 9 || value > MAX_WINDOW) throw new Fault("wire/malformed");
    }
    const digits = this.#at - from;
    if (digits === 0 || (digits > 1 && this.#text[from] === DIGIT_0)) throw new Fault("wire/malformed");
    return value;
  }

  end(): void {
    if (this.#at !== this.#text.length) throw new Fault("wire/malformed");
  }
}

/**
 * Reads `Tacet user="16 bytes", client="16 bytes", window="decimal", signature="64 bytes"`, bytes in base64url without
 * padding, in this order and no other form. Faults: `auth/signature` when there is none of this scheme, `wire/malformed`.
 */
export function readAccountHeader(authorization: string | undefined, arena: Arena): AccountHeader {
  if (authorization === undefined) throw new Fault("auth/signature");
  const text = arena.take(Math.min(authorization.length, MAX_LENGTH));
  text.write(authorization, "latin1");
  // schemes have no case (RFC 9110 section 11.1)
  if (SCHEME.some((character, i) => ((text[i] ?? 0) | LOWER) !== character)) throw new Fault("auth/signature");
  if (authorization.length > MAX_LENGTH) throw new Fault("wire/malformed");
  const reader = new Reader(text, arena, SCHEME.length);
  reader.expect('user="');
  const userId = reader.bytes(16);
  reader.expect('", client="');
  const clientId = reader.bytes(16);
  reader.expect('", window="');
  const window = reader.number();
  reader.expect('", signature="');
  const signature = reader.bytes(64);
  reader.expect('"');
  reader.end();
  return { userId, clientId, window, signature };
}
