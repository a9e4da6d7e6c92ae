// What a name is reached by: connection packages that are published, and the direct queue that is read. An account has
// one, and each alias has.
import { ReceiverKey } from "../crypto/hpke.ts";
import { randomFill } from "../crypto/random.ts";
import { lockedAlloc } from "../memory/locked.ts";
import { encode, fixed, list, struct, u32, u48, u8, type ValueOf } from "../wire/codec.ts";
import * as documents from "../wire/documents.ts";
import { signDocument, type CredentialSigner } from "./credentials.ts";
import type { ServerDirectory } from "./directory.ts";
import { openOffer, type Offer } from "./offers.ts";
import type { Session } from "./session.ts";

/** Connection packages for one use each, beside the last resort. */
const PACKAGES = 8;
const PACKAGE_DAYS = 90;
/** A set is replaced when it is this old: packages are used up by those who look a name up, which nobody tells. Days. */
const REPLACED_AFTER = 30;
const DAY = 86400;

export const mailbox = struct({
  packages: list(struct({ secret: fixed(32), notAfter: u32, lastResort: u8 }), 256),
  acknowledged: u48,
});
export type Mailbox = ValueOf<typeof mailbox>;
export const emptyMailbox: Mailbox = { packages: [], acknowledged: 0 };

/** Whose name it is. */
export interface Receiver {
  readonly ids: { readonly userId: Uint8Array; readonly clientId: Uint8Array };
  readonly sign: CredentialSigner;
  readonly circuit: string;
}

/** True when the packages should be replaced. */
export const isStale = ({ packages }: Mailbox, now: number): boolean =>
  !packages.some(({ notAfter }) => notAfter >= Math.floor(now / DAY) + PACKAGE_DAYS - REPLACED_AFTER);

/** The mailbox with a fresh set in front; keys of packages that were handed out already stay usable until they run out. */
export function withFresh(box: Mailbox, now: number): Mailbox {
  const today = Math.floor(now / DAY);
  const notAfter = today + PACKAGE_DAYS;
  const fresh = Array.from({ length: PACKAGES + 1 }, (_, i) => ({
    secret: randomFill(lockedAlloc(32)),
    notAfter,
    lastResort: i === PACKAGES ? 1 : 0,
  }));
  const live = box.packages.filter((old) => old.notAfter >= today);
  return { ...box, packages: [...fresh, ...live].slice(0, 256) };
}

/** Publishes the newest set of a mailbox that has been saved. */
export async function publish(
  { call }: Session,
  { packages }: Mailbox,
  { ids, sign, circuit }: Receiver,
): Promise<void> {
  const signed = packages.slice(0, PACKAGES + 1).map(({ secret, notAfter, lastResort }) => {
    const key = new ReceiverKey("connectionOffer", secret);
    const body = { version: documents.DOCUMENT_VERSION, sealKey: key.publicKey, notAfter, lastResort };
    key.destroy();
    return signDocument(encode(documents.connectionPackage, body, Buffer.alloc), "connectionPackage", sign);
  });
  const request = { ...ids, packages: signed.slice(0, PACKAGES), lastResort: signed[PACKAGES]! };
  const signer = (out: Uint8Array, ...parts: Uint8Array[]): void => sign(out, "request", ...parts);
  await call({ operation: "as.putConnectionPackages", circuit, request, signer }, () => undefined);
}

/** The key that a refusal of what is asked now may be sealed to. */
export function replyKeyOf({ packages }: Mailbox): Buffer {
  const last = packages.find(({ lastResort }) => lastResort === 1);
  const key = new ReceiverKey("connectionOffer", last?.secret ?? lockedAlloc(32));
  key.destroy();
  return key.publicKey;
}

export interface Page {
  readonly offers: readonly Offer[];
  readonly next: Mailbox;
  readonly empty: boolean;
}

/**
 * One page of the direct queue; offers that do not verify are passed over. Acknowledges the pages before. A page counts as
 * read once the caller has saved `next` together with what it made of the offers. `further`: a key beside the packages'.
 */
export async function readPage(
  { call, directory, clock }: Session,
  box: Mailbox,
  { ids, sign, circuit }: Receiver,
  further?: ReceiverKey,
): Promise<Page> {
  const server = await directory.current();
  const request = { ...ids, acknowledge: box.acknowledged };
  const signer = (out: Uint8Array, ...parts: Uint8Array[]): void => sign(out, "request", ...parts);
  return call({ operation: "as.readDirect", circuit, request, signer }, ({ items }) => {
    const offers: Offer[] = [];
    let next = box;
    for (const { sequence, offer: sealed } of items) {
      if (sequence <= next.acknowledged) continue;
      const own = further && openOffer(sealed, further, server, clock());
      const opened = own === undefined ? open(sealed, next, server, clock()) : { offer: own, next };
      next = { ...opened.next, acknowledged: sequence };
      if (opened.offer !== undefined) offers.push(opened.offer);
    }
    return { offers, next, empty: items.length === 0 };
  });
}

// An offer does not say which package it is for. The key of a package for one use goes with the offer it opened.
function open(
  sealed: Uint8Array,
  box: Mailbox,
  server: ServerDirectory,
  now: number,
): { readonly offer: Offer | undefined; readonly next: Mailbox } {
  for (const held of box.packages) {
    const key = new ReceiverKey("connectionOffer", held.secret);
    const offer = openOffer(sealed, key, server, now);
    key.destroy();
    if (offer === undefined) continue;
    const packages = held.lastResort === 0 ? box.packages.filter((other) => other !== held) : box.packages;
    return { offer, next: { ...box, packages } };
  }
  return { offer: undefined, next: box };
}
