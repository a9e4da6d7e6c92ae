// The own KeyPackages: made for fresh pseudonyms, published sealed for contacts only; and the claiming of a contact's.
import { openInto, SEAL_OVERHEAD, sealInto } from "../crypto/aead.ts";
import { randomBytes } from "../crypto/random.ts";
import { Fault } from "../fault.ts";
import { equal, isZero, wipe } from "../memory/locked.ts";
import { inspectKeyPackage, makeKeyPackage, PRIVATE_KEYS_LENGTH } from "../mls/key-package.ts";
import { readWelcome } from "../mls/messages.ts";
import { PSEUDONYM_LENGTH } from "../mls/suite.ts";
import { bytes, fixed, list, struct, u48, u8, type ValueOf } from "../wire/codec.ts";
import * as documents from "../wire/documents.ts";
import { operations } from "../wire/operations.ts";
import type { Account } from "./account.ts";
import { freshCircuit, QUEUE } from "./circuits.ts";
import { isSameClient, makeIntroduction, verifyIntroduction, type Introduction } from "./credentials.ts";
import type { Contact, Device } from "./contacts.ts";
import { ClientError } from "./errors.ts";
import type { Inbox } from "./inbox.ts";
import { keepLocked } from "./keep.ts";
import { entry, type Entry } from "./sections.ts";
import type { Session } from "./session.ts";
import type { Tokens } from "./wallet.ts";

const SECTION = "keyPackages";
/** KeyPackages for one use each, beside the last resort. */
const PUBLISHED = 8;
/** Held at most: those of earlier publications may still be claimed by a Welcome under way. */
const HELD = 64;
const DAY = 86400;
const LIFETIME = 60 * DAY;
/** The house hands none out that is nearly over: who claims one has a week for adding its owner. */
const LAST_DAYS = 7 * DAY;
/** A Welcome may have waited so long in the queue, whose house looks at it once a week, when its KeyPackage is over. */
const WAITS = (operations["qs.read"].limits.itemDays + 7) * DAY;
/** Published anew when half of their time is over. */
const RENEWED = LIFETIME / 2;
const NO_AD = Buffer.alloc(0);

const held = struct({
  ref: fixed(32),
  keyPackage: bytes(documents.KEY_PACKAGE_MAX),
  privateKeys: fixed(PRIVATE_KEYS_LENGTH),
  notAfter: u48,
  lastResort: u8,
});
/** `used`: 1 when a published one has been used up since the last publication. */
const record = struct({ packages: list(held, HELD), used: u8 });
type Held = ValueOf<typeof held>;

/** A contact's KeyPackage, its owner verified. */
export interface Claimed {
  /** MLSMessage. */
  readonly keyPackage: Uint8Array;
  readonly introduction: Introduction;
}

export class KeyPackages {
  readonly #session: Session;
  #held: readonly Held[] = [];
  #used = false;

  constructor(session: Session) {
    this.#session = session;
  }

  async load(): Promise<void> {
    const saved = await this.#session.sections.load(SECTION, record);
    this.#held = saved?.packages ?? [];
    this.#used = saved?.used === 1;
  }

