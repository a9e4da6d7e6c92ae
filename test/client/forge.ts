// What a malicious house can do with its keys and its store: sign any credential, change any record.
import { readCredential, type CredentialSigner, type Identity } from "../../src/client/credentials.ts";
import { randomBytes } from "../../src/crypto/random.ts";
import { sign, signKeypair } from "../../src/crypto/sign.ts";
import { decode, encode, type Codec } from "../../src/wire/codec.ts";
import * as documents from "../../src/wire/documents.ts";
import type { TestHouse } from "../house.ts";

export interface Forged {
  readonly identity: Identity;
  readonly signer: CredentialSigner;
}

/** A credential as the house would sign it for the name's owner, for a key of its own making. */
export function forge(house: TestHouse, name: string, userId: Uint8Array = randomBytes(16)): Forged {
  const { domain, intermediate } = house.serving.house.identity;
  const [clientKey, secret] = [Buffer.alloc(32), Buffer.alloc(64)];
  signKeypair(clientKey, secret);
  const today = Math.floor(house.now() / 86400);
  const value = { version: 1, userId, clientId: randomBytes(16), name: Buffer.from(name), domain, clientKey };
  const validity = { issuer: intermediate.publicKey, notBefore: today, notAfter: today + 90 };
  const body = encode(documents.credential, { ...value, ...validity }, Buffer.alloc);
  const signature = intermediate.secret.use((key) => sign(Buffer.alloc(64), "credential", key, body));
  const signer: CredentialSigner = (out, purpose, ...signed) => sign(out, purpose, secret, ...signed);
  return { identity: readCredential(Buffer.concat([body, signature])), signer };
}

/** Leaves a user nothing but the last resort. */
export async function dropPackages(house: TestHouse, userId: Uint8Array): Promise<void> {
  const arena = house.arenas.arena();
  try {
    await house.store.transact(arena, async (tx) => tx.deleteRange("connectionPackage", userId, 0, 2 ** 48));
  } finally {
    arena.close();
  }
}

/** Changes a record of the house's store; gives what puts it back. */
export async function rewrite<T>(
  house: TestHouse,
  room: "name" | "keyPackage",
  name: Uint8Array,
  codec: Codec<T>,
  change: (record: T) => T,
): Promise<() => Promise<void>> {
  const arena = house.arenas.arena();
  try {
    const before = await house.store.transact(arena, async (tx) => {
      await tx.lock(room, name);
      const saved = Buffer.from((await tx.get(room, name))!);
      tx.put(room, name, encode(codec, change(decode(codec, saved)), Buffer.alloc));
      return saved;
    });
    return async () => void (await rewrite(house, room, name, codec, () => decode(codec, before)));
  } finally {
    arena.close();
  }
}
