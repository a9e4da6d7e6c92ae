// A client of token type 0x0005 that shares nothing with the house's own: noble's VOPRF, and the messages of RFC 9578
// section 5 and of draft-ietf-privacypass-batched-tokens written here byte by byte.
import { createHash, randomBytes } from "node:crypto";
import { ristretto255_oprf } from "@noble/curves/ed25519.js";

const { voprf } = ristretto255_oprf;
const sha256 = (bytes: Uint8Array): Buffer => createHash("sha256").update(bytes).digest();
const TYPE = Buffer.from([0x00, 0x05]);

// QUIC's variable-length integer (RFC 9000 section 16)
const varint = (value: number): Buffer => {
  const out = Buffer.alloc(value < 64 ? 1 : value < 16384 ? 2 : 4);
  out.writeUIntBE(value, 0, out.length);
  out[0]! |= { 1: 0x00, 2: 0x40, 4: 0x80 }[out.length]!;
  return out;
};

export interface RistrettoRequest {
  readonly body: Buffer;
  /** The tokens, 162 bytes each, from the issuer's response. Throws when its proof is not the key's. */
  finish(response: Uint8Array): Buffer[];
}

/** `amortized`: as one batch with one proof; otherwise `count` must be 1. */
export function requestRistretto(
  publicKey: Uint8Array,
  challenge: Uint8Array,
  count: number,
  amortized: boolean,
): RistrettoRequest {
  const key = Uint8Array.from(publicKey);
  const keyId = sha256(key);
  const inputs = Array.from({ length: count }, () =>
    Uint8Array.from(Buffer.concat([TYPE, randomBytes(32), sha256(challenge), keyId])),
  );
  const blinds = inputs.map((input) => voprf.blind(input));
  const elements = Buffer.concat(blinds.map(({ blinded }) => blinded));
  const length = amortized ? varint(elements.length) : Buffer.alloc(0);
  return {
    body: Buffer.concat([TYPE, keyId.subarray(31), length, elements]),
    finish(response) {
      if (
        response.length !== length.length + 32 * count + 64 ||
        length.compare(response.subarray(0, length.length)) !== 0
      )
        throw new Error("not a response");
      const at = (i: number): Uint8Array => Uint8Array.from(response.subarray(length.length + 32 * i).subarray(0, 32));
      const items = inputs.map((input, i) => ({ ...blinds[i]!, input, evaluated: at(i) }));
      const proof = Uint8Array.from(response.subarray(response.length - 64));
      const outputs = voprf.finalizeBatch(items, key, proof);
      return inputs.map((input, i) => Buffer.concat([input, outputs[i]!]));
    },
  };
}
