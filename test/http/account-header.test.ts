import assert from "node:assert/strict";
import fc from "fast-check";
import { readAccountHeader } from "../../src/http/account-header.ts";
import { ArenaPool } from "../../src/memory/arena.ts";
import { Fault } from "../../src/fault.ts";

const write = (user: Uint8Array, client: Uint8Array, window: number | string, signature: Uint8Array): string => {
  const [u, c, s] = [user, client, signature].map((bytes) => Buffer.from(bytes).toString("base64url"));
  return `Tacet user="${u}", client="${c}", window="${window}", signature="${s}"`;
};

describe("http/account-header", () => {
  const pool = new ArenaPool([[1024, 2]]);
  const read = (value: string | undefined) => {
    const arena = pool.arena();
    try {
      const { userId, clientId, window, signature } = readAccountHeader(value, arena);
      return { window, fields: [userId, clientId, signature].map((bytes) => Uint8Array.from(bytes)) };
    } finally {
      arena.close();
    }
  };
  const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
  const fields = fc.tuple(bytes(16), bytes(16), fc.nat(2 ** 32 - 1), bytes(64));

  it("reads what was written", () => {
    fc.assert(
      fc.property(fields, ([user, client, window, signature]) => {
        const expected = { window, fields: [user, client, signature] };
        assert.deepEqual(read(write(user, client, window, signature)), expected);
        assert.deepEqual(read(write(user, client, window, signature).replace("Tacet", "tACET")), expected);
      }),
    );
  });

  const [user, client, signature] = [Buffer.alloc(16, 1), Buffer.alloc(16, 2), Buffer.alloc(64, 3)];
  const good = write(user, client, 7, signature);

  it("knows no other scheme", () => {
    for (const value of [undefined, "", "Basic Zm9v", "Tacets", 'PrivateToken token="AAAA"', ` ${good}`])
      assert.throws(() => read(value), { code: "auth/signature" }, value);
  });

  it("takes one form only", () => {
    read(good);
    const bad = [
      "Tacet",
      "Tacet ",
      good.slice(0, -1),
      `${good} `,
      `${good},`,
      `${good}, realm="x"`,
      good.replace('user="', 'user=" '),
      good.replace('user="', "user='"),
      good.replace('", client', '",client'),
      good.replace("user", "User"),
      good.replace("AQEB", "AQ+B"),
      good.replace("AQEB", "AQ=B"),
      good.replace("AQEB", "AQÁB"),
      good.replace('AQEBAQ"', 'AQEBAR"'), // bits behind the last byte
      good.replace('AQEBAQ"', 'AQEBAQ=="'),
      good.replace('AQEBAQ"', 'AQEBAQA"'),
      good.replace('AQEBAQ"', 'AQEBA"'),
      ...["", "07", "00", "-1", "+7", "7.0", "1e3", " 7", "4294967296", "9".repeat(40)].map((window) =>
        write(user, client, window, signature),
      ),
      write(user, client, 7, signature.subarray(1)),
      write(user.subarray(1), client, 7, signature),
      `Tacet ${"A".repeat(3000)}`,
    ];
    for (const value of bad) {
      assert.notEqual(value, good);
      assert.throws(() => read(value), { code: "wire/malformed" }, value);
    }
  });

  it("only refuses, whatever it is given", () => {
    const noise = fc.oneof(
      fc.string({ unit: "binary", maxLength: 400 }),
      fc.string({ unit: "binary", maxLength: 400 }).map((text) => `Tacet ${text}`),
      fc.tuple(fc.nat(good.length - 1), fc.nat(255)).map(([at, code]) => {
        return good.slice(0, at) + String.fromCodePoint(code) + good.slice(at + 1);
      }),
    );
    fc.assert(
      fc.property(noise, (value) => {
        try {
          read(value);
        } catch (error) {
          assert.ok(error instanceof Fault);
        }
      }),
    );
    assert.equal(pool.open, 0);
  });
});