  /** True when fresh ones should be published: one was used up, or their time is half over. */
  get due(): boolean {
    const newest = Math.max(0, ...this.#held.map(({ notAfter }) => notAfter));
    return this.#used || newest - this.#session.clock() < RENEWED;
  }

  entry(): Entry {
    return entry(SECTION, record, { packages: this.#held, used: this.#used ? 1 : 0 });
  }

  /** What puts back the state of now. */
  snapshot(): () => void {
    const before = [this.#held, this.#used] as const;
    return () => ([this.#held, this.#used] = before);
  }

  /** Makes a fresh set and publishes it in place of the one before; the private halves are saved first. */
  async publish(account: Account, inbox: Inbox): Promise<void> {
    const { call, sections, clock } = this.#session;
    const now = clock();
    // the house and members see lifetimes in leaves: to the second, they would tell which were published together
    const today = now - (now % DAY);
    const pseudonyms = Array.from({ length: PUBLISHED + 1 }, () => randomBytes(PSEUDONYM_LENGTH));
    const handles = await inbox.mintHandles(pseudonyms);
    const published: { notAfter: number; sealed: Buffer }[] = [];
    const fresh: Held[] = [];
    for (const [i, handle] of handles.entries()) {
      const pseudonym = pseudonyms[i]!;
      const lastResort = i === PUBLISHED;
      const notAfter = today + LIFETIME;
      const own = await makeKeyPackage({ pseudonym, handle, notBefore: today - DAY, notAfter, lastResort });
      const leaf = { pseudonym, leafKey: own.signaturePublicKey };
      const introduction = makeIntroduction(account.identity, account.sign, leaf, account.introducedList);
      const sealed = sealBundle({ keyPackage: own.keyPackage, introduction }, inbox.keyPackageKey);
      published.push({ notAfter: Math.floor((notAfter - LAST_DAYS) / DAY), sealed });
      const { ref, keyPackage } = own;
      const privateKeys = keepLocked(own.privateKeys);
      wipe(own.privateKeys);
      fresh.push({ ref, keyPackage, privateKeys, notAfter, lastResort: lastResort ? 1 : 0 });
    }
    this.#held = [...fresh, ...this.#held.filter((old) => old.notAfter + WAITS > now)].slice(0, HELD);
    await sections.save(this.entry());
    const [keyPackages, lastResort] = [published.slice(0, PUBLISHED), published[PUBLISHED]!];
    const request = { queueId: inbox.queueId, keyPackages, lastResort };
    await call({ operation: "qs.publish", circuit: QUEUE, request, signer: inbox.signRequest }, () => undefined);
    this.#used = false;
    inbox.published();
    await sections.save(this.entry());
  }

  /** The KeyPackage of ours that a Welcome is for, or undefined. Fault `group/invalid`. */
  of(welcome: Uint8Array): Held | undefined {
    const refs = readWelcome(welcome).secrets.map((secret) => secret.newMember);
    return this.#held.find((candidate) => refs.some((ref) => equal(ref, candidate.ref)));
  }

  /** A Welcome has come for it: one for one use is used up. */
  use(own: Held): void {
    this.#used = true;
    if (own.lastResort === 0) this.#held = this.#held.filter((candidate) => candidate !== own);
  }

  /** Claims a KeyPackage of each of a contact's devices that has one. */
  async claimAll({ devices }: Pick<Contact, "devices">, tokens: Tokens): Promise<Claimed[]> {
    const claimed: Claimed[] = [];
    let missing: Fault | undefined;
    for (const device of devices) {
      try {
        claimed.push(await this.claim(device, tokens));
      } catch (error) {
        if (!(error instanceof Fault && error.code === "queue/no-key-package")) throw error;
        missing = error;
      }
    }
    if (claimed.length === 0 && missing !== undefined) throw missing;
    return claimed;
  }

  /**
   * Claims one of a contact's KeyPackages, for a `connect` token on a circuit used for nothing else. ClientError
   * `contact/unverified` unless its leaf is introduced by that very person, `contact/changed` when somebody else of the
   * same name introduces it.
   */
  async claim({ friendship, identity }: Device, tokens: Tokens): Promise<Claimed> {
    const { call, directory, transport, clock } = this.#session;
    const circuit = freshCircuit("claim");
    const { friendshipToken, keyPackageKey } = friendship;
    try {
      const server = await directory.current();
      return await tokens.spend("qs.claim", (token) =>
        call({ operation: "qs.claim", circuit, request: { friendshipToken }, token }, ({ keyPackage: sealed }) => {
          const bundle = openBundle(sealed, keyPackageKey);
          const introduction = verifyIntroduction(bundle.introduction, server, clock());
          const owner = inspectKeyPackage(bundle.keyPackage, clock());
          if (!isSameClient(introduction.identity, identity)) {
            throw new ClientError(
              introduction.identity.name === identity.name ? "contact/changed" : "contact/unverified",
            );
          }
          if (
            !equal(introduction.pseudonym, owner.pseudonym) ||
            !equal(introduction.leafKey, owner.signaturePublicKey)
          ) {
            throw new ClientError("contact/unverified");
          }
          return { keyPackage: bundle.keyPackage, introduction };
        }),
      );
    } finally {
      transport.closeCircuit(circuit);
    }
  }
}

type Bundle = ValueOf<typeof documents.keyPackageBundle>;

/** All are of one length: names and lists of clients are not, and who looked at both would know whose queue it is. */
const BUNDLE_LENGTH = documents.SEALED_KEY_PACKAGE_MAX - SEAL_OVERHEAD;

function sealBundle(bundle: Bundle, key: Uint8Array): Buffer {
  const plain = Buffer.alloc(BUNDLE_LENGTH);
  documents.keyPackageBundle.write(bundle, plain, 0);
  return sealInto(Buffer.alloc(documents.SEALED_KEY_PACKAGE_MAX), plain, NO_AD, key);
}

function openBundle(sealed: Uint8Array, key: Uint8Array): Bundle {
  const bytesOf = Buffer.alloc(Math.max(0, sealed.length - SEAL_OVERHEAD));
  try {
    const reader = { bytes: openInto(bytesOf, sealed, NO_AD, key), offset: 0 };
    const bundle = documents.keyPackageBundle.read(reader);
    if (!isZero(reader.bytes.subarray(reader.offset))) throw new Error("padding");
    return bundle;
  } catch {
    throw new ClientError("contact/unverified");
  }
}
