// The issuer keys of a directory, as a client takes them: so few that none can be one user's own.
import { equal } from "../memory/locked.ts";
import { tokenClassOf } from "../../tokens/classes.ts";
import type { PublicIssuerKey } from "../../tokens/keys.ts";
import { type TokenType, typeOfPublicKey } from "../../tokens/types.ts";
import type { ServerDirectory } from "./directory.ts";
import { ClientError } from "./errors.ts";

/**
 * At most two live keys a class and type, none twice: more would let a server mark a user by the key it hands out.
 * ClientError `server/identity`.
 */
export function issuerKeys(directory: Pick<ServerDirectory, "issuers">): PublicIssuerKey[] {
  const keys = directory.issuers.flatMap(({ class: number, ...key }) => {
    const tokenClass = tokenClassOf(number);
    return tokenClass === undefined ? [] : [{ ...key, class: tokenClass, type: typeOf(key.publicKey) }];
  });
  for (const key of keys) {
    const same = keys.filter((k) => k.class === key.class && k.type === key.type);
    const twice = keys.filter((k) => equal(k.publicKey, key.publicKey) || (same.includes(k) && k.epoch === key.epoch));
    if (same.length > 2 || twice.length > 1) throw new ClientError("server/identity");
  }
  return keys;
}

function typeOf(publicKey: Uint8Array): TokenType {
  try {
    return typeOfPublicKey(publicKey);
  } catch {
    throw new ClientError("server/identity");
  }
}
