// The shapes in which secret bytes are found again in memory: as they are, as text of any kind, backwards, as numbers.

/** Bytes that a request carried and that must not be found afterwards. `kind` says what they were. */
export interface Canary {
  readonly kind: string;
  readonly bytes: Buffer;
}

/** One encoding of a canary. A hit is `least` bytes of it in a row, looked up at every `step`-th of its bytes. */
export interface Form {
  readonly name: string;
  readonly bytes: Buffer;
  readonly step: number;
  readonly least: number;
}

/** Longer canaries are looked up at every eighth byte only: a fragment of 15 bytes is found then. */
const SHORT = 64;

const latin = (text: string): Buffer => Buffer.from(text, "latin1");
const wide = (bytes: Buffer): Buffer => {
  const out = Buffer.alloc(bytes.length * 2);
  for (const [i, byte] of bytes.entries()) out[2 * i] = byte;
  return out;
};

/** Every form in which any eight bytes of `bytes` are searched for. */
export function formsOf(bytes: Buffer): Form[] {
  const short = bytes.length <= SHORT;
  const step = short ? 1 : 8;
  const reversed = Buffer.from(bytes).reverse();
  const hex = bytes.toString("hex");
  const forms: Form[] = [
    { name: "raw", bytes, step, least: 8 },
    { name: "raw/utf16", bytes: wide(bytes), step: step * 2, least: 16 },
  ];
  const text = (name: string, value: string, by: number, least: number): void => {
    forms.push({ name, bytes: latin(value), step: by, least });
    forms.push({ name: `${name}/utf16`, bytes: wide(latin(value)), step: by * 2, least: least * 2 });
  };
  text("hex", hex, step * 2, 16);
  for (let shift = 0; shift < 3; shift++) {
    // The same bytes look different in base64 for each place they may have in a longer text.
    const whole = Buffer.concat([Buffer.alloc(shift), bytes])
      .toString("base64")
      .replaceAll("=", "");
    const inner = whole.slice(shift === 0 ? 0 : 4, Math.floor((bytes.length * 4) / 3));
    text("base64", inner, short ? 1 : 16, 12);
    const url = inner.replaceAll("+", "-").replaceAll("/", "_");
    if (short && url !== inner) text("base64url", url, 1, 12);
  }
  if (!short) return forms;
  forms.push({ name: "reversed", bytes: reversed, step: 1, least: 8 });
  text("HEX", hex.toUpperCase(), 2, 16);
  text("hex reversed", reversed.toString("hex"), 2, 16);
  text("hex spaced", hex.replaceAll(/..(?=.)/g, "$& "), 3, 22);
  forms.push({ name: "numbers", bytes: latin([...bytes].join(",")), step: 1, least: 24 });
  forms.push({ name: "utf8", bytes: Buffer.from(bytes.toString("latin1"), "utf8"), step: 1, least: 10 });
  return forms;
}
