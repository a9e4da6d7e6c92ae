// What stands in front of the house sees: lengths, one path, one set of headers.
import { API_PATH } from "../../src/wire/frame.ts";
import type { Exchange } from "./recording-proxy.ts";

export interface WireReport {
  readonly exchanges: number;
  /** Pairs of the length of a request and of its reply, and how often each came. */
  readonly shapes: number;
  readonly lengths: Readonly<Record<string, number>>;
  readonly paths: readonly string[];
  /** Different sets of headers, their lengths and challenges aside. */
  readonly request_headers: number;
  readonly reply_headers: number;
  /** Headers that tell a time, a name or a digest. */
  readonly telling: readonly string[];
  /** The same counts with one request of another kind among them: each is more by one. */
  readonly control: {
    readonly shapes: number;
    readonly paths: number;
    readonly reply_headers: number;
    readonly telling: number;
  };
}

const TELLING = /^(date|etag|server|x-.*|last-modified|expires|age|via|set-cookie|keep-alive)$/;
/** Their values go with the shape, and with the status: neither is one more thing to see. */
const ELSEWHERE = new Set(["content-length", "www-authenticate"]);

const setOf = (headers: Exchange["request"]["headers"]): string =>
  headers
    .filter(([name]) => name !== "www-authenticate")
    .map(([name, value]) => (ELSEWHERE.has(name) ? name : `${name}: ${value}`))
    .join("\n");

function counted(exchanges: readonly Exchange[]): Omit<WireReport, "control"> {
  const api = exchanges.filter(({ request }) => request.line.startsWith("POST "));
  const lengths: Record<string, number> = {};
  for (const { request, reply } of api) {
    const shape = `${request.length} > ${reply.length}`;
    lengths[shape] = (lengths[shape] ?? 0) + 1;
  }
  return {
    exchanges: api.length,
    shapes: Object.keys(lengths).length,
    lengths,
    paths: [...new Set(api.map(({ request }) => request.line.split(" ")[1] ?? ""))],
    request_headers: new Set(api.map(({ request }) => setOf(request.headers))).size,
    reply_headers: new Set(api.map(({ reply }) => setOf(reply.headers))).size,
    telling: [
      ...new Set(api.flatMap(({ reply }) => reply.headers.map(([name]) => name).filter((name) => TELLING.test(name)))),
    ],
  };
}

export function wire(exchanges: readonly Exchange[]): WireReport {
  const planted: Exchange = {
    request: { line: `POST ${API_PATH}/other HTTP/1.1`, headers: [["host", "x"]], length: 17 },
    reply: { line: "HTTP/1.1 200 OK", headers: [["date", "Thu, 01 Jan 1970 00:00:00 GMT"]], length: 3 },
  };
  const { shapes, paths, reply_headers, telling } = counted([...exchanges, planted]);
  return {
    ...counted(exchanges),
    control: { shapes, paths: paths.length, reply_headers, telling: telling.length },
  };
}
