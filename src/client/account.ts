// The account at the authentication service: registration, the client credential, connection packages, the direct queue.
import { ReceiverKey } from "../crypto/hpke.ts";
import { randomFill } from "../crypto/random.ts";
import { SECRET_KEY_LENGTH, sign, SIGNATURE_LENGTH, signKeypair } from "../crypto/sign.ts";
import { Fault } from "../fault.ts";
import { GuardedKey } from "../memory/guarded-key.ts";
import { equal, lockedAlloc, wipe } from "../memory/locked.ts";
import { bytes, encode, fixed, list, struct, u32, u48, u8, type ValueOf } from "../wire/codec.ts";
import * as documents from "../wire/documents.ts";
import { REQUEST_ID_LENGTH, TOKEN_SLOT_LENGTH } from "../wire/frame.ts";
import { invitationTicket, isWork, workTicket, type Admission, type Ticket } from "./admission.ts";
import type { RequestSigner } from "./call.ts";
import { makeClientList, userIdOf } from "./client-list.ts";
import { ACCOUNT } from "./circuits.ts";
import { readCredential, signDocument, verifyCredential, type CredentialSigner, type Identity } from "./credentials.ts";
import type { ServerDirectory } from "./directory.ts";
import { ClientError } from "./errors.ts";
import { openOffer, type Offer } from "./offers.ts";
import { entry, type Entry } from "./sections.ts";
import type { Session } from "./session.ts";

const SECTION = "account";
/** Connection packages for one use each, beside the last resort. */
const PACKAGES = 8;
const PACKAGE_DAYS = 90;
const DAY = 86400;

const record = struct({
  name: bytes(documents.NAME_MAX),
  seed: fixed(32),
  /** Of the recovery key: whoever has it can replace every client of the user. */
  recoverySeed: fixed(32),
  /** What pays for the registration, work too: kept until it is answered, as the same request gets the lost answer. */
  invitation: fixed(TOKEN_SLOT_LENGTH),
  requestId: fixed(REQUEST_ID_LENGTH),
  /** Empty until registered. */
  credential: bytes(documents.CREDENTIAL_MAX),
  packages: list(struct({ secret: fixed(32), notAfter: u32, lastResort: u8 }), 256),
  acknowledged: u48,
});
type Record = ValueOf<typeof record>;

export class Account {
  readonly #session: Session;
  #record: Record | undefined;
  #key: GuardedKey | undefined;
  #identity: Identity | undefined;

  constructor(session: Session) {
    this.#session = session;
  }

  async load(): Promise<void> {
    const saved = await this.#session.sections.load(SECTION, record);
    if (saved === undefined) return;
    this.#adopt(saved);
    // Our own credential was verified when it came; it may have run out meanwhile, and still says who we are.
    if (saved.credential.length > 0) this.#identity = readCredential(saved.credential);
  }

  get registered(): boolean {
    return this.#identity !== undefined;
  }

