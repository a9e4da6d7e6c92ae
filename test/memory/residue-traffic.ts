// Requests full of canaries, sent in every way in which a request can go right or wrong.
import { setTimeout as pause } from "node:timers/promises";
import { randomBytes } from "../../src/crypto/random.ts";
import { sign, signKeypair } from "../../src/crypto/sign.ts";
import { encode } from "../../src/wire/codec.ts";
import { TOKEN_SLOT_LENGTH } from "../../src/wire/frame.ts";
import { operations } from "../../src/wire/operations.ts";
import { ask, buildRequest, httpHead, RawConnection, type BuiltRequest } from "../http/envelope-client.ts";
import type { Canary } from "./canary.ts";

export interface Target {
  readonly socketPath: string;
  /** The envelope key. */
  readonly publicKey: Buffer;
  /** What signatures name as domain. */
  readonly domain: Buffer;
}

export interface Traffic {
  /** Of the plaintext and of the keys that open it. */
  readonly canaries: Canary[];
  /** Of the ciphertext on the wire. */
  readonly wire: Canary[];
  readonly sent: number;
  readonly answered: number;
}

const MESSAGE = 1200;

export async function sendTraffic(target: Target, plain: number, rounds: number): Promise<Traffic> {
  const { socketPath, publicKey, domain } = target;
  const canaries: Canary[] = [];
  const wire: Canary[] = [];
  let sent = 0;
  let answered = 0;

  const make = (options: { bad?: boolean; stale?: boolean; number?: number } = {}): BuiltRequest => {
    sent++;
    const signer = { publicKey: Buffer.alloc(32), secretKey: Buffer.alloc(64) };
    signKeypair(signer.publicKey, signer.secretKey);
    const token = randomBytes(TOKEN_SLOT_LENGTH);
    token.set([0, options.bad ? 0 : 5]);
    const ids = { requestId: randomBytes(16), groupId: randomBytes(16), groupKey: randomBytes(32) };
    const message = Buffer.concat([signer.publicKey, randomBytes(MESSAGE - 32)]);
    const signature = Buffer.alloc(64);
    const now = Date.now() / 1000 - (options.stale ? 3600 : 0);
    const request = buildRequest({
      operation: "ds.send",
      ...(options.number !== undefined && { number: options.number }),
      now,
      publicKey,
      requestId: ids.requestId,
      token,
      payload: (header) => {
        const body = encode(
          operations["ds.send"].request,
          { groupId: ids.groupId, groupKey: ids.groupKey, leaf: 3, message },
          (size) => Buffer.alloc(size),
        );
        sign(signature, "request", signer.secretKey, domain, header, body);
        return Buffer.concat([body, signature]);
      },
    });
    const add = (kind: string, bytes: Buffer) => canaries.push({ kind, bytes });
    for (const [kind, bytes] of Object.entries(ids)) add(kind, bytes);
    add("message", message);
    add("signature", signature);
    add("envelope key", request.context.subarray(0, 32));
    add("exporter secret", request.context.subarray(44));
    add("token", token.subarray(2));
    wire.push({ kind: "wire", bytes: Buffer.from(request.body.subarray(8)) });
    return request;
  };
  const whole = ({ body }: BuiltRequest, extra: string[] = []) => Buffer.concat([httpHead(body.length, extra), body]);
  const once = async (request: BuiltRequest, extra: string[] = []): Promise<number | undefined> => {
    const reply = await ask(socketPath, whole(request, extra));
    return reply && request.open(reply.body).code;
  };
  const loose = async (pieces: Uint8Array[], keep = 20): Promise<void> => {
    const connection = new RawConnection(socketPath);
    for (const piece of pieces) {
      connection.write(piece);
      await pause(3);
    }
    await pause(keep);
    connection.end();
    await connection.closed;
  };

  // The ordinary way, on connections that are kept.
  const kept = Array.from({ length: 4 }, () => new RawConnection(socketPath));
  await Promise.all(
    kept.map(async (connection, lane) => {
      for (let i = lane; i < plain; i += kept.length) {
        const request = make();
        connection.write(whole(request));
        const reply = await connection.reply();
        const opened = reply && request.open(reply.body);
        if (opened?.code !== 0) continue;
        answered++;
        canaries.push({ kind: "reply signature", bytes: Buffer.from(opened.payload.subarray(48, 112)) });
      }
    }),
  );

  const ways: Record<string, () => Promise<unknown>> = {
    split: () => {
      const bytes = whole(make());
      return loose(
        [40, 300, 2000].map((at, i, all) => bytes.subarray(i === 0 ? 0 : all[i - 1], at)).concat(bytes.subarray(2000)),
      );
    },
    abortInPreamble: () => loose([whole(make()).subarray(0, 200)], 0),
    abortInBody: () => loose([whole(make()).subarray(0, 3000)], 0),
    stall: () => loose([whole(make()).subarray(0, 3000)], 100),
    longer: () => {
      const { body } = make();
      return loose([httpHead(body.length + 1), body, Buffer.from("x")]);
    },
    shorter: () => {
      const { body } = make();
      return loose([httpHead(body.length - 1), body]);
    },
    otherPath: () => {
      const { body } = make();
      return loose([httpHead(body.length, [], "PUT /elsewhere HTTP/1.1"), body]);
    },
    notHttp: () => loose([Buffer.concat([Buffer.from("POST /v1 HTTP/1.1\r\nHo st: x\r\n\r\n"), make().body])]),
    chunked: () => {
      const { body } = make();
      const head = `POST /v1 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n${body.length.toString(16)}\r\n`;
      return loose([Buffer.from(head), body, Buffer.from("\r\n0\r\n\r\n")]);
    },
    pipelined: () => loose([Buffer.concat([whole(make()), whole(make()), whole(make())])]),
    neverReads: async () => {
      const connection = new RawConnection(socketPath);
      connection.socket.pause();
      for (let i = 0; i < 6; i++) {
        connection.write(whole(make()));
        await pause(4);
      }
      connection.end();
    },
    tamperedHeader: () => {
      const { body } = make();
      body[60]! ^= 1;
      return loose([httpHead(body.length), body]);
    },
    tamperedBody: () => {
      const { body } = make();
      body[body.length - 1]! ^= 1;
      return loose([httpHead(body.length), body]);
    },
    refusedToken: () => once(make({ bad: true })),
    stale: () => once(make({ stale: true })),
    unknownOperation: () => once(make({ number: 999 })),
  };
  for (let round = 0; round < rounds; round++) await Promise.all(Object.values(ways).map((way) => way()));
  for (const connection of kept) connection.end();
  return { canaries, wire, sent, answered };
}

/** Requests of foreign clients, whose token is text in an HTTP header. Gives the tokens. */
export async function sendForeign({ socketPath, publicKey }: Target, count: number): Promise<Canary[]> {
  const tokens: Canary[] = [];
  for (let i = 0; i < count; i++) {
    const token = randomBytes(TOKEN_SLOT_LENGTH);
    token.set([0, 5]);
    tokens.push({ kind: `header token ${i}`, bytes: token.subarray(2) });
    const { body } = buildRequest({ now: Date.now() / 1000, publicKey });
    const header = `Authorization: PrivateToken token="${token.toString("base64url")}"`;
    await ask(socketPath, httpHead(body.length, [header]), body);
  }
  return tokens;
}
