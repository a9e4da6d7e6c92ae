// The koa application: four paths, one set of headers, no word of an error.
import type { IncomingMessage, ServerResponse } from "node:http";
import Koa from "koa";
import { Fault } from "../fault.ts";
import { wipe } from "../memory/locked.ts";
import { API_PATH, DIRECTORY_PATH, requestLength } from "../wire/frame.ts";
import { UploadEnded, type Upload } from "./body.ts";
import { exchange, type ExchangeDeps } from "./exchange.ts";
import { issue, ISSUANCE_PATH } from "./issuance.ts";
import { steadily } from "./steady.ts";
import type { Documents, Issuance } from "./types.ts";

/** Every body carries this type, but for the issuer directory and token responses (RFC 9578 sections 4 to 6). */
const OCTETS = "application/octet-stream";
const ISSUERS_TYPE = "application/private-token-issuer-directory";
export const ISSUERS_PATH = "/.well-known/private-token-issuer-directory";
/** Bytes of an upload nobody wants that are read and wiped before the answer; what is longer loses its connection. */
export const DRAIN_LIMIT = requestLength("large");

interface Page {
  readonly status: number;
  readonly body: Buffer;
  readonly type?: string;
  readonly challenge?: string;
}
const nothing: Page = { status: 404, body: Buffer.alloc(0) };
const page = (document: Uint8Array, type = OCTETS): Page => ({ status: 200, body: Buffer.from(document), type });

function publicPage(method: string | undefined, url: string | undefined, documents: Documents): Page {
  if (method !== "GET") return nothing;
  if (url === DIRECTORY_PATH) return page(documents.directory());
  if (url === ISSUERS_PATH && documents.issuers !== undefined) return page(documents.issuers(), ISSUERS_TYPE);
  return nothing;
}

const closed = (res: ServerResponse): Promise<void> =>
  new Promise((resolve) => void (res.closed ? resolve() : res.once("close", resolve)));

export interface AppDeps extends ExchangeDeps {
  readonly documents: Documents;
  /** Answers token requests over plain HTTP. Without it the path is not there. */
  readonly issuance?: Issuance;
  /** Milliseconds: replies leave at multiples of it, counted from the end of their request. 0: at once. */
  readonly replyStep: number;
}

/** `uploadOf` gives the reader that was put on a request before koa saw it. */
export function makeApp(
  deps: AppDeps,
  uploadOf: (request: IncomingMessage) => Upload | undefined,
): (request: IncomingMessage, response: ServerResponse) => Promise<void> {
  const { issuance } = deps;
  const pageOf = (upload: Upload, { method, url, headers }: IncomingMessage, res: ServerResponse): Promise<Page> => {
    if (method === "POST" && url === API_PATH) return exchange(upload, headers.authorization, closed(res), deps);
    if (method === "POST" && url === ISSUANCE_PATH && issuance !== undefined)
      return issue(upload, headers, { ...deps, issuance });
    return Promise.resolve(publicPage(method, url, deps.documents));
  };
  const app = new Koa();
  app.silent = true;
  app.on("error", () => undefined);
  app.use(async (context) => {
    const { req, res } = context;
    try {
      const upload = uploadOf(req);
      if (upload === undefined) throw new Fault("server/error");
      const due = steadily(upload.whole, deps.replyStep);
      const { status, body, type, challenge } = await pageOf(upload, req, res);
      // A client that writes before it reads must not find a closed connection: its upload is heard to the end.
      const whole = await upload.drain(DRAIN_LIMIT);
      if (whole) await due();
      context.status = status;
      context.body = body;
      context.type = type ?? OCTETS;
      if (challenge !== undefined) context.set("WWW-Authenticate", challenge);
      if (!whole) context.set("Connection", "close");
      if (res.closed) wipe(body);
      else res.once("close", () => wipe(body));
    } catch (error) {
      if (!(error instanceof UploadEnded)) deps.observe.event("request-crashed");
      context.respond = false;
      req.socket.destroy();
    }
  });
  return app.callback();
}
