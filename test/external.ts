// Two houses: one issues tokens of type 0x0002, and a client draws them for the other, which takes them.
import { randomBytes } from "../src/crypto/random.ts";
import { lockedAlloc } from "../src/memory/locked.ts";
import { TOKEN_SLOT_LENGTH } from "../src/wire/frame.ts";
import {
  blindBatch,
  finishBatch,
  finishedLengthOf,
  freshPending,
  PENDING_LENGTH,
  writeToken,
} from "../tokens/blinding.ts";
import { challengeDigest, tokenChallenge } from "../tokens/challenge.ts";
import { tokenClasses, type TokenClass } from "../tokens/classes.ts";
import { MAX_TOKEN_LENGTH } from "../tokens/token.ts";
import { BLIND_RSA, VOPRF } from "../tokens/types.ts";
import { startTestHouse, type TestHouse } from "./house.ts";
import { rawAccount, rawHouse } from "./raw-account.ts";
import { replyOf } from "./raw-client.ts";

const ISSUERS_PATH = "/.well-known/private-token-issuer-directory";

/** A house that issues both types. */
export const startIssuer = (): Promise<TestHouse> => startTestHouse({ policy: { types: [VOPRF, BLIND_RSA] } });

/** The issuer directory of a house, over its socket. */
export async function directoryOf(house: TestHouse): Promise<Buffer> {
  const transport = house.transport();
  try {
    return (await transport.get("directory", ISSUERS_PATH)).body;
  } finally {
    transport.close();
  }
}

/** Slots with tokens of type 0x0002 that a new account of `issuer` draws for a challenge. */
export async function drawForeign(
  issuer: TestHouse,
  tokenClass: TokenClass,
  count: number,
  challenge: { readonly origin: string; readonly issuer?: string },
): Promise<Buffer[]> {
  const raw = await rawHouse(issuer);
  try {
    const { userId, clientId, signer } = await rawAccount(issuer, raw, `draws.${randomBytes(8).toString("hex")}`);
    const found = raw.to.issuers.find((k) => k.class === tokenClasses[tokenClass] && k.publicKey.length > 32);
    if (found === undefined) throw new Error("no key");
    const named = tokenChallenge(challenge.origin, BLIND_RSA, challenge.issuer ?? issuer.onion);
    const key = { publicKey: found.publicKey, challengeDigest: challengeDigest(named) };
    const pending = lockedAlloc(count * PENDING_LENGTH);
    freshPending(pending);
    const tokenRequest = blindBatch(key, pending);
    const reply = await raw.ask({ operation: "as.issueTokens", request: { userId, clientId, tokenRequest }, signer });
    if (reply.code !== "ok") throw new Error(reply.code);
    const finished = lockedAlloc(count * finishedLengthOf(BLIND_RSA));
    finishBatch(finished, key, pending, tokenRequest, replyOf("as.issueTokens", reply).tokenResponse);
    return Array.from({ length: count }, (_, i) => {
      const slot = Buffer.alloc(TOKEN_SLOT_LENGTH);
      writeToken(slot.subarray(0, MAX_TOKEN_LENGTH), key, finished, i);
      return slot;
    });
  } finally {
    raw.close();
  }
}
