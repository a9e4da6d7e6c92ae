// Offers on their way: each is saved with the token that pays for it before it is sent, and sent as the very same request
// until it is answered.
import { randomBytes } from "../crypto/random.ts";
import { Fault } from "../fault.ts";
import { bytes, fixed, list, struct, type ValueOf } from "../wire/codec.ts";
import { NAME_MAX, OFFER_LENGTH } from "../wire/documents.ts";
import { REQUEST_ID_LENGTH, TOKEN_SLOT_LENGTH } from "../wire/frame.ts";
import { freshCircuit } from "./circuits.ts";
import { entry, type Entry } from "./sections.ts";
import type { Session } from "./session.ts";
import type { Tokens } from "./wallet.ts";

const SECTION = "connects";
const MAX = 200;

const connect = struct({
  name: bytes(NAME_MAX),
  offer: fixed(OFFER_LENGTH),
  requestId: fixed(REQUEST_ID_LENGTH),
  /** Empty until it is paid for. */
  token: bytes(TOKEN_SLOT_LENGTH),
});
type Connect = ValueOf<typeof connect>;
const record = struct({ waiting: list(connect, MAX) });

export class Connects {
  readonly #session: Session;
  #waiting: readonly Connect[] = [];

  constructor(session: Session) {
    this.#session = session;
  }

  async load(): Promise<void> {
    this.#waiting = (await this.#session.sections.load(SECTION, record))?.waiting ?? [];
  }

  entry(): Entry {
    return entry(SECTION, record, { waiting: this.#waiting });
  }

  /** What puts back the state of now. */
  snapshot(): () => void {
    const before = this.#waiting;
    return () => (this.#waiting = before);
  }

  /** Puts an offer behind those that wait, in memory alone: the caller saves `entry()`, then asks for `flush`. */
  add(name: Uint8Array, offer: Uint8Array): void {
    const fresh = { name: Buffer.from(name), offer, requestId: randomBytes(REQUEST_ID_LENGTH), token: Buffer.alloc(0) };
    this.#waiting = [...this.#waiting, fresh].slice(-MAX);
  }

  /** Sends what waits, each alone on a circuit of its own. ClientError `client/no-tokens`. */
  async flush(tokens: Tokens): Promise<void> {
    for (let first = this.#waiting[0]; first !== undefined; first = this.#waiting[0]) {
      if (first.token.length === 0) first = await this.#paid(first, tokens);
      const { name, offer, requestId, token } = first;
      const circuit = freshCircuit("connect");
      try {
        const ask = { operation: "as.connect", circuit, request: { name, offer }, requestId, token } as const;
        await this.#session.call(ask, () => undefined);
        await this.#replace(first);
      } catch (error) {
        if (!(error instanceof Fault && error.code.startsWith("token/"))) throw error;
        // Spent: by this very request, so long ago that the answer is gone. Otherwise its key is gone: pay anew.
        await this.#replace(first, ...(error.code === "token/spent" ? [] : [{ ...first, token: Buffer.alloc(0) }]));
        if (error.code !== "token/spent" && error.code !== "token/unknown-key") throw error;
      } finally {
        this.#session.transport.closeCircuit(circuit);
      }
    }
  }

  #paid(first: Connect, tokens: Tokens): Promise<Connect> {
    return tokens.spend("as.connect", async (token) => {
      const paid = { ...first, token: Buffer.from(token) };
      await this.#replace(first, paid);
      return paid;
    });
  }

  async #replace(one: Connect, ...by: Connect[]): Promise<void> {
    const before = this.#waiting;
    this.#waiting = before.flatMap((other) => (other === one ? by : [other]));
    try {
      await this.#session.sections.save(this.entry());
    } catch (error) {
      this.#waiting = before;
      throw error;
    }
  }
}
