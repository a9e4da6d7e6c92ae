// Everything of src/wire that reads bytes: operations, documents, the header, frames.
import { type Codec } from "../../src/wire/codec.ts";
import * as documents from "../../src/wire/documents.ts";
import { header, pad, padReply, sizes, unpad, unpadReply } from "../../src/wire/frame.ts";
import { operations } from "../../src/wire/operations.ts";
import type { Decoder } from "./engine.ts";
import { codecDecoder } from "./generate.ts";
import type { Random } from "./random.ts";

const isCodec = (value: unknown): value is Codec<unknown> =>
  typeof value === "object" && value !== null && "read" in value && "write" in value;

/** Frames have one length; what does not have it never gets as far as being unpadded. */
const framed = (input: Buffer): Buffer => {
  const frame = Buffer.alloc(sizes.small);
  frame.set(input.subarray(0, frame.length));
  return frame;
};

function frames(random: Random): Decoder[] {
  const [empty, some] = [Buffer.alloc(sizes.small), Buffer.alloc(sizes.small)];
  pad(empty, Buffer.alloc(0));
  pad(some, random.bytes(100));
  const reply = Buffer.alloc(sizes.small);
  padReply(reply, 61, random.bytes(20));
  // The input's own bytes are what is compared, so the frame that was read must be written again as it was.
  const compare = (input: Buffer, frame: Buffer, again: Buffer): Buffer => (again.equals(frame) ? input : again);
  return [
    {
      name: "frame",
      faults: ["wire/malformed"],
      corpus: [empty, some],
      reencode(input) {
        const frame = framed(input);
        const again = Buffer.alloc(frame.length, 0xff);
        pad(again, unpad(frame));
        return compare(input, frame, again);
      },
    },
    {
      name: "reply frame",
      faults: ["wire/malformed"],
      corpus: [reply],
      reencode(input) {
        const frame = framed(input);
        const again = Buffer.alloc(frame.length, 0xff);
        const { code, payload } = unpadReply(frame);
        padReply(again, code, payload);
        return compare(input, frame, again);
      },
    },
    {
      name: "signed document",
      faults: ["wire/malformed"],
      corpus: [random.bytes(65), random.bytes(300)],
      reencode(input) {
        const { body, signature } = documents.splitSigned(input);
        return Buffer.concat([body, signature]);
      },
    },
    {
      name: "user name",
      faults: [],
      corpus: [Buffer.from("abc"), Buffer.from("a.b-c_9")],
      reencode(input) {
        const name = documents.isUserName(input);
        const text = input.toString("latin1");
        const plain = /^[a-z](?:[._-]?[a-z0-9])+$/.test(text) && text.length >= 3 && text.length <= 32;
        return name === plain ? undefined : Buffer.alloc(0);
      },
    },
  ];
}

export const wireDecoders = (random: Random): Decoder[] => [
  ...Object.entries(operations).flatMap(([name, { request, reply }]) => [
    codecDecoder(`${name} request`, request as Codec<unknown>, random),
    codecDecoder(`${name} reply`, reply as Codec<unknown>, random),
  ]),
  ...Object.entries<unknown>(documents).flatMap(([name, value]) =>
    isCodec(value) ? [codecDecoder(`document ${name}`, value, random)] : [],
  ),
  codecDecoder("request header", header, random),
  ...frames(random),
];
