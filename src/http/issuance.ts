// Token requests over plain HTTP (RFC 9578 sections 5 and 6, draft-ietf-privacypass-batched-tokens) for foreign clients.
import { flushNativeTraces } from "../crypto/flush.ts";
import { Fault, faultOfNumber, type FaultCode } from "../fault.ts";
import type { ArenaPool } from "../memory/arena.ts";
import type { Observer } from "../observe/observer.ts";
import { windowOf } from "../wire/frame.ts";
import { MAX_BATCH } from "../wire/operations.ts";
import { genericLength } from "../../tokens/generic-batch.ts";
import { mediaTypes, readRequest, type RequestForm } from "../../tokens/request.ts";
import { readAccountHeader } from "./account-header.ts";
import { UploadEnded, type Upload } from "./body.ts";
import type { Issuance } from "./types.ts";

export const ISSUANCE_PATH = "/token-request";
/** Bytes of the longest request: a whole batch of type 0x0002. */
export const MAX_TOKEN_REQUEST = genericLength(MAX_BATCH);

export interface IssuanceDeps {
  readonly arenas: ArenaPool;
  readonly issuance: Issuance;
  /** Unix seconds. */
  readonly clock: () => number;
  readonly observe: Observer;
}

/** What goes out over HTTP; a refusal has no body. */
export interface Issued {
  readonly status: number;
  readonly body: Buffer;
  /** Content-Type. */
  readonly type?: string;
  /** The value of WWW-Authenticate. */
  readonly challenge?: string;
}

const forms = Object.entries(mediaTypes).map(([form, { request, response }]) => ({
  form: form as RequestForm,
  request,
  signed: Buffer.from(request),
  response,
}));

/** HTTP statuses of refusals; what is of the server's own is 503, whatever else there may be 400. */
const statuses: Partial<Record<FaultCode, number>> = {
  "auth/signature": 401,
  "auth/stale": 401,
  // RFC 9578 sections 5.2 and 6.2: neither the key is the issuer's nor the request one that it can process
  "token/batch": 422,
  "token/unknown-key": 422,
  "token/conflict": 409,
  "token/allowance": 429,
};
const statusOf = (code: FaultCode): number => statuses[code] ?? (code.startsWith("server/") ? 503 : 400);

const refused = (status: number, challenge?: string): Issued => ({
  status,
  body: Buffer.alloc(0),
  ...(challenge !== undefined && { challenge }),
});

/** As [5.2] of PROTOCOL.md: who has another window is told the house's. */
function refusal(code: FaultCode, now: number): Issued {
  if (code === "auth/stale") return refused(401, `Tacet window="${windowOf(now)}"`);
  return code === "auth/signature" ? refused(401, "Tacet") : refused(statusOf(code));
}

/** Answers one token request. Rejects with UploadEnded when the client went away before its request was whole. */
export async function issue(
  upload: Upload,
  headers: { readonly "content-type"?: string | undefined; readonly authorization?: string | undefined },
  { arenas, issuance, clock, observe }: IssuanceDeps,
): Promise<Issued> {
  const type = headers["content-type"]?.toLowerCase();
  const asked = forms.find(({ request }) => request === type);
  const length = upload.length ?? 0;
  if (asked === undefined || length === 0 || length > MAX_TOKEN_REQUEST) {
    observe.refused(asked === undefined ? "wire/malformed" : "wire/size-class");
    return refused(asked === undefined ? 415 : length === 0 ? 400 : 413);
  }
  const arena = arenas.arena();
  const now = clock();
  try {
    const account = readAccountHeader(headers.authorization, arena);
    const body = arena.take(length);
    await upload.fill(body);
    if (readRequest(body).form !== asked.form) throw new Fault("token/batch");
    const reply = await issuance({ ...account, mediaType: asked.signed, body, arena, now });
    const code = faultOfNumber(reply.code);
    if (code !== undefined) throw new Fault(code);
    // The socket needs it longer than the arena lives; whoever sends it wipes it.
    const response = Buffer.allocUnsafeSlow(reply.payload.length);
    response.set(reply.payload);
    observe.served();
    return { status: 200, body: response, type: asked.response };
  } catch (error) {
    if (error instanceof UploadEnded) throw error;
    if (!(error instanceof Fault)) observe.event("request-crashed");
    const code = error instanceof Fault ? error.code : "server/error";
    observe.refused(code);
    return refusal(code, now);
  } finally {
    arena.close();
    flushNativeTraces();
  }
}