  /** ClientError `client/not-registered`. */
  get identity(): Identity {
    if (this.#identity === undefined) throw new ClientError("client/not-registered");
    return this.#identity;
  }

  readonly sign: CredentialSigner = (out, purpose, ...parts) => {
    if (this.#key === undefined) throw new ClientError("client/not-registered");
    this.#key.use((secret) => sign(out, purpose, secret, ...parts));
  };

  readonly signRequest: RequestSigner = (out, ...parts) => this.sign(out, "request", ...parts);

  /** Which client of which user asks. */
  get ids(): { userId: Uint8Array; clientId: Uint8Array } {
    const { userId, clientId } = this.identity;
    return { userId, clientId };
  }

  /** What puts back the state of now. */
  snapshot(): () => void {
    const before = this.#record;
    return () => (this.#record = before);
  }

  entry(): Entry {
    if (this.#record === undefined) throw new ClientError("client/not-registered");
    return entry(SECTION, record, this.#record);
  }

  /** Takes a user name for an invitation or for work, then publishes connection packages. Fault `account/*`, `token/*`. */
  async register(admission: Admission, name: string): Promise<void> {
    if (this.registered) throw new ClientError("client/registered");
    const nameBytes = Buffer.from(name);
    if (!documents.isUserName(nameBytes)) throw new Fault("account/name");
    if (typeof admission === "string") {
      const ticket = invitationTicket(admission, this.#session);
      if (this.#drafted(nameBytes, ticket.slot)) wipe(ticket.slot);
      else await this.#begin(nameBytes, ticket);
      await this.#register(name);
    } else {
      if (!this.#drafted(nameBytes)) await this.#begin(nameBytes, await workTicket(this.#session, admission));
      try {
        await this.#register(name);
      } catch (error) {
        // The day has changed since the work was done, or more is asked for by now.
        if (!(error instanceof Fault && error.code === "token/work")) throw error;
        await this.#begin(nameBytes, await workTicket(this.#session, admission));
        await this.#register(name);
      }
    }
    await this.publishPackages();
  }

  /** True when this registration was begun before: with the invitation in `slot`, or by work. */
  #drafted(name: Uint8Array, slot?: Uint8Array): boolean {
    const draft = this.#record;
    if (draft === undefined || !equal(draft.name, name)) return false;
    return slot === undefined ? isWork(draft.invitation) : equal(draft.invitation, slot);
  }

  async #begin(name: Uint8Array, { slot, requestId }: Ticket): Promise<void> {
    this.#adopt({
      name,
      seed: randomFill(lockedAlloc(32)),
      recoverySeed: randomFill(lockedAlloc(32)),
      invitation: slot,
      requestId,
      credential: Buffer.alloc(0),
      packages: [],
      acknowledged: 0,
    });
    await this.#session.sections.save(this.entry());
  }

  async #register(name: string): Promise<void> {
    const { call, sections, domain, directory, clock } = this.#session;
    const current = this.#record!;
    const clientKey = this.#publicKey();
    const proof = Buffer.alloc(SIGNATURE_LENGTH);
    this.sign(proof, "credentialRequest", domain, current.name, clientKey);
    const { invitation: token, requestId } = current;
    const recoveryKey = publicKeyOf(current.recoverySeed);
    const userId = userIdOf(domain, clientKey, recoveryKey);
    const clientList = makeClientList(
      {
        domain,
        userId,
        number: 1,
        previous: undefined,
        recoveryKey,
        clients: [clientKey],
        signer: clientKey,
      },
      this.sign,
    );
    const request = { name: current.name, clientKey, recoveryKey, proof, clientList };
    const identity = await call(
      { operation: "as.register", circuit: ACCOUNT, request, token, requestId },
      async (reply) => verifyCredential(reply.credential, await directory.current(), clock(), name),
    );
    if (!equal(identity.clientKey, clientKey) || !equal(identity.userId, userId))
      throw new ClientError("contact/unverified");
    this.#record = { ...current, invitation: Buffer.alloc(TOKEN_SLOT_LENGTH), credential: identity.document };
    await sections.save(this.entry());
    wipe(token);
    this.#identity = identity;
  }

  /** Makes and publishes a fresh set; keys of packages that were handed out already stay usable until they run out. */
  async publishPackages(): Promise<void> {
    const { call, sections, clock } = this.#session;
    const { ids } = this;
    const today = Math.floor(clock() / DAY);
    const notAfter = today + PACKAGE_DAYS;
    const fresh = Array.from({ length: PACKAGES + 1 }, (_, i) => ({
      secret: randomFill(lockedAlloc(32)),
      notAfter,
      lastResort: i === PACKAGES ? 1 : 0,
    }));
    const live = this.#record!.packages.filter((old) => old.notAfter >= today);
    this.#record = { ...this.#record!, packages: [...fresh, ...live].slice(0, 256) };
    await sections.save(this.entry());
    const signed = fresh.map(({ secret, lastResort }) => {
      const key = new ReceiverKey("connectionOffer", secret);
      const body = { version: documents.DOCUMENT_VERSION, sealKey: key.publicKey, notAfter, lastResort };
      key.destroy();
      return signDocument(encode(documents.connectionPackage, body, Buffer.alloc), "connectionPackage", this.sign);
    });
    const request = { ...ids, packages: signed.slice(0, PACKAGES), lastResort: signed[PACKAGES]! };
    const ask = { operation: "as.putConnectionPackages", circuit: ACCOUNT, request, signer: this.signRequest } as const;
    await call(ask, () => undefined);
  }

  /**
   * One page of the direct queue; offers that do not verify are passed over. Acknowledges the pages before. A page
   * counts as read once the caller has saved `entry()` together with what it made of the offers.
   */
  async readOffers(): Promise<{ offers: Offer[]; empty: boolean }> {
    const { call, directory, clock } = this.#session;
    const server = await directory.current();
    const request = { ...this.ids, acknowledge: this.#record!.acknowledged };
    const ask = { operation: "as.readDirect", circuit: ACCOUNT, request, signer: this.signRequest } as const;
    return call(ask, ({ items }) => {
      const offers: Offer[] = [];
      for (const { sequence, offer: sealed } of items) {
        if (sequence <= this.#record!.acknowledged) continue;
        const offer = this.#open(sealed, server, clock());
        if (offer !== undefined) offers.push(offer);
        this.#record = { ...this.#record!, acknowledged: sequence };
      }
      return { offers, empty: items.length === 0 };
    });
  }

  // An offer does not say which package it is for. The key of a package for one use goes with the offer it opened.
  #open(sealed: Uint8Array, server: ServerDirectory, now: number): Offer | undefined {
    for (const held of this.#record!.packages) {
      const key = new ReceiverKey("connectionOffer", held.secret);
      const offer = openOffer(sealed, key, server, now);
      key.destroy();
      if (offer === undefined) continue;
      if (held.lastResort === 0) {
        this.#record = { ...this.#record!, packages: this.#record!.packages.filter((other) => other !== held) };
      }
      return offer;
    }
    return undefined;
  }

  #adopt(value: Record): void {
    this.#record = value;
    this.#key?.destroy();
    this.#key = new GuardedKey(SECRET_KEY_LENGTH, (memory) => signKeypair(Buffer.alloc(32), memory, value.seed));
  }

  #publicKey(): Buffer {
    // libsodium keeps the public key behind the seed
    return this.#key!.use((secret) => Buffer.from(secret.subarray(32)));
  }

  close(): void {
    this.#key?.destroy();
  }
}

function publicKeyOf(seed: Uint8Array): Buffer {
  const [publicKey, secret] = [Buffer.alloc(32), lockedAlloc(SECRET_KEY_LENGTH)];
  try {
    signKeypair(publicKey, secret, seed);
    return publicKey;
  } finally {
    wipe(secret);
  }
}
