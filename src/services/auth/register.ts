// Makes an account for a free user name and signs its first client's credential.
import { randomFill } from "../../crypto/random.ts";
import { SIGNATURE_LENGTH, verify } from "../../crypto/sign.ts";
import { Fault } from "../../fault.ts";
import { credential, DOCUMENT_VERSION, isUserName } from "../../wire/documents.ts";
import type { AuthSigner, Call, Handler } from "../ports.ts";
import { accountRecord, dayOf, nameRecord, save } from "./records.ts";

/** Days for which a client credential is good, the day of signing not counted. */
export const CREDENTIAL_DAYS = 90;

/** Faults `account/name`, `auth/signature` (the proof is not the client key's), `account/taken`. */
export const register =
  (domain: Uint8Array, signer: AuthSigner): Handler<"as.register"> =>
  async ({ name, clientKey, proof }, call) => {
    if (!isUserName(name)) throw new Fault("account/name");
    if (!verify(proof, "credentialRequest", clientKey, domain, name, clientKey)) throw new Fault("auth/signature");
    const userId = randomFill(call.arena.take(16));
    const clientId = randomFill(call.arena.take(16));
    await call.tx.lock("name", name);
    if ((await call.tx.get("name", name)) !== undefined) throw new Fault("account/taken");

    const day = dayOf(call.now);
    const signed = signCredential(call, signer, {
      version: DOCUMENT_VERSION,
      userId,
      clientId,
      name,
      domain,
      clientKey,
      issuer: signer.publicKey,
      notBefore: day,
      notAfter: day + CREDENTIAL_DAYS,
    });
    const empty = call.arena.take(0);
    save(call, "account", accountRecord, userId, { name, clients: [{ clientId, clientKey }] });
    save(call, "name", nameRecord, name, {
      userId,
      credential: signed,
      packages: [],
      lastResort: empty,
      publications: [],
    });
    return { userId, clientId, credential: signed };
  };

function signCredential(call: Call, signer: AuthSigner, body: Parameters<typeof credential.size>[0]): Buffer {
  const size = credential.size(body);
  const document = call.arena.take(size + SIGNATURE_LENGTH);
  credential.write(body, document, 0);
  signer.sign(document.subarray(size), document.subarray(0, size));
  return document;
}
