// Looking a name up: an anonymous question for a token, alone on its circuit. The answer is verified, the house believed in
// nothing that a client's key should say.
import { verify } from "../crypto/sign.ts";
import { Fault } from "../fault.ts";
import { equal } from "../memory/locked.ts";
import { decode } from "../wire/codec.ts";
import * as documents from "../wire/documents.ts";
import { freshCircuit } from "./circuits.ts";
import { readClientList } from "./client-list.ts";
import { verifyConnectionPackage, verifyCredential, type Identity } from "./credentials.ts";
import { isValidOn, type ServerDirectory } from "./directory.ts";
import { ClientError } from "./errors.ts";
import type { Session } from "./session.ts";
import type { Tokens } from "./wallet.ts";

const DAY = 86400;

/** Who has a name: a user by one of its clients, or an alias, of which nobody knows whose it is. */
export type Found =
  | { readonly user: Identity; readonly clientList: Uint8Array; readonly sealKey: Uint8Array }
  | { readonly aliasKey: Uint8Array; readonly sealKey: Uint8Array };

/** Runs `work` on a circuit that is used for nothing else. */
export async function alone<T>(
  { transport }: Session,
  purpose: Parameters<typeof freshCircuit>[0],
  work: (circuit: string) => Promise<T>,
): Promise<T> {
  const circuit = freshCircuit(purpose);
  try {
    return await work(circuit);
  } finally {
    transport.closeCircuit(circuit);
  }
}

/** Costs a `discover` token. Fault `account/name`; ClientError `contact/unknown-name`, `contact/unverified`. */
export async function discover(session: Session, tokens: Tokens, name: string): Promise<Found> {
  const { call, directory, clock } = session;
  const nameBytes = Buffer.from(name);
  if (!documents.isUserName(nameBytes)) throw new Fault("account/name");
  const server = await directory.current();
  return alone(session, "discover", (circuit) =>
    tokens.spend("as.discover", (token) =>
      call({ operation: "as.discover", circuit, request: { name: nameBytes }, token }, (reply) => {
        if (reply.found === 2) return alias(reply, server, clock(), name);
        if (reply.found !== 1) throw new ClientError("contact/unknown-name");
        const user = verifyCredential(reply.credential, server, clock(), name);
        // The credential of a client that was removed is good until it runs out: the list says that it is gone.
        const list = readClientList(reply.clientList, { domain: server.domain, userId: user.userId });
        if (!list.clients.some((one) => equal(one, user.clientKey))) throw new ClientError("contact/unverified");
        const sealKey = verifyConnectionPackage(reply.connectionPackage, user, clock());
        return { user, clientList: list.document, sealKey };
      }),
    ),
  );
}

function alias(
  reply: { readonly credential: Uint8Array; readonly connectionPackage: Uint8Array },
  server: ServerDirectory,
  now: number,
  name: string,
): Found {
  const { aliasKey } = readAliasCredential(reply.credential, server, now, name);
  return { aliasKey, sealKey: verifyConnectionPackage(reply.connectionPackage, { clientKey: aliasKey }, now) };
}

/** ClientError `contact/unverified`: not signed by the server's intermediate for this name, or over. */
export function readAliasCredential(document: Uint8Array, server: ServerDirectory, now: number, name: string) {
  try {
    const { body, signature } = documents.splitSigned(document);
    const found = decode(documents.aliasCredential, Buffer.from(body));
    const issuer = server.issuerKeys.find((key) => equal(key, found.issuer));
    const good =
      issuer !== undefined &&
      verify(signature, "aliasCredential", issuer, body) &&
      found.version === documents.DOCUMENT_VERSION &&
      equal(found.domain, server.domain) &&
      isValidOn(Math.floor(now / DAY), found) &&
      Buffer.from(found.name).toString("latin1") === name;
    if (good) return found;
  } catch {
    // not of the form
  }
  throw new ClientError("contact/unverified");
}
