// The bare primitives that issuing and redeeming cannot do without, called as their libraries are made to be called.
import { constants, createPrivateKey, privateDecrypt, verify } from "node:crypto";
import sodium from "libsodium-wrappers-sumo";
import { randomBytes } from "../../../src/crypto/random.ts";
import { entryOf, parseGenericRequest } from "../../../tokens/generic-batch.ts";
import { type IssuerKeys } from "../../../tokens/keys.ts";
import { parseToken } from "../../../tokens/token.ts";
import { BLIND_RSA, type TokenType } from "../../../tokens/types.ts";
import { BATCH, NOW } from "./batches.ts";

export interface Bare {
  /** The work of issuing a batch. */
  issue(): void;
  /** The work of redeeming as many tokens. */
  redeem(): void;
}

const repeat = (times: number, work: () => unknown): void => {
  for (let i = 0; i < times; i++) work();
};

function bareVoprf(request: Buffer): Bare {
  const element = Uint8Array.from(request.subarray(5, 37));
  const scalar = sodium.crypto_core_ristretto255_scalar_random();
  const hash = randomBytes(64);
  const multiply = (): Uint8Array => sodium.crypto_scalarmult_ristretto255(scalar, element);
  return {
    // Per token: the evaluation, its weight and its share of the composite; per batch: Z and the proof's commitments.
    issue() {
      repeat(BATCH, () => {
        multiply();
        sodium.crypto_core_ristretto255_scalar_reduce(hash);
        sodium.crypto_core_ristretto255_add(element, multiply());
      });
      multiply();
      multiply();
      sodium.crypto_scalarmult_ristretto255_base(scalar);
    },
    redeem: () =>
      repeat(BATCH, () =>
        sodium.crypto_scalarmult_ristretto255(scalar, sodium.crypto_core_ristretto255_from_hash(hash)),
      ),
  };
}

function bareRsa(keys: IssuerKeys, request: Buffer, token: Buffer): Bare {
  const issuer = keys.current("deliver", NOW, BLIND_RSA);
  if (issuer.type !== BLIND_RSA) throw new Error("type");
  const secret = issuer.secret.use((der) => createPrivateKey({ key: der, format: "der", type: "pkcs8" }));
  const blinded = entryOf(parseGenericRequest(request).list, 0);
  const key = { key: issuer.verifier.key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 48 };
  const { input, authenticator } = parseToken(token);
  return {
    issue: () => repeat(BATCH, () => privateDecrypt({ key: secret, padding: constants.RSA_NO_PADDING }, blinded)),
    redeem: () => repeat(BATCH, () => verify("sha384", input, key, authenticator)),
  };
}

export const bareOf = (type: TokenType, keys: IssuerKeys, request: Buffer, token: Buffer): Bare =>
  type === BLIND_RSA ? bareRsa(keys, request, token) : bareVoprf(request);
