// What a foreign client of Privacy Pass has around it in the tests: plain HTTP over the house's socket, an account's
// signature on what it asks for, and a request of the API that carries its token in the Authorization header.
import { API_PATH } from "../../src/wire/frame.ts";
import { rawAccount, rawHouse, type AskedHouse, type RawAccount } from "../raw-account.ts";
import { sealRequest, type RawReply } from "../raw-client.ts";
import { ask, httpHead, type HttpReply } from "./envelope-client.ts";

export type ForeignHouse = AskedHouse & { readonly socketPath: string };

/** One request over plain HTTP. */
export async function plain(
  { socketPath }: ForeignHouse,
  line: string,
  headers: readonly string[] = [],
  body: Uint8Array = Buffer.alloc(0),
): Promise<HttpReply> {
  const reply = await ask(socketPath, httpHead(body.length, headers, `${line} HTTP/1.1`), body);
  if (reply === undefined) throw new Error("no reply");
  return reply;
}

/** A token request as `account`. */
export const requestTokens = (
  house: ForeignHouse,
  account: RawAccount,
  mediaType: string,
  body: Uint8Array,
  authorization = account.authorize(mediaType, body),
): Promise<HttpReply> =>
  plain(
    house,
    "POST /token-request",
    [`Content-Type: ${mediaType}`, ...(authorization === "" ? [] : [`Authorization: ${authorization}`])],
    body,
  );

/** A new account, with nothing drawn yet. */
export async function newcomer(house: ForeignHouse, name: string): Promise<RawAccount> {
  const raw = await rawHouse(house);
  try {
    return await rawAccount(house, raw, name);
  } finally {
    raw.close();
  }
}

export interface Discovery extends RawReply {
  /** The value of WWW-Authenticate. */
  readonly challenge: string | undefined;
}

/** as.discover in an envelope without a token, beside the Authorization header given. */
export async function discover(house: ForeignHouse, authorization?: string): Promise<Discovery> {
  const raw = await rawHouse(house);
  raw.close();
  const operation = "as.discover";
  const sealed = sealRequest(raw.to, { operation, request: { name: Buffer.from("nobody") }, now: house.now() });
  const headers = authorization === undefined ? [] : [`Authorization: ${authorization}`];
  const reply = await plain(house, `POST ${API_PATH}`, headers, sealed.body);
  return { ...sealed.open(reply), challenge: reply.headers.get("www-authenticate") };
}

/** `fetch` for `https://<onion>/...` over the house's socket, that signs token requests as the account which `who` gives. */
export const fetchThrough =
  (house: ForeignHouse, who: () => RawAccount): typeof fetch =>
  async (input, init) => {
    const url = new URL(input instanceof Request ? input.url : input);
    if (url.origin !== `https://${house.onion}`) throw new Error("another host");
    const headers = new Headers(init?.headers);
    const body = init?.body instanceof Uint8Array ? init.body : new Uint8Array(0);
    const type = headers.get("content-type");
    if (type !== null) headers.set("authorization", who().authorize(type, body));
    const rows = [...headers].map(([name, value]) => `${name}: ${value}`);
    const reply = await plain(house, `${init?.method ?? "GET"} ${url.pathname}`, rows, body);
    return new Response(Uint8Array.from(reply.body), { status: reply.status, headers: [...reply.headers] });
  };
