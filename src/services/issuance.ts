// Tokens for clients that speak plain HTTP: the operation as.issueTokens, authenticated without an envelope.
import { verify } from "../crypto/sign.ts";
import { Fault, faults } from "../fault.ts";
import type { Arena } from "../memory/arena.ts";
import type { Store } from "../store/store.ts";
import { windowOf } from "../wire/frame.ts";
import { outward } from "./dispatch.ts";
import type { Call, Handlers } from "./ports.ts";

/** A token request and whose it claims to be. */
export interface ForeignRequest {
  readonly userId: Uint8Array;
  readonly clientId: Uint8Array;
  /** floor(unix seconds / 600) of the client's clock. */
  readonly window: number;
  readonly signature: Uint8Array;
  /** As the signature covers it: ASCII, lower case. */
  readonly mediaType: Uint8Array;
  readonly body: Uint8Array;
  readonly arena: Arena;
  /** Unix seconds. */
  readonly now: number;
}

/** Never throws: a refusal is a code. `payload`, the token response, lies in the arena or is empty. */
export type Issuance = (request: ForeignRequest) => Promise<{ code: number; payload: Uint8Array }>;

const EMPTY = Buffer.alloc(0);
const WINDOW_LENGTH = 4;

/**
 * Refusals: `auth/stale`, and those of the operation. What it grants is the same grant: a batch that was drawn here is
 * answered again in an envelope, and the other way round.
 */
export function makeIssuance(deps: {
  domain: Uint8Array;
  store: Store;
  handlers: Pick<Handlers, "as.issueTokens">;
}): Issuance {
  const { domain, store, handlers } = deps;

  return async ({ userId, clientId, window, signature, mediaType, body, arena, now }) => {
    try {
      if (Math.abs(window - windowOf(now)) > 1) throw new Fault("auth/stale");
      const signedWindow = arena.take(WINDOW_LENGTH);
      signedWindow.writeUInt32BE(window);
      const after: (() => void)[] = [];
      const { tokenResponse } = await store.transact(arena, async (tx) => {
        let authenticated = false;
        const call: Call = {
          arena,
          tx,
          now,
          authenticate(publicKey) {
            if (!verify(signature, "issuance", publicKey, domain, signedWindow, mediaType, body))
              throw new Fault("auth/signature");
            authenticated = true;
          },
          afterCommit: (task) => after.push(task),
          waitFor: () => undefined, // tokens are there at once or not at all
        };
        const reply = await handlers["as.issueTokens"]({ userId, clientId, tokenRequest: body }, call);
        if (!authenticated) throw new Fault("server/error");
        return reply;
      });
      for (const task of after) task();
      return { code: 0, payload: tokenResponse };
    } catch (error) {
      return { code: faults[outward(error)].number, payload: EMPTY };
    }
  };
}
