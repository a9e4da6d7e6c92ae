// A registered user with one client, and what its client signs.
import { randomBytes } from "../../../src/crypto/random.ts";
import { sign } from "../../../src/crypto/sign.ts";
import { encode } from "../../../src/wire/codec.ts";
import { connectionPackage } from "../../../src/wire/documents.ts";
import { DAY, keyPair, type KeyPair, type Services } from "../services.ts";

export const proofOf = (client: KeyPair, domain: Buffer, name: Buffer): Buffer =>
  sign(Buffer.alloc(64), "credentialRequest", client.secretKey, domain, name, client.publicKey);

export class TestUser {
  readonly client: KeyPair;
  readonly name: Buffer;
  readonly userId: Buffer;
  readonly clientId: Buffer;
  readonly credential: Buffer;
  readonly #services: Services;

  private constructor(services: Services, client: KeyPair, name: Buffer, ids: Record<string, Uint8Array>) {
    this.#services = services;
    this.client = client;
    this.name = name;
    this.userId = Buffer.from(ids["userId"]!);
    this.clientId = Buffer.from(ids["clientId"]!);
    this.credential = Buffer.from(ids["credential"]!);
  }

  static async register(services: Services, userName: string): Promise<TestUser> {
    const client = keyPair();
    const name = Buffer.from(userName);
    const proof = proofOf(client, services.domain, name);
    const reply = await services.ask("as.register", { name, clientKey: client.publicKey, proof });
    return new TestUser(services, client, name, reply);
  }

  get who(): { userId: Buffer; clientId: Buffer } {
    return { userId: this.userId, clientId: this.clientId };
  }

  /** A signed connection package, good for `days` days from now on. */
  package(lastResort: 0 | 1 = 0, days = 30, version = 1): Buffer {
    const notAfter = Math.floor(this.#services.now / DAY) + days;
    const body = encode(connectionPackage, { version, sealKey: randomBytes(32), notAfter, lastResort }, Buffer.alloc);
    const signature = sign(Buffer.alloc(64), "connectionPackage", this.client.secretKey, body);
    return Buffer.concat([body, signature]);
  }

  async put(packages: Buffer[], lastResort: Buffer, as = this.client): Promise<void> {
    await this.#services.ask("as.putConnectionPackages", { ...this.who, packages, lastResort }, as);
  }

  async issue(tokenRequest: Buffer, as = this.client): Promise<Buffer> {
    const reply = await this.#services.ask("as.issueTokens", { ...this.who, tokenRequest }, as);
    return Buffer.from(reply.tokenResponse);
  }

  async direct(acknowledge = 0, as = this.client): Promise<{ sequence: number; offer: string }[]> {
    const { items } = await this.#services.ask("as.readDirect", { ...this.who, acknowledge }, as);
    return items.map(({ sequence, offer }) => ({ sequence, offer: Buffer.from(offer).toString() }));
  }
}
