// An account made below the SDK, with tokens of every class: for tests of the gate and for benches.
import { makeClientList, userIdOf } from "../src/client/client-list.ts";
import { sign, signKeypair } from "../src/crypto/sign.ts";
import { lockedAlloc } from "../src/memory/locked.ts";
import { API_PATH, DIRECTORY_PATH, TOKEN_SLOT_LENGTH, windowOf } from "../src/wire/frame.ts";
import { TOKEN_LENGTH } from "../tokens/token.ts";
import { MAX_BATCH, operations, type OperationName, type TokenClass } from "../src/wire/operations.ts";
import {
  blindBatch,
  finishBatch,
  FINISHED_LENGTH,
  freshPending,
  PENDING_LENGTH,
  writeToken,
} from "../tokens/blinding.ts";
import { challengeDigest, tokenChallenge } from "../tokens/challenge.ts";
import { tokenClasses } from "../tokens/classes.ts";
import { decodeInvitation } from "../tokens/invitation.ts";
import type { socketTransport } from "../tor/socket-transport.ts";
import { keySigner, readDirectory, replyOf, sealRequest, type RawReply, type RawRequest } from "./raw-client.ts";

/** What of a test house, in this process or its own, is needed here. */
export interface AskedHouse {
  readonly onion: string;
  transport(): ReturnType<typeof socketTransport>;
  now(): number;
  invite(): string[];
}

export type Ask = <N extends OperationName>(raw: Omit<RawRequest<N>, "now"> & { now?: number }) => Promise<RawReply>;

export interface RawHouse {
  readonly to: ReturnType<typeof readDirectory>;
  readonly ask: Ask;
  close(): void;
}

/** Reads the directory once and asks over one connection after the other. */
export async function rawHouse(house: AskedHouse): Promise<RawHouse> {
  const transport = house.transport();
  const to = readDirectory((await transport.get("raw", DIRECTORY_PATH)).body);
  return {
    to,
    async ask(raw) {
      const sealed = sealRequest(to, { now: house.now(), ...raw });
      return sealed.open(await transport.post("raw", API_PATH, sealed.body));
    },
    close: () => transport.close(),
  };
}

/** Takes from `tokens` what an operation costs, one slot behind the other. */
export const pay = (operation: OperationName, tokens: Buffer[]): Buffer =>
  Buffer.concat(tokens.splice(0, operations[operation].price));

export const invitationToken = (house: AskedHouse): Buffer => {
  const token = Buffer.alloc(TOKEN_SLOT_LENGTH);
  decodeInvitation(token.subarray(0, TOKEN_LENGTH), house.invite()[0] ?? "");
  return token;
};

export interface RawAccount {
  readonly userId: Uint8Array;
  readonly clientId: Uint8Array;
  readonly signer: ReturnType<typeof keySigner>;
  /** The Authorization value for a token request over plain HTTP (PROTOCOL.md section 12). */
  authorize(mediaType: string, body: Uint8Array, window?: number): string;
  /** A batch of fresh tokens, a whole one unless `count` is given. */
  draw(tokenClass: TokenClass, count?: number): Promise<Buffer[]>;
}

/** `admission`: the slot that pays for the registration; an invitation of the house unless given. */
export async function rawAccount(
  house: AskedHouse,
  { to, ask }: RawHouse,
  name: string,
  admission?: { readonly slot: Buffer; readonly requestId?: Uint8Array },
): Promise<RawAccount> {
  const [clientKey, secret] = [Buffer.alloc(32), lockedAlloc(64)];
  signKeypair(clientKey, secret);
  const userName = Buffer.from(name);
  const proof = sign(Buffer.alloc(64), "credentialRequest", secret, to.domain, userName, clientKey);
  const recoveryKey = Buffer.alloc(32);
  signKeypair(recoveryKey, lockedAlloc(64));
  const ownId = userIdOf(to.domain, clientKey, recoveryKey);
  const first = { domain: to.domain, userId: ownId, number: 1, previous: undefined, recoveryKey };
  const clientList = makeClientList({ ...first, clients: [clientKey], signer: clientKey }, (out, purpose, ...parts) =>
    sign(out, purpose, secret, ...parts),
  );
  const request = { name: userName, clientKey, recoveryKey, proof, clientList };
  const { slot: token = invitationToken(house), requestId } = admission ?? {};
  const registered = await ask({ operation: "as.register", request, token, ...(requestId && { requestId }) });
  if (registered.code !== "ok") throw new Error(registered.code);
  const { userId, clientId } = replyOf("as.register", registered);
  const signer = keySigner(secret);
  return {
    userId,
    clientId,
    signer,
    authorize(mediaType, body, window = windowOf(house.now())) {
      const signedWindow = Buffer.alloc(4);
      signedWindow.writeUInt32BE(window);
      const signature = sign(
        Buffer.alloc(64),
        "issuance",
        secret,
        to.domain,
        signedWindow,
        Buffer.from(mediaType),
        body,
      );
      const [user, client, text] = [userId, clientId, signature].map((b) => Buffer.from(b).toString("base64url"));
      return `Tacet user="${user}", client="${client}", window="${window}", signature="${text}"`;
    },
    async draw(tokenClass, count = MAX_BATCH) {
      const issuers = to.issuers.filter((issuer) => issuer.class === tokenClasses[tokenClass]);
      const issuer = issuers.sort((a, b) => b.epoch - a.epoch)[0];
      if (issuer === undefined) throw new Error("no issuer");
      const key = {
        publicKey: issuer.publicKey,
        challengeDigest: challengeDigest(tokenChallenge(house.onion)),
      };
      const pending = lockedAlloc(count * PENDING_LENGTH);
      freshPending(pending);
      const tokenRequest = blindBatch(key, pending);
      const reply = await ask({ operation: "as.issueTokens", request: { userId, clientId, tokenRequest }, signer });
      if (reply.code !== "ok") throw new Error(reply.code);
      const finished = lockedAlloc(count * FINISHED_LENGTH);
      finishBatch(finished, key, pending, tokenRequest, replyOf("as.issueTokens", reply).tokenResponse);
      return Array.from({ length: count }, (_, i) => {
        const slot = Buffer.alloc(TOKEN_SLOT_LENGTH);
        writeToken(slot.subarray(0, TOKEN_LENGTH), key, finished, i);
        return slot;
      });
    },
  };
}
