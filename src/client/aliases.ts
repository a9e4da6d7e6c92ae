// Aliases: names with a key, a direct queue and an end of their own. To the house nothing ties one to its user.
import { randomBytes, randomFill } from "../crypto/random.ts";
import { SECRET_KEY_LENGTH, sign, SIGNATURE_LENGTH, signKeypair } from "../crypto/sign.ts";
import { Fault } from "../fault.ts";
import { equal, lockedAlloc, wipe } from "../memory/locked.ts";
import { bytes, fixed, list, struct, u32, type ValueOf } from "../wire/codec.ts";
import { isUserName, NAME_MAX } from "../wire/documents.ts";
import { REQUEST_ID_LENGTH, TOKEN_SLOT_LENGTH } from "../wire/frame.ts";
import { MAX_PRICE } from "../wire/operations.ts";
import { freshCircuit } from "./circuits.ts";
import { userIdOf } from "./client-list.ts";
import type { CredentialSigner, Identity } from "./credentials.ts";
import { readAliasCredential } from "./discovery.ts";
import { ClientError } from "./errors.ts";
import { emptyMailbox, isStale, mailbox, publish, readPage, withFresh, type Page, type Receiver } from "./mailbox.ts";
import { entry, type Entry } from "./sections.ts";
import type { Session } from "./session.ts";
import type { Tokens } from "./wallet.ts";

const SECTION = "aliases";
const MAX = 100;
const LINKS = 1000;
const DAY = 86400;
const LINK_LENGTH = 32 + SIGNATURE_LENGTH;

const alias = struct({
  name: bytes(NAME_MAX),
  seed: fixed(32),
  days: u32,
  /** Day on which it ends; 0 until it was created. */
  notAfter: u32,
  /** The creation, kept whole until it is answered. */
  requestId: fixed(REQUEST_ID_LENGTH),
  token: bytes(MAX_PRICE * TOKEN_SLOT_LENGTH),
  mailbox,
});
type Held = ValueOf<typeof alias>;
const record = struct({
  aliases: list(alias, MAX),
  /** For those who asked an alias and were accepted: that it was this user's. */
  links: list(struct({ userId: fixed(16), link: fixed(LINK_LENGTH) }), LINKS),
});
type Links = ValueOf<typeof record>["links"];

/** An own alias. */
export interface Alias {
  readonly name: string;
  /** Its last day, in days since 1970. */
  readonly notAfter: number;
}

const nameOf = ({ name }: Held): string => Buffer.from(name).toString("latin1");

export class Aliases {
  readonly #session: Session;
  readonly #circuits = new Map<string, string>();
  #held: readonly Held[] = [];
  #links: Links = [];

  constructor(session: Session) {
    this.#session = session;
  }

  async load(): Promise<void> {
    const saved = await this.#session.sections.load(SECTION, record);
    this.#held = saved?.aliases ?? [];
    this.#links = saved?.links ?? [];
  }

