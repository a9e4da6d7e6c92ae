// One RSA key, always the same: a run that is to be repeated cannot make its own.
import { createPrivateKey } from "node:crypto";

const p = BigInt(
  "0x" +
    "f785178f30c5790769c9196304328417eee251c5c67e90f5690b4351540ad39e292aba2877e651845708fb4924cb7afc" +
    "271d9a3bb4aa090d04aff33fc51183e1ad4d8c7d29e76820d10804d3f12e5e74ac509fc6cf4e5e23dd99265200e91cd1" +
    "78f4eb699ae7e3a415592b27d7611e8803ebe3f32bfbbbe4f383087e3bb652fb",
);
const q = BigInt(
  "0x" +
    "e389b3f2ab5c49a6e0ba2621f070b186af240295eb86f0d1389f1bddb3895f8009972c51b267e6478e650979d660076d" +
    "2aac2d4b1ce38cce401efc38eb1346254773b29b3202463e7959972cb123c90450ba0e0e2870245b4c8ad5a7f8cdb386" +
    "4a870f7faa3695ba0f00ce18b97e6e6cbdf410cc4e0ed86d3f854e9441c48adf",
);
const e = 65537n;

function inverse(value: bigint, modulus: bigint): bigint {
  let [r, s, x, y] = [modulus, value % modulus, 0n, 1n];
  while (s !== 0n) [r, s, x, y] = [s, r % s, y, x - (r / s) * y];
  return ((x % modulus) + modulus) % modulus;
}

const bytes = (value: bigint, size: number): string =>
  Buffer.from(value.toString(16).padStart(2 * size, "0"), "hex").toString("base64url");

/** Its private half, PKCS#8: 2048 bits, exponent 65537. */
export function rsaKey(): Buffer {
  const d = inverse(e, (p - 1n) * (q - 1n));
  const jwk = {
    kty: "RSA",
    n: bytes(p * q, 256),
    e: "AQAB",
    d: bytes(d, 256),
    p: bytes(p, 128),
    q: bytes(q, 128),
    dp: bytes(d % (p - 1n), 128),
    dq: bytes(d % (q - 1n), 128),
    qi: bytes(inverse(q, p), 128),
  };
  return createPrivateKey({ key: jwk, format: "jwk" }).export({ format: "der", type: "pkcs8" });
}
