// The server's signed directory: fetched, verified against the onion address and the keys pinned at first sight.
import { verify } from "../crypto/sign.ts";
import { equal } from "../memory/locked.ts";
import { decode, encode, fixed, struct, u32, u48, type ValueOf } from "../wire/codec.ts";
import * as documents from "../wire/documents.ts";
import { DIRECTORY_PATH } from "../wire/frame.ts";
import { DIRECTORY } from "./circuits.ts";
import { ClientError } from "./errors.ts";
import type { ClientState } from "./state.ts";
import type { Transport } from "./transport.ts";

const DAY = 86400;
/** A directory this far from the client's clock is refused; coarse, because a clock may be wrong by hours. Seconds. */
const FRESH = DAY;

/** What a client pinned when it first reached the server; of the newest directory it has seen, time and list of revocations. */
const pins = struct({ directoryKey: fixed(32), rootKey: fixed(32), issuedAt: u48, revocations: u32 });
export type Pins = ValueOf<typeof pins>;

export type ServerDirectory = ValueOf<typeof documents.directory> & {
  /** Raw keys of the AS intermediates whose client credentials count: first the one that signs them now. */
  readonly issuerKeys: readonly Uint8Array[];
  /** Number of the root's list of revocations; 0 before the first. */
  readonly revoked: number;
};

/** Both days inclusive. A day's grace at the start: the client's clock may be behind that of a server just set up. */
export const isValidOn = (day: number, validity: { readonly notBefore: number; readonly notAfter: number }): boolean =>
  day >= validity.notBefore - 1 && day <= validity.notAfter;

const refuse = (): never => {
  throw new ClientError("server/identity");
};

/**
 * The directory in `document`, or ClientError `server/identity`: it must be signed by its own directory key, name
 * `domain`, agree with what was pinned, not be older than one seen before, and carry an intermediate that its root signed.
 */
export function verifyDirectory(
  document: Uint8Array,
  domain: Uint8Array,
  pinned: Pins | undefined,
  now: number,
): ServerDirectory {
  try {
    if (document.length > documents.DIRECTORY_MAX) return refuse();
    const { body, signature } = documents.splitSigned(document);
    const found = decode(documents.directory, body);
    if (found.version !== documents.DOCUMENT_VERSION || !equal(found.domain, domain)) return refuse();
    if (!verify(signature, "directory", found.directoryKey, body)) return refuse();
    if (pinned !== undefined) {
      if (!equal(pinned.directoryKey, found.directoryKey) || !equal(pinned.rootKey, found.rootKey)) return refuse();
      if (found.issuedAt < pinned.issuedAt) return refuse();
    }
    if (Math.abs(found.issuedAt - now) > FRESH || found.envelopeKeys.length === 0) return refuse();

    const revoked = readRevocations(found.revocations, found.rootKey);
    if (pinned !== undefined && revoked.number < pinned.revocations) return refuse();
    const today = Math.floor(now / DAY);
    const usable = (document: Uint8Array): Uint8Array | undefined => {
      const chain = documents.splitSigned(document);
      if (!verify(chain.signature, "intermediate", found.rootKey, chain.body)) return refuse();
      const { version, key, notBefore, notAfter } = decode(documents.intermediate, chain.body);
      if (version !== documents.DOCUMENT_VERSION) return refuse();
      const counts = isValidOn(today, { notBefore, notAfter }) && !revoked.keys.some((one) => equal(one, key));
      return counts ? key : undefined;
    };
    const current = usable(found.intermediate);
    if (current === undefined) return refuse();
    const issuerKeys = [current, ...found.earlier.flatMap((document) => usable(document) ?? [])];
    return { ...found, issuerKeys, revoked: revoked.number };
  } catch {
    return refuse();
  }
}

function readRevocations(
  document: Uint8Array,
  rootKey: Uint8Array,
): { readonly number: number; readonly keys: readonly Uint8Array[] } {
  if (document.length === 0) return { number: 0, keys: [] };
  const { body, signature } = documents.splitSigned(document);
  if (!verify(signature, "revocations", rootKey, body)) return refuse();
  const found = decode(documents.revocations, body);
  return found.version === documents.DOCUMENT_VERSION ? found : refuse();
}

/** Keeps the newest directory of one server, and the pins in the client's state. */
export class DirectorySource {
  readonly #deps: { transport: Transport; state: ClientState; domain: Uint8Array; clock: () => number };
  #current: Promise<ServerDirectory> | undefined;

  constructor(deps: { transport: Transport; state: ClientState; domain: Uint8Array; clock: () => number }) {
    this.#deps = deps;
  }

  current(): Promise<ServerDirectory> {
    return this.#current ?? this.refresh();
  }

  /** The next `current` fetches anew. */
  forget(): void {
    this.#current = undefined;
  }

  /** Fetches anew; callers that come meanwhile share the fetch. A failure leaves nothing behind. */
  refresh(): Promise<ServerDirectory> {
    const fetching = this.#fetch();
    this.#current = fetching;
    fetching.catch(() => {
      if (this.#current === fetching) this.#current = undefined;
    });
    return fetching;
  }

  async #fetch(): Promise<ServerDirectory> {
    const { transport, state, domain, clock } = this.#deps;
    const reply = await transport.get(DIRECTORY, DIRECTORY_PATH, { retry: true });
    if (reply.status !== 200) throw new ClientError("server/answer");
    const saved = await state.load("server");
    const found = verifyDirectory(Buffer.from(reply.body), domain, saved && decode(pins, saved), clock());
    await state.save({ server: encode(pins, { ...found, revocations: found.revoked }, (size) => Buffer.alloc(size)) });
    return found;
  }
}
