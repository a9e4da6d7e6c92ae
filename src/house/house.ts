// One house, wired: store, identity, tokens, services and dispatch, up to what the transport needs.
import { Fault } from "../fault.ts";
import type { ArenaPool } from "../memory/arena.ts";
import { removeEnded } from "../services/auth/end.ts";
import { makeAuthService } from "../services/auth/service.ts";
import { makeDeliveryService } from "../services/delivery/service.ts";
import { makeDispatch, type Dispatch } from "../services/dispatch.ts";
import { makeIssuance, type Issuance } from "../services/issuance.ts";
import { makeQueueService } from "../services/queue/service.ts";
import type { Store } from "../store/store.ts";
import type { OperationName } from "../wire/operations.ts";
import { challengeHeader, tokenChallenge } from "../../tokens/challenge.ts";
import { tokenClasses, type TokenClass } from "../../tokens/classes.ts";
import { encodeInvitation, makeInvitation } from "../../tokens/invitation.ts";
import { TOKEN_LENGTH } from "../../tokens/token.ts";
import { VOPRF, type TokenType } from "../../tokens/types.ts";
import { WORK_SEED_LENGTH } from "../../tokens/work.ts";
import { ed25519Sign } from "../crypto/mls-provider.ts";
import { sign } from "../crypto/sign.ts";
import { buildDirectory, type PublishedKeys } from "./directory.ts";
import { openExternalDirectories, type ExternalDirectories, type FetchDirectory } from "./external.ts";
import { buildIssuerDirectory } from "./issuer-directory.ts";
import { destroyIdentity, loadIdentity, type Identity } from "./identity.ts";
import { issuerPort, loadIssuerKeys, rotateIssuerKeys } from "./issuers.ts";
import { defaultPolicy, registrationNumbers, type TokenPolicy } from "./policy.ts";
import { makeSpending, type Spending } from "./spending.ts";

export interface HouseDeps {
  readonly store: Store;
  readonly arenas: ArenaPool;
  /** Unix seconds. */
  readonly clock: () => number;
  /** The onion host of a public key, from the Tor side. */
  readonly onionOf: (publicKey: Uint8Array) => string;
  /** What is not given is as in `defaultPolicy`. */
  readonly policy?: Partial<TokenPolicy>;
  /** The way to other issuers; without it the keys that are in the store are all there are. */
  readonly fetchDirectory?: FetchDirectory;
  /** Told when an issuer's directory could not be had. */
  readonly issuerFailed?: () => void;
}

/** Everything about a house but its socket. */
export interface House {
  readonly onion: string;
  readonly identity: Identity;
  readonly dispatch: Dispatch;
  /** Token requests over plain HTTP. */
  readonly issuance: Issuance;
  readonly redeem: Spending["redeem"];
  /** Whether the operation is there for anybody: a house that only issues has few. */
  serves(operation: OperationName): boolean;
  /** Undefined unless the house takes tokens of other issuers. */
  readonly external: ExternalDirectories | undefined;
  /** The WWW-Authenticate value for a class: a challenge for each type of token, and each other issuer, that it takes. */
  challenge(tokenClass: TokenClass): string;
  /** Deletes the accounts and aliases whose end has come, and says how many. */
  removeEnded(now: number): Promise<number>;
  /** True when the issuer's keys have changed. */
  rotateIssuers(now: number): Promise<boolean>;
  directory(envelopeKeys: PublishedKeys["envelopeKeys"]): Buffer;
  /** The token issuer directory (RFC 9578 section 4). */
  issuerDirectory(): Buffer;
  /** Fresh invitations, in their text form: for the operator to hand out. */
  invite(count: number): string[];
  /** Wipes every secret. The store stays its owner's. */
  destroy(): void;
}

/** What a house that only issues still does. */
const issuersOperations: readonly OperationName[] = ["as.register", "as.issueTokens"];

/** Faults: `store/missing` when the store holds no identity, `store/corrupt`. */
export async function openHouse({ store, arenas, clock, onionOf, ...given }: HouseDeps): Promise<House> {
  const identity = await loadIdentity(store, arenas);
  const { domain } = identity;
  const onion = onionOf(domain);
  const policy = { ...defaultPolicy, ...given.policy };
  const keys = await loadIssuerKeys(store, arenas, clock(), policy.types);
  await rotateIssuerKeys(keys, store, arenas, clock());

  const spending = makeSpending({ store, arenas, keys, identity, onion, clock, policy });
  const external =
    spending.external &&
    (await openExternalDirectories({
      issuers: policy.externalIssuers,
      redeemer: spending.external,
      fetchDirectory: given.fetchDirectory ?? (() => Promise.reject(new Fault("tor/connect"))),
      store,
      arenas,
      failed: given.issuerFailed ?? (() => undefined),
    }));
  const issuing = identity.intermediate;
  const queue = makeQueueService({ domain, handleKey: identity.handleKey });
  const issuer = issuerPort(keys, policy);
  const handlers = {
    ...makeAuthService({
      domain,
      issuer,
      signer: {
        publicKey: issuing.publicKey,
        sign: (signature, body, purpose) => void issuing.secret.use((secret) => sign(signature, purpose, secret, body)),
      },
    }),
    ...queue.handlers,
    ...makeDeliveryService({
      queue,
      signer: {
        publicKey: identity.delivery.publicKey,
        sign: (signature, message) => identity.delivery.secret.use((secret) => ed25519Sign(signature, message, secret)),
      },
    }),
  };

  return {
    onion,
    identity,
    dispatch: makeDispatch({ domain, store, handlers }),
    redeem: spending.redeem,
    serves: (operation) => !policy.issuerOnly || issuersOperations.includes(operation),
    external,
    issuance: makeIssuance({ domain, store, handlers }),
    challenge(tokenClass) {
      const types: readonly TokenType[] = tokenClass === "invite" ? [VOPRF] : policy.types;
      const one = (type: TokenType): string =>
        challengeHeader(tokenChallenge(onion, type), keys.current(tokenClass, clock(), type).publicKey);
      const others = spending.external?.challenges(tokenClass) ?? [];
      return [
        ...types.map(one),
        ...others.map(({ challenge, publicKey }) => challengeHeader(challenge, publicKey)),
      ].join(", ");
    },
    removeEnded: (now) => removeEnded({ store, arenas, issuer }, now),
    rotateIssuers: (now) => rotateIssuerKeys(keys, store, arenas, now),
    directory(envelopeKeys) {
      const issuers = keys.all.map((key) => ({ ...key, class: tokenClasses[key.class] }));
      const workSeed = Buffer.alloc(WORK_SEED_LENGTH); // public
      const effort = spending.work?.terms(workSeed, clock()).effort ?? 0;
      const registration = registrationNumbers[policy.registration];
      return buildDirectory(identity, { issuers, envelopeKeys, registration, effort, workSeed }, clock());
    },
    issuerDirectory: () => buildIssuerDirectory(keys.all),
    invite(count) {
      if (!Number.isInteger(count) || count < 0 || count > 1000) throw new Fault("crypto/input");
      const arena = arenas.arena();
      try {
        return Array.from({ length: count }, () =>
          encodeInvitation(onion, makeInvitation(arena.take(TOKEN_LENGTH), keys, onion, clock())),
        );
      } finally {
        arena.close();
      }
    },
    destroy() {
      spending.destroy();
      destroyIdentity(identity);
      for (const key of keys.all) key.secret.destroy();
    },
  };
}
