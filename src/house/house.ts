// One house, wired: store, identity, tokens, services and dispatch, up to what the transport needs.
import { Fault } from "../fault.ts";
import type { ArenaPool } from "../memory/arena.ts";
import { makeAuthService } from "../services/auth/service.ts";
import { makeDeliveryService } from "../services/delivery/service.ts";
import { makeDispatch, type Dispatch } from "../services/dispatch.ts";
import { makeQueueService } from "../services/queue/service.ts";
import type { Store } from "../store/store.ts";
import { MAX_BATCH } from "../wire/operations.ts";
import { challengeHeader, tokenChallenge } from "../../tokens/challenge.ts";
import { tokenClasses, type TokenClass } from "../../tokens/classes.ts";
import { encodeInvitation, makeInvitation } from "../../tokens/invitation.ts";
import { Redeemer, type Reservation } from "../../tokens/redeemer.ts";
import { TOKEN_LENGTH, tokenOfSlot } from "../../tokens/token.ts";
import { sign } from "../crypto/sign.ts";
import { buildDirectory, type PublishedKeys } from "./directory.ts";
import { destroyIdentity, loadIdentity, type Identity } from "./identity.ts";
import { issuerPort, loadIssuerKeys, rotateIssuerKeys } from "./issuers.ts";

export interface HouseDeps {
  readonly store: Store;
  readonly arenas: ArenaPool;
  /** Unix seconds. */
  readonly clock: () => number;
  /** The onion host of a public key, from the Tor side. */
  readonly onionOf: (publicKey: Uint8Array) => string;
  /** Tokens that an account may draw of a class and epoch, all at once; at most MAX_BATCH, which it is if not given. */
  readonly maxBatch?: number;
}

/** Everything about a house but its socket. */
export interface House {
  readonly onion: string;
  readonly identity: Identity;
  readonly dispatch: Dispatch;
  /** `slot`: a token followed by zeros, 354 bytes. */
  redeem(tokenClass: TokenClass, slot: Uint8Array, requestId: Uint8Array): Promise<Reservation>;
  /** The WWW-Authenticate value for a class. */
  challenge(tokenClass: TokenClass): string;
  /** True when the issuer's keys have changed. */
  rotateIssuers(now: number): Promise<boolean>;
  directory(envelopeKeys: PublishedKeys["envelopeKeys"]): Buffer;
  /** Fresh invitations, in their text form: for the operator to hand out. */
  invite(count: number): string[];
  /** Wipes every secret. The store stays its owner's. */
  destroy(): void;
}

/** Faults: `store/missing` when the store holds no identity, `store/corrupt`. */
export async function openHouse({ store, arenas, clock, onionOf, maxBatch }: HouseDeps): Promise<House> {
  const identity = await loadIdentity(store, arenas);
  const { domain } = identity;
  const onion = onionOf(domain);
  const keys = await loadIssuerKeys(store, arenas, clock());
  await rotateIssuerKeys(keys, store, arenas, clock());

  const spent = {
    // 16 bytes that say nothing without the token: ordinary memory.
    async lookup(epoch: number, name: Uint8Array): Promise<Uint8Array | undefined> {
      const arena = arenas.arena();
      try {
        const record = await store.read(arena, (view) => view.get("spent", name, { partition: epoch }));
        return record === undefined ? undefined : Buffer.from(record);
      } finally {
        arena.close();
      }
    },
  };
  const redeemer = new Redeemer({ keys, origin: onion, spent, secret: identity.spentKey, now: clock });
  const issuing = identity.intermediate;
  const queue = makeQueueService({ domain, handleKey: identity.handleKey });
  const handlers = {
    ...makeAuthService({
      domain,
      issuer: issuerPort(keys, maxBatch ?? MAX_BATCH),
      signer: {
        publicKey: issuing.publicKey,
        sign: (signature, body) => void issuing.secret.use((secret) => sign(signature, "credential", secret, body)),
      },
    }),
    ...queue.handlers,
    ...makeDeliveryService({ queue }),
  };
  const challenge = tokenChallenge(onion);

  return {
    onion,
    identity,
    dispatch: makeDispatch({ domain, store, handlers }),
    redeem: async (tokenClass, slot, requestId) => redeemer.reserve(tokenOfSlot(slot), requestId, tokenClass),
    challenge: (tokenClass) => challengeHeader(challenge, keys.current(tokenClass, clock()).publicKey),
    rotateIssuers: (now) => rotateIssuerKeys(keys, store, arenas, now),
    directory(envelopeKeys) {
      const issuers = keys.all.map((key) => ({ ...key, class: tokenClasses[key.class] }));
      return buildDirectory(identity, { issuers, envelopeKeys }, clock());
    },
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
      destroyIdentity(identity);
      for (const key of keys.all) key.secret.destroy();
    },
  };
}
