// A registered user, what its clients and its recovery key sign, and aliases.
import { makeClientList, userIdOf } from "../../../src/client/client-list.ts";
import { randomBytes } from "../../../src/crypto/random.ts";
import { sign } from "../../../src/crypto/sign.ts";
import { decode, encode } from "../../../src/wire/codec.ts";
import { clientList, connectionPackage, OFFER_LENGTH, splitSigned } from "../../../src/wire/documents.ts";
import { DAY, keyPair, type KeyPair, type Services } from "../services.ts";

export const proofOf = (client: KeyPair, domain: Buffer, name: Buffer): Buffer =>
  sign(Buffer.alloc(64), "credentialRequest", client.secretKey, domain, name, client.publicKey);

export interface TestClient {
  readonly keys: KeyPair;
  readonly clientId: Buffer;
}

/** A signed connection package, good for `days` days from `now` on. */
export function packageOf(keys: KeyPair, now: number, lastResort: 0 | 1 = 0, days = 30, version = 1): Buffer {
  const notAfter = Math.floor(now / DAY) + days;
  const body = encode(connectionPackage, { version, sealKey: randomBytes(32), notAfter, lastResort }, Buffer.alloc);
  return Buffer.concat([body, sign(Buffer.alloc(64), "connectionPackage", keys.secretKey, body)]);
}

/** Stands for a sealed offer: these have one length. */
export function offerOf(text: string): Buffer {
  const offer = Buffer.alloc(OFFER_LENGTH);
  offer.write(text);
  return offer;
}
/** What `offerOf` made it of. */
export const textOf = (offer: Uint8Array): string => Buffer.from(offer).toString().replace(/\0+$/, "");

export class TestUser {
  readonly client: KeyPair;
  recovery: KeyPair;
  name: Buffer;
  readonly userId: Buffer;
  readonly clientId: Buffer;
  readonly credential: Buffer;
  /** The newest client list. */
  list: Buffer;
  readonly #services: Services;

  private constructor(
    services: Services,
    keys: { client: KeyPair; recovery: KeyPair },
    name: Buffer,
    list: Buffer,
    ids: Record<string, Uint8Array>,
  ) {
    this.#services = services;
    this.client = keys.client;
    this.recovery = keys.recovery;
    this.name = name;
    this.list = list;
    this.userId = Buffer.from(ids["userId"]!);
    this.clientId = Buffer.from(ids["clientId"]!);
    this.credential = Buffer.from(ids["credential"]!);
  }

  static async register(services: Services, userName: string): Promise<TestUser> {
    const [client, recovery, name] = [keyPair(), keyPair(), Buffer.from(userName)];
    const request = registration(services, client, recovery, name);
    const reply = await services.ask("as.register", request);
    return new TestUser(services, { client, recovery }, name, request.clientList, reply);
  }

  get who(): { userId: Buffer; clientId: Buffer } {
    return { userId: this.userId, clientId: this.clientId };
  }

  /** The list that follows the newest, or another where told so. */
  next(clients: readonly KeyPair[], signer: KeyPair, change: Partial<ListChange> = {}): Buffer {
    const before = decode(clientList, splitSigned(this.list).body);
    return makeClientList(
      {
        domain: this.#services.domain,
        userId: this.userId,
        number: before.number + 1,
        previous: this.list,
        recoveryKey: this.recovery.publicKey,
        clients: clients.map((one) => one.publicKey),
        signer: signer.publicKey,
        ...change,
      },
      (out, purpose, ...parts) => sign(out, purpose, (change.by ?? signer).secretKey, ...parts),
    );
  }

  /** Adds a fresh client by `as`, beside `others` that are there besides the first. */
  async add(others: readonly TestClient[] = [], as: TestClient = this.first): Promise<TestClient> {
    const keys = keyPair();
    const list = this.next([...this.keysOf(others), keys], as.keys);
    const request = { clientKey: keys.publicKey, proof: proofOf(keys, this.#services.domain, this.name) };
    const who = { userId: this.userId, clientId: as.clientId };
    const reply = await this.#services.ask("as.addClient", { ...who, ...request, clientList: list }, as.keys);
    this.list = list;
    return { keys, clientId: Buffer.from(reply.clientId) };
  }

  /** Leaves `remaining` beside the first, or exactly `remaining` without it. */
  async leave(remaining: readonly KeyPair[], as: TestClient = this.first): Promise<void> {
    const list = this.next(remaining, as.keys);
    const who = { userId: this.userId, clientId: as.clientId };
    await this.#services.ask("as.removeClient", { ...who, clientList: list }, as.keys);
    this.list = list;
  }

  keysOf(others: readonly TestClient[]): KeyPair[] {
    return [this.client, ...others.map(({ keys }) => keys)];
  }

  get first(): TestClient {
    return { keys: this.client, clientId: this.clientId };
  }

  package(lastResort: 0 | 1 = 0, days = 30, version = 1): Buffer {
    return packageOf(this.client, this.#services.now, lastResort, days, version);
  }

  async put(packages: Buffer[], lastResort: Buffer, as: TestClient = this.first): Promise<void> {
    const who = { userId: this.userId, clientId: as.clientId };
    await this.#services.ask("as.putConnectionPackages", { ...who, packages, lastResort }, as.keys);
  }

  async issue(tokenRequest: Buffer, as: TestClient = this.first): Promise<Buffer> {
    const who = { userId: this.userId, clientId: as.clientId };
    const reply = await this.#services.ask("as.issueTokens", { ...who, tokenRequest }, as.keys);
    return Buffer.from(reply.tokenResponse);
  }

  async direct(acknowledge = 0, as: TestClient = this.first): Promise<{ sequence: number; offer: string }[]> {
    const who = { userId: this.userId, clientId: as.clientId };
    const { items } = await this.#services.ask("as.readDirect", { ...who, acknowledge }, as.keys);
    return items.map(({ sequence, offer }) => ({ sequence, offer: textOf(offer) }));
  }
}

interface ListChange {
  readonly domain: Uint8Array;
  readonly userId: Uint8Array;
  readonly number: number;
  readonly previous: Uint8Array | undefined;
  readonly recoveryKey: Uint8Array;
  readonly clients: readonly Uint8Array[];
  readonly signer: Uint8Array;
  /** Who really signs. */
  readonly by: KeyPair;
}

export function registration(services: Services, client: KeyPair, recovery: KeyPair, name: Buffer) {
  const { domain } = services;
  const userId = userIdOf(domain, client.publicKey, recovery.publicKey);
  const keys = { recoveryKey: recovery.publicKey, clients: [client.publicKey], signer: client.publicKey };
  const list = makeClientList({ domain, userId, number: 1, previous: undefined, ...keys }, (out, purpose, ...parts) =>
    sign(out, purpose, client.secretKey, ...parts),
  );
  return {
    name,
    clientKey: client.publicKey,
    recoveryKey: recovery.publicKey,
    proof: proofOf(client, domain, name),
    clientList: list,
  };
}

/** An alias: a name with a key of its own. */
export async function makeAlias(services: Services, alias: string, days = 30) {
  const [keys, name] = [keyPair(), Buffer.from(alias)];
  const proof = proofOf(keys, services.domain, name);
  const reply = await services.ask("as.createAlias", { name, aliasKey: keys.publicKey, proof, days });
  const aliasId = Buffer.from(reply.aliasId);
  return {
    keys,
    name,
    aliasId,
    who: { userId: aliasId, clientId: aliasId },
    credential: Buffer.from(reply.credential),
  };
}
