// The client's half of the envelope, for tests: builds whole requests and opens whole replies.
import { connect, type Socket } from "node:net";
import { CONTEXT_LENGTH, openReply, sealWith, setupSender } from "../../src/crypto/hpke.ts";
import { sha256 } from "../../src/crypto/hash.ts";
import { randomBytes } from "../../src/crypto/random.ts";
import { Fault } from "../../src/fault.ts";
import { encode } from "../../src/wire/codec.ts";
import {
  API_PATH,
  ENC_OFFSET,
  HEADER_LENGTH,
  HEADER_OFFSET,
  KEY_ID_LENGTH,
  header,
  pad,
  requestLength,
  sizes,
  TOKEN_SLOT_LENGTH,
  unpadReply,
  windowOf,
  type SizeClass,
} from "../../src/wire/frame.ts";
import { operations, type OperationName } from "../../src/wire/operations.ts";

export interface RequestSpec {
  readonly operation?: OperationName;
  readonly number?: number;
  readonly size?: SizeClass;
  readonly token?: Uint8Array;
  readonly requestId?: Uint8Array;
  /** A function is given the header's plaintext, which signatures cover. */
  readonly payload?: Uint8Array | ((plainHeader: Buffer) => Uint8Array);
  readonly now: number;
  readonly publicKey: Uint8Array;
  /** Changes the header's plaintext before it is sealed. */
  readonly spoilHeader?: (plain: Buffer) => void;
  /** Changes the body's frame before it is sealed. */
  readonly spoilFrame?: (frame: Buffer) => void;
}
export interface BuiltRequest {
  readonly body: Buffer;
  readonly header: Buffer;
  /** The HPKE context: key, base nonce, exporter secret. */
  readonly context: Buffer;
  /** Throws when the reply was not sealed to this request. */
  open(reply: Uint8Array): { code: number; payload: Buffer };
}

export function buildRequest(spec: RequestSpec): BuiltRequest {
  const { operation = "as.discover", now, publicKey } = spec;
  const size = spec.size ?? operations[operation].size.request;
  const body = Buffer.alloc(requestLength(size));
  body[0] = 1;
  sha256(Buffer.alloc(32), publicKey).copy(body, 1, 0, KEY_ID_LENGTH);
  const context = Buffer.alloc(CONTEXT_LENGTH);
  const enc = body.subarray(ENC_OFFSET, HEADER_OFFSET);
  setupSender(context, enc, "request", publicKey);
  const fields = {
    version: 1,
    reserved: 0,
    operation: spec.number ?? operations[operation].number,
    window: windowOf(now),
    requestId: spec.requestId ?? randomBytes(16),
    token: spec.token ?? Buffer.alloc(TOKEN_SLOT_LENGTH),
    padding: Buffer.alloc(6),
  };
  const plain = encode(header, fields, (length) => Buffer.alloc(length));
  spec.spoilHeader?.(plain);
  const headerEnd = HEADER_OFFSET + HEADER_LENGTH + 16;
  sealWith(context, 0, body.subarray(HEADER_OFFSET, headerEnd), plain, body.subarray(0, ENC_OFFSET));
  const frame = Buffer.alloc(sizes[size]);
  const { payload = Buffer.alloc(0) } = spec;
  pad(frame, typeof payload === "function" ? payload(plain) : payload);
  spec.spoilFrame?.(frame);
  sealWith(context, 1, body.subarray(headerEnd), frame);
  return {
    body,
    header: plain,
    context,
    open(reply) {
      const opened = Buffer.alloc(Math.max(reply.length - 48, 0));
      if (opened.length === 0) throw new Fault("crypto/open");
      openReply(opened, context, enc, reply);
      return unpadReply(opened);
    },
  };
}

export interface HttpReply {
  readonly status: number;
  /** As received, in order, lower-case names. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Buffer;
}

export const httpHead = (length: number, extra: readonly string[] = [], line = `POST ${API_PATH} HTTP/1.1`): Buffer =>
  Buffer.from([line, "Host: x", `Content-Length: ${length}`, ...extra, "", ""].join("\r\n"));

/** One raw HTTP/1.1 connection over a unix socket: requests are written as bytes, replies read one after the other. */
export class RawConnection {
  readonly socket: Socket;
  readonly closed: Promise<void>;
  #received = Buffer.alloc(0);
  #over = false;
  #wake: () => void = () => undefined;

  constructor(path: string) {
    this.socket = connect({ path });
    this.socket.on("data", (chunk: Buffer) => {
      this.#received = Buffer.concat([this.#received, chunk]);
      this.#wake();
    });
    this.socket.on("error", () => undefined);
    this.closed = new Promise((resolve) => {
      this.socket.on("close", () => {
        this.#over = true;
        this.#wake();
        resolve();
      });
    });
  }

  write(...pieces: Uint8Array[]): void {
    for (const piece of pieces) this.socket.write(piece);
  }

  /** The next reply, or undefined when the connection ended before it was whole. */
  async reply(): Promise<HttpReply | undefined> {
    for (;;) {
      const found = this.#parse();
      if (found !== undefined) return found;
      if (this.#over) return undefined;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  #parse(): HttpReply | undefined {
    const end = this.#received.indexOf("\r\n\r\n");
    if (end < 0) return undefined;
    const [line = "", ...rows] = this.#received.toString("latin1", 0, end).split("\r\n");
    const headers = new Map(
      rows.map((row) => {
        const at = row.indexOf(":");
        return [row.slice(0, at).toLowerCase(), row.slice(at + 1).trim()] as const;
      }),
    );
    const total = end + 4 + Number(headers.get("content-length") ?? 0);
    if (this.#received.length < total) return undefined;
    const body = this.#received.subarray(end + 4, total);
    this.#received = this.#received.subarray(total);
    return { status: Number(line.split(" ")[1]), headers, body };
  }

  end(): void {
    this.socket.destroy();
  }
}

/** One request on a connection of its own. */
export async function ask(path: string, ...pieces: Uint8Array[]): Promise<HttpReply | undefined> {
  const connection = new RawConnection(path);
  try {
    connection.write(...pieces);
    return await connection.reply();
  } finally {
    connection.end();
  }
}
