// The authentication service: knows users by name, nothing of their queues and groups.
import type { AuthHandlers, AuthSigner, AuthToIssuer } from "../ports.ts";
import { connect } from "./connect.ts";
import { discover } from "./discover.ts";
import { issueTokens } from "./issue-tokens.ts";
import { putConnectionPackages } from "./put-connection-packages.ts";
import { readDirect } from "./read-direct.ts";
import { register } from "./register.ts";

/** `domain`: the onion service's public key, 32 bytes. */
export function makeAuthService(deps: { domain: Uint8Array; signer: AuthSigner; issuer: AuthToIssuer }): AuthHandlers {
  return {
    "as.register": register(deps.domain, deps.signer),
    "as.putConnectionPackages": putConnectionPackages,
    "as.issueTokens": issueTokens(deps.issuer),
    "as.discover": discover,
    "as.connect": connect,
    "as.readDirect": readDirect,
  };
}
