// The own account: who this client is, the key that says so, and what it keeps of both.
import { derive } from "../crypto/derive.ts";
import { ReceiverKey } from "../crypto/hpke.ts";
import { SECRET_KEY_LENGTH, sign, signKeypair } from "../crypto/sign.ts";
import { GuardedKey } from "../memory/guarded-key.ts";
import { lockedAlloc, wipe } from "../memory/locked.ts";
import { bytes, fixed, struct, u32, u48, u8, type ValueOf } from "../wire/codec.ts";
import * as documents from "../wire/documents.ts";
import { REQUEST_ID_LENGTH, TOKEN_SLOT_LENGTH } from "../wire/frame.ts";
import type { RequestSigner } from "./call.ts";
import { ACCOUNT } from "./circuits.ts";
import { knownClientList, signerWithin, type ClientList } from "./client-list.ts";
import { readCredential, type CredentialSigner, type Identity } from "./credentials.ts";
import { ClientError } from "./errors.ts";
import type { EventLog } from "./events.ts";
import { emptyMailbox, mailbox, type Receiver } from "./mailbox.ts";
import { entry, type Entry } from "./sections.ts";
import type { Session } from "./session.ts";

const SECTION = "account";

const record = struct({
  name: bytes(documents.NAME_MAX),
  seed: fixed(32),
  /** What the recovery words stand for, until the app says that they have been noted. */
  recovery: bytes(32),
  /** What pays for the registration, work too: kept until it is answered, as the same request gets the lost answer. */
  invitation: fixed(TOKEN_SLOT_LENGTH),
  requestId: fixed(REQUEST_ID_LENGTH),
  /** Empty until registered. */
  credential: bytes(documents.CREDENTIAL_MAX),
  /** The newest that this client knows of its user; before it is registered the one that it asks for. */
  clientList: bytes(documents.CLIENT_LIST_MAX),
  /** What all clients of the user share: what one leaves for the others is sealed to it. */
  shared: fixed(32),
  profileKey: fixed(32),
  profileVersion: u32,
  mailbox,
  /** Seed of the client that a device code stands for, while it is waited for, and since when. */
  invited: bytes(32),
  invitedAt: u48,
  /** Hours since 1970; 0 unless a deletion is under way, then attempt `attempt`. */
  endsAt: u32,
  attempt: u32,
  /** When the credential is renewed (unix seconds); 0: not chosen yet. */
  renewAt: u48,
  /** 1 from when this client came in by a device code until it has an inbox and has told the others. */
  joining: u8,
  /** 1 more than the epoch of tokens of which the other clients have had their share. */
  shares: u32,
  /** 1 once the house knows this client no more. */
  ended: u8,
});
export type AccountRecord = ValueOf<typeof record>;

/** A record as it is before anything is known. */
export const blankAccount = (of: Pick<AccountRecord, "name" | "seed" | "shared" | "profileKey">): AccountRecord => ({
  recovery: Buffer.alloc(0),
  invitation: Buffer.alloc(TOKEN_SLOT_LENGTH),
  requestId: Buffer.alloc(REQUEST_ID_LENGTH),
  credential: Buffer.alloc(0),
  clientList: Buffer.alloc(0),
  profileVersion: 0,
  mailbox: emptyMailbox,
  invited: Buffer.alloc(0),
  invitedAt: 0,
  endsAt: 0,
  attempt: 0,
  renewAt: 0,
  joining: 0,
  shares: 0,
  ended: 0,
  ...of,
});

export class Account {
  readonly #session: Session;
  #record: AccountRecord | undefined;
  #key: GuardedKey | undefined;
  #identity: Identity | undefined;
  #list: ClientList | undefined;

  constructor(session: Session) {
    this.#session = session;
  }

  async load(): Promise<void> {
    const saved = await this.#session.sections.load(SECTION, record);
    if (saved !== undefined) this.#adopt(saved);
  }

  get registered(): boolean {
    return this.#identity !== undefined;
  }

  /** ClientError `client/not-registered`. */
  get identity(): Identity {
    if (this.#identity === undefined) throw new ClientError("client/not-registered");
    return this.#identity;
  }

  /** The newest list of the own clients. ClientError `client/not-registered`. */
  get clientList(): ClientList {
    if (this.#list === undefined) throw new ClientError("client/not-registered");
    return this.#list;
  }

  /** The same as it goes into an introduction: nothing for the first, of which all is said by the credential. */
  get introducedList(): Uint8Array {
    const { number, document } = this.clientList;
    return number === 1 ? Buffer.alloc(0) : document;
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

  get receiver(): Receiver {
    return { ids: this.ids, sign: this.sign, circuit: ACCOUNT };
  }

  /** Whether anything was begun. */
  get draft(): AccountRecord | undefined {
    return this.#record;
  }

  /** What is kept. ClientError `client/not-registered`. */
  get record(): AccountRecord {
    if (this.#record === undefined) throw new ClientError("client/not-registered");
    return this.#record;
  }

  /** The public half of the client key, 32 bytes, also before it is registered. */
  get clientKey(): Buffer {
    if (this.#key === undefined) throw new ClientError("client/not-registered");
    // libsodium keeps the public key behind the seed
    return this.#key.use((secret) => Buffer.from(secret.subarray(32)));
  }

  /** Opens what another client of the user left; the caller destroys it. */
  sharedKey(): ReceiverKey {
    const secret = derive(lockedAlloc(32), "deviceSeal", this.record.shared);
    const key = new ReceiverKey("connectionOffer", secret);
    wipe(secret);
    return key;
  }

  /** What puts back the state of now. */
  snapshot(): () => void {
    const [before, identity, list] = [this.#record, this.#identity, this.#list];
    return () => ([this.#record, this.#identity, this.#list] = [before, identity, list]);
  }

  entry(): Entry {
    return entry(SECTION, record, this.record);
  }

  /** Replaces all of it, saved when it resolves. */
  async begin(value: AccountRecord): Promise<void> {
    await this.#session.sections.save(entry(SECTION, record, value));
    this.#adopt(value);
  }

  /** Changes some of it, in memory alone: the caller saves `entry()`. */
  put(change: Partial<Omit<AccountRecord, "seed">>): void {
    this.#record = { ...this.record, ...change };
    this.#read(this.#record);
  }

  /** Changes some of it, together with further entries, saved when it resolves. */
  async change(change: Partial<Omit<AccountRecord, "seed">>, ...others: Entry[]): Promise<void> {
    const restore = this.snapshot();
    this.put(change);
    try {
      await this.#session.sections.save(this.entry(), ...others);
    } catch (error) {
      restore();
      throw error;
    }
  }

  /** Takes a later list of the own clients up, if a client of the one before or the recovery key has signed it. */
  learn(next: ClientList, events: EventLog): void {
    if (signerWithin(next, this.clientList) === undefined) return;
    this.put({ clientList: next.document });
    events.add("devicesChanged", { name: Buffer.from(this.identity.name) });
  }

  #adopt(value: AccountRecord): void {
    this.#record = value;
    this.#key?.destroy();
    this.#key = new GuardedKey(SECRET_KEY_LENGTH, (memory) => signKeypair(Buffer.alloc(32), memory, value.seed));
    this.#read(value);
  }

  // Our own credential was verified when it came; it may have run out meanwhile, and still says who we are.
  #read({ credential, clientList }: AccountRecord): void {
    const registered = credential.length > 0;
    this.#identity = registered ? readCredential(credential) : undefined;
    this.#list = registered ? knownClientList(clientList) : undefined;
  }

  close(): void {
    this.#key?.destroy();
  }
}
