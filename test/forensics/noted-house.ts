// A house asked over its socket, with every byte field of what is asked and answered noted; it stands where the tests of
// the services have the services themselves, so that their users, queues and members speak over the wire here.
import { randomBytes } from "../../src/crypto/random.ts";
import { Fault, faults, type FaultCode } from "../../src/fault.ts";
import { decode, type Codec } from "../../src/wire/codec.ts";
import {
  operations,
  type OperationName,
  type ReplyOf,
  type RequestOf,
  type TokenClass,
} from "../../src/wire/operations.ts";
import { invitationToken, pay, rawAccount, rawHouse, type AskedHouse, type RawHouse } from "../raw-account.ts";
import type { RawReply, RawRequest } from "../raw-client.ts";
import { sign } from "../../src/crypto/sign.ts";
import type { Asked, Services, Signer } from "../services/services.ts";
import type { Field } from "./unshared.ts";

/** Every byte field in a decoded value. */
export function fieldsIn(value: unknown, what: string): { what: string; bytes: Buffer }[] {
  if (value instanceof Uint8Array) return [{ what, bytes: Buffer.from(value) }];
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, field]) => fieldsIn(field, /^\d+$/.test(key) ? what : `${what}.${key}`));
}

/** The same value with fresh bytes of the same lengths. */
function strangersOf(value: unknown): unknown {
  if (value instanceof Uint8Array) return randomBytes(value.length);
  if (Array.isArray(value)) return value.map(strangersOf);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, field]) => [key, strangersOf(field)]));
}

const signatureOf = (as: Signer, ...parts: Uint8Array[]): Uint8Array =>
  "secretKey" in as ? sign(Buffer.alloc(64), "request", as.secretKey, ...parts) : as.signWithLeaf("request", ...parts);

/** Names that no other has, of 24 characters. */
export const freshName = (): string => `a${randomBytes(12).toString("hex").slice(0, 23)}`;

export class NotedHouse {
  readonly raw: RawHouse;
  readonly house: AskedHouse;
  readonly fields: Field[] = [];
  readonly accepted = new Set<OperationName>();
  readonly #last = new Map<OperationName, { request: unknown; token: Uint8Array | undefined }>();
  #purse = new Map<TokenClass, Buffer[]>();
  requests = 0;

  private constructor(house: AskedHouse, raw: RawHouse) {
    this.house = house;
    this.raw = {
      ...raw,
      ask: async (request) => {
        const { operation, signer, token } = request;
        const requestId = request.requestId ?? randomBytes(16);
        this.#note(operation, "requestId", requestId);
        for (const { what, bytes } of fieldsIn(request.request, "request")) this.#note(operation, what, bytes);
        // an invitation is a text that the house itself has made and printed
        if (token !== undefined && operation !== "as.register") this.#note(operation, "token", token);
        this.requests++;
        const reply = await raw.ask({
          ...request,
          requestId,
          ...(signer && {
            signer: (...parts: Uint8Array[]) => {
              const signature = signer(...parts);
              this.#note(operation, "signature", signature);
              return signature;
            },
          }),
        });
        this.#noteReply(operation, request, reply);
        return reply;
      },
    };
  }

  /** With an account of its own, whose tokens pay for everything. */
  static async open(house: AskedHouse): Promise<NotedHouse> {
    const noted = new NotedHouse(house, await rawHouse(house));
    const name = freshName();
    const account = await rawAccount(house, noted.raw, name);
    for (const tokenClass of ["create", "discover", "connect", "deliver"] as const)
      noted.#purse.set(tokenClass, await account.draw(tokenClass));
    return noted;
  }

  /** What the tests' users, queues and members take for the services. */
  get services(): Services {
    return this as unknown as Services;
  }

  get domain(): Buffer {
    return Buffer.from(this.raw.to.domain);
  }
  get deliveryKey(): { publicKey: Buffer } {
    return { publicKey: Buffer.from(this.raw.to.deliveryKey) };
  }
  get now(): number {
    return this.house.now();
  }

  #note(operation: string, what: string, bytes: Uint8Array): void {
    this.fields.push({ operation, what, bytes: Buffer.from(bytes) });
  }

  #noteReply(operation: OperationName, asked: Pick<RawRequest, "request" | "token">, reply: RawReply): void {
    const { code, payload } = reply;
    if (code !== "ok") return;
    this.accepted.add(operation);
    this.#last.set(operation, { request: asked.request, token: asked.token });
    const value = decode(operations[operation].reply as Codec<unknown>, payload);
    for (const { what, bytes } of fieldsIn(value, "reply")) this.#note(operation, what, bytes);
  }

  tokens(operation: OperationName): Buffer | undefined {
    const { token } = operations[operation];
    if (token === "none") return undefined;
    if (token === "invite") return invitationToken(this.house);
    return pay(operation, this.#purse.get(token) ?? []);
  }

  async asked<N extends OperationName>(operation: N, request: RequestOf<N>, as?: Signer): Promise<Asked<N>> {
    const token = this.tokens(operation);
    const reply = await this.raw.ask({
      operation,
      request,
      ...(token && { token }),
      ...(as && { signer: (...parts: Uint8Array[]) => signatureOf(as, ...parts) }),
    });
    if (reply.code !== "ok") throw new Fault(reply.code in faults ? (reply.code as FaultCode) : "server/error");
    const value = decode(operations[operation].reply as Codec<unknown>, reply.payload) as ReplyOf<N>;
    return { reply: value, wait: undefined, writes: 0 };
  }

  async ask<N extends OperationName>(operation: N, request: RequestOf<N>, as?: Signer): Promise<ReplyOf<N>> {
    return (await this.asked(operation, request, as)).reply;
  }

  /** Each operation asked once more in ways that are refused: a stranger's ids, no token, a wrong or a spent one, nonsense, a stale clock. */
  async refusals(): Promise<Set<string>> {
    const codes = new Set<string>();
    for (const [operation, { request, token }] of this.#last) {
      const gated = operations[operation].token !== "none";
      const signer = operations[operation].caller === "anonymous" ? {} : { signer: () => randomBytes(64) };
      const wrong = () => (gated ? { token: randomBytes(354) } : {});
      const asks = [
        { operation, request: strangersOf(request) as RequestOf<OperationName>, ...signer, ...wrong() },
        { operation, request: randomBytes(300), ...signer, ...wrong() },
        { operation, request: request as RequestOf<OperationName>, ...signer },
        { operation, request: randomBytes(300), ...signer, now: this.now - 7200 },
        { operation, request: request as RequestOf<OperationName>, ...signer, ...(token && { token }) },
      ];
      for (const ask of asks) codes.add((await this.raw.ask(ask)).code);
    }
    return codes;
  }

  close(): void {
    this.raw.close();
  }
}
