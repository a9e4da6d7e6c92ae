// Controls: decoders with one bug each, which the fuzzer must find with the same inputs that it gives to the real ones.
import { Fault } from "../../src/fault.ts";
import type { Decoder, FindingKind } from "./engine.ts";
import type { Random } from "./random.ts";

export interface Planted extends Decoder {
  /** What it must be found by. */
  readonly expected: FindingKind;
}

const refuse = (): never => {
  throw new Fault("wire/malformed");
};

// u16 type 5 || u16 length || that many bytes: what the strict decoder here takes, each planted one takes a little more.
const HEAD = 4;
const strict = (input: Buffer): Buffer => {
  if (input.length < HEAD || input.readUInt16BE(0) !== 5 || input.length !== HEAD + input.readUInt16BE(2)) refuse();
  return input.subarray(HEAD);
};
const encode = (payload: Uint8Array): Buffer => {
  const head = Buffer.from([0, 5, 0, 0]);
  head.writeUInt16BE(payload.length, 2);
  return Buffer.concat([head, payload]);
};

/** Never comes back: only who watches from outside can tell. */
export const stuck = (random: Random): Planted => ({
  name: "planted: never ends",
  expected: "hang",
  faults: ["wire/malformed"],
  corpus: [encode(random.bytes(40))],
  reencode(input) {
    for (let at = 0; at < input.length; at += input[at] === 0xff ? 0 : 1);
    return encode(strict(input));
  },
});

/** Keeps a little of everything. */
export const leaking = (random: Random): Planted => {
  const kept: Buffer[] = [];
  return {
    name: "planted: keeps what it saw",
    expected: "memory",
    faults: ["wire/malformed"],
    corpus: [encode(random.bytes(40))],
    reencode(input) {
      kept.push(Buffer.alloc(16_384, 1));
      return encode(strict(input));
    },
  };
};

/** Each has its bug behind a form that only a changed valid input has. */
export function planted(random: Random): Planted[] {
  const common = { faults: ["wire/malformed"], corpus: [encode(random.bytes(40)), encode(random.bytes(3))] } as const;
  return [
    {
      ...common,
      name: "planted: trusts a length",
      expected: "error",
      reencode(input) {
        if (input.length < HEAD || input.readUInt16BE(0) !== 5) refuse();
        const length = input.readUInt16BE(2);
        input.readUInt8(HEAD + length - 1);
        return encode(strict(input));
      },
    },
    {
      ...common,
      name: "planted: accepts trailing bytes",
      expected: "not-canonical",
      reencode(input) {
        if (input.length < HEAD || input.readUInt16BE(0) !== 5 || input.length < HEAD + input.readUInt16BE(2)) refuse();
        return encode(input.subarray(HEAD, HEAD + input.readUInt16BE(2)));
      },
    },
    {
      ...common,
      name: "planted: takes a missing name for one that is there",
      expected: "error",
      reencode(input) {
        const payload = strict(input);
        const names = ["a", "b", "c"] as const;
        names[(payload[0] ?? 0) >> 6]!.toUpperCase();
        return encode(payload);
      },
    },
    {
      ...common,
      name: "planted: refuses with another part's code",
      expected: "fault",
      reencode(input) {
        if (input.length > 2 * HEAD && input[2] === 0x40) throw new Fault("store/corrupt");
        return encode(strict(input));
      },
    },
    {
      ...common,
      name: "planted: loses a bit",
      expected: "not-canonical",
      reencode(input) {
        const out = encode(strict(input));
        if (out[HEAD] === 0x80) out[HEAD] = 0;
        return out;
      },
    },
    {
      ...common,
      name: "planted: refuses what it made",
      expected: "refused-valid",
      fresh: (source) => encode(source.bytes(source.below(300))),
      reencode: (input) => (input.length > 256 ? refuse() : encode(strict(input))),
    },
    {
      ...common,
      name: "planted: writes into its input",
      expected: "wrote-input",
      reencode(input) {
        strict(input);
        if (input[HEAD] === 0) input[HEAD] = 1;
        return undefined;
      },
    },
    {
      ...common,
      name: "planted: takes long for some",
      expected: "slow",
      bound: 20,
      reencode(input) {
        const payload = strict(input);
        const end = performance.now() + (payload[0] === 0xff ? 40 : 0);
        while (performance.now() < end);
        return encode(payload);
      },
    },
  ];
}