  entry(): Entry {
    return entry(SECTION, record, { aliases: this.#held, links: this.#links });
  }

  /** What puts back the state of now. */
  snapshot(): () => void {
    const before = [this.#held, this.#links] as const;
    return () => ([this.#held, this.#links] = before);
  }

  get all(): readonly Alias[] {
    const today = Math.floor(this.#session.clock() / DAY);
    return this.#held
      .filter(({ notAfter }) => notAfter >= today)
      .map((held) => ({ name: nameOf(held), notAfter: held.notAfter }));
  }

  /**
   * Creates an alias for 1 to 180 days and publishes its packages; a creation that was interrupted is repeated as it was.
   * Costs four `create` tokens. Fault `account/name`, `account/taken`, `account/limit`.
   */
  async create(name: string, days: number, tokens: Tokens): Promise<void> {
    const nameBytes = Buffer.from(name);
    if (!isUserName(nameBytes)) throw new Fault("account/name");
    let held = this.#find(name);
    if (held === undefined) {
      await tokens.spend("as.createAlias", async (token) => {
        const seed = randomFill(lockedAlloc(32));
        const asked = { requestId: randomBytes(REQUEST_ID_LENGTH), token: Buffer.from(token) };
        held = { name: nameBytes, seed, days, notAfter: 0, mailbox: emptyMailbox, ...asked };
        await this.#save([...this.#held, held]);
      });
    }
    if (held!.notAfter === 0) held = await this.#create(held!, name);
    await this.#publish(held!);
  }

  async #create(held: Held, name: string): Promise<Held> {
    const { call, directory, clock, domain } = this.#session;
    const { requestId, token, days, name: nameBytes } = held;
    const { publicKey: aliasKey, signer } = keysOf(held);
    const proof = Buffer.alloc(SIGNATURE_LENGTH);
    signer(proof, "credentialRequest", domain, nameBytes, aliasKey);
    const circuit = freshCircuit("alias");
    const request = { name: nameBytes, aliasKey, proof, days };
    const server = await directory.current();
    try {
      const notAfter = await call({ operation: "as.createAlias", circuit, request, requestId, token }, (reply) => {
        const found = readAliasCredential(reply.credential, server, clock(), name);
        if (!equal(found.aliasKey, aliasKey)) throw new ClientError("contact/unverified");
        return found.notAfter;
      });
      const next = { ...held, notAfter, token: Buffer.alloc(0) };
      await this.#save(this.#held.map((other) => (other === held ? next : other)));
      return next;
    } catch (error) {
      // A refusal is for good: the next time it is asked for anew.
      const refused = error instanceof Fault && /^(?:account|token|auth)\//.test(error.code);
      if (refused) await this.#save(this.#held.filter((other) => other !== held));
      throw error;
    } finally {
      this.#session.transport.closeCircuit(circuit);
    }
  }

  async #publish(held: Held): Promise<void> {
    const next = { ...held, mailbox: withFresh(held.mailbox, this.#session.clock()) };
    await this.#save(this.#held.map((other) => (other === held ? next : other)));
    await publish(this.#session, next.mailbox, this.#receiver(next));
  }

  /** Ends an alias at once. ClientError `account/unknown-alias`. */
  async delete(name: string): Promise<void> {
    const held = this.#find(name);
    if (held === undefined) throw new ClientError("account/unknown-alias");
    const { ids, sign: signer, circuit } = this.#receiver(held);
    try {
      const request = { aliasId: ids.userId };
      const asked = (out: Uint8Array, ...parts: Uint8Array[]): void => signer(out, "request", ...parts);
      await this.#session.call({ operation: "as.deleteAlias", circuit, request, signer: asked }, () => undefined);
    } catch (error) {
      // Gone already: over, or deleted by a request of which the answer was lost.
      if (!(error instanceof Fault && error.code === "auth/signature")) throw error;
    }
    await this.#save(this.#held.filter((other) => other !== held));
  }

  /** Reads each alias's queue a page at a time; `take` saves what it makes of a page together with `entry()`. */
  async read(take: (page: Page, aliasKey: Uint8Array) => Promise<void>): Promise<void> {
    const { clock } = this.#session;
    const today = Math.floor(clock() / DAY);
    if (this.#held.some(({ notAfter }) => notAfter > 0 && notAfter < today))
      await this.#save(this.#held.filter(({ notAfter }) => notAfter === 0 || notAfter >= today));
    for (const { name } of this.#held.filter(({ notAfter }) => notAfter > 0)) {
      const own = (): Held => this.#held.find((other) => other.name === name)!;
      if (isStale(own().mailbox, clock())) await this.#publish(own());
      for (let empty = false; !empty;) {
        const held = own();
        const page = await readPage(this.#session, held.mailbox, this.#receiver(held));
        const restore = this.snapshot();
        this.#held = this.#held.map((other) => (other === held ? { ...held, mailbox: page.next } : other));
        try {
          if (!page.empty) await take(page, keysOf(held).publicKey);
        } catch (error) {
          restore();
          throw error;
        }
        empty = page.empty;
      }
    }
  }

  /** Says to somebody who asked the alias of this key that it is this user's; in memory. */
  link(aliasKey: Uint8Array, own: Identity, userId: Uint8Array): void {
    const held = this.#held.find((other) => equal(keysOf(other).publicKey, aliasKey));
    if (held === undefined) throw new ClientError("account/unknown-alias");
    const link = Buffer.alloc(LINK_LENGTH);
    link.set(aliasKey);
    keysOf(held).signer(link.subarray(32), "aliasLink", this.#session.domain, own.userId, own.clientKey);
    this.#links = [...this.#links.filter((other) => !equal(other.userId, userId)), { userId, link }].slice(-LINKS);
  }

  /** What an acceptance tells this user of aliases. */
  linkFor(userId: Uint8Array): Uint8Array {
    return this.#links.find((other) => equal(other.userId, userId))?.link ?? Buffer.alloc(0);
  }

  #find(name: string): Held | undefined {
    return this.#held.find((held) => nameOf(held) === name);
  }

  #receiver(held: Held): Receiver {
    const { publicKey, signer } = keysOf(held);
    const aliasId = userIdOf(this.#session.domain, publicKey, Buffer.alloc(32));
    let circuit = this.#circuits.get(nameOf(held));
    if (circuit === undefined) this.#circuits.set(nameOf(held), (circuit = freshCircuit("alias")));
    return { ids: { userId: aliasId, clientId: aliasId }, sign: signer, circuit };
  }

  async #save(next: readonly Held[]): Promise<void> {
    const restore = this.snapshot();
    this.#held = next;
    try {
      await this.#session.sections.save(this.entry());
    } catch (error) {
      restore();
      throw error;
    }
  }
}

function keysOf({ seed }: Held): { readonly publicKey: Buffer; readonly signer: CredentialSigner } {
  const publicKey = Buffer.alloc(32);
  const withSecret = (use: (secret: Buffer) => void): void => {
    const secret = lockedAlloc(SECRET_KEY_LENGTH);
    try {
      signKeypair(publicKey, secret, seed);
      use(secret);
    } finally {
      wipe(secret);
    }
  };
  withSecret(() => undefined);
  return {
    publicKey,
    signer: (out, purpose, ...parts) => withSecret((secret) => void sign(out, purpose, secret, ...parts)),
  };
}
