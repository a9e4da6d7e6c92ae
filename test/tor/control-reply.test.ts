// The reader of control replies: every kind of line, in any cut, and what breaks the grammar or the bound.
import assert from "node:assert/strict";
import fc from "fast-check";
import { Fault } from "../../src/fault.ts";
import { ReplyReader, type ReplyLine } from "../../tor/control-reply.ts";

const stream = [
  "250 OK\r\n",
  "250-version=0.4.9\r\n250 OK\r\n",
  "250+config-text=\r\nA 1\r\n..hidden\r\n250 not a reply\r\n\r\n.\r\n250 OK\r\n",
  "650-CIRC 4 BUILT\r\n650 EXTRAMAGIC=99\r\n",
  '551 Could not: "\xe9"\r\n',
].join("");
const replies: ReplyLine[][] = [
  [{ code: 250, text: "OK" }],
  [
    { code: 250, text: "version=0.4.9" },
    { code: 250, text: "OK" },
  ],
  [
    { code: 250, text: "config-text=", data: "A 1\n.hidden\n250 not a reply\n" },
    { code: 250, text: "OK" },
  ],
  [
    { code: 650, text: "CIRC 4 BUILT" },
    { code: 650, text: "EXTRAMAGIC=99" },
  ],
  [{ code: 551, text: 'Could not: "\xe9"' }],
];

const readAll = (parts: readonly Buffer[], limit?: number): ReplyLine[][] => {
  const seen: ReplyLine[][] = [];
  const reader = new ReplyReader((lines) => seen.push(lines), limit);
  for (const part of parts) reader.push(part);
  return seen;
};

describe("control reply reader", () => {
  it("reads single, multi-line and data replies and events", () => {
    assert.deepEqual(readAll([Buffer.from(stream, "latin1")]), replies);
  });

  it("reads the same however the bytes are cut", () => {
    const bytes = Buffer.from(stream, "latin1");
    fc.assert(
      fc.property(fc.array(fc.nat(bytes.length), { maxLength: 40 }), (cuts) => {
        const at = [0, ...cuts.sort((a, b) => a - b), bytes.length];
        const parts = at.slice(1).map((end, i) => bytes.subarray(at[i] ?? 0, end));
        assert.deepEqual(readAll(parts), replies);
      }),
    );
  });

  it("refuses lines that are no reply", () => {
    for (const line of [
      "\r\n",
      "OK\r\n",
      "25 OK\r\n",
      "2500 OK\r\n",
      "950 OK\r\n",
      "250_OK\r\n",
      "250 OK\n",
      "250\r\n",
    ])
      assert.throws(() => readAll([Buffer.from(line)]), new Fault("tor/control-reply"), JSON.stringify(line));
  });

  it("refuses a reply above the bound, in one line or many, but counts each reply anew", () => {
    const fault = new Fault("tor/control-reply");
    assert.throws(() => readAll([Buffer.alloc(101, 0x41)], 100), fault);
    assert.throws(
      () =>
        readAll(
          Array.from({ length: 20 }, () => Buffer.from("250-12345\r\n")),
          100,
        ),
      fault,
    );
    assert.throws(() => readAll([Buffer.from("250+a=\r\n"), ...Array(50).fill(Buffer.from("x\r\n"))], 100), fault);
    assert.equal(
      readAll(
        Array.from({ length: 50 }, () => Buffer.from("250 OK\r\n")),
        100,
      ).length,
      50,
    );
  });
});
