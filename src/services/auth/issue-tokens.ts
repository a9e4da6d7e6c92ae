// Gives an account its batch of tokens: one a class, epoch and key, the same answer for the same request.
import { derive } from "../../crypto/derive.ts";
import { Fault } from "../../fault.ts";
import { equal } from "../../memory/locked.ts";
import { decode, encode } from "../../wire/codec.ts";
import { operations } from "../../wire/operations.ts";
import type { AuthToIssuer, Handler } from "../ports.ts";
import { signedInAlone } from "./client.ts";
import { issuanceRecord } from "./records.ts";

const { answersPerBatch } = operations["as.issueTokens"].limits;

/**
 * Faults `token/allowance` for a batch that was answered too often: each answer costs the house the work of a whole batch
 * and the account nothing. `token/conflict` for a second, different batch, and the issuer's.
 */
export const issueTokens =
  (issuer: AuthToIssuer): Handler<"as.issueTokens"> =>
  async ({ userId, clientId, tokenRequest }, call) => {
    await signedInAlone(call, { userId, clientId });
    const { epoch, keyId } = issuer.identify(tokenRequest, call.now);
    const name = call.arena.take(userId.length + keyId.length);
    name.set(userId);
    name.set(keyId, userId.length);
    const request = derive(call.arena.take(32), "issuanceRequest", undefined, tokenRequest);
    await call.tx.lock("issuance", name);
    const before = await call.tx.get("issuance", name, { partition: epoch });
    const drawn = before && decode(issuanceRecord, before);
    if (drawn !== undefined && !equal(drawn.request, request)) throw new Fault("token/conflict");
    const answers = (drawn?.answers ?? 0) + 1;
    if (answers > answersPerBatch) throw new Fault("token/allowance");
    const record = encode(issuanceRecord, { request, answers }, (size) => call.arena.take(size));
    call.tx.put("issuance", name, record, { partition: epoch });
    return { tokenResponse: await issuer.issue(tokenRequest, call.now, (size) => call.arena.take(size)) };
  };
