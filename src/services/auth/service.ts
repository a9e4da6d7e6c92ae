// The authentication service: knows users and aliases by name, nothing of their queues and groups.
import type { AuthHandlers, AuthSigner, AuthToIssuer } from "../ports.ts";
import { createAlias, deleteAlias } from "./alias.ts";
import { addClient, listClients, removeClient, renewCredential } from "./clients.ts";
import { connect } from "./connect.ts";
import { cancelDeletion, deleteAccount } from "./delete-account.ts";
import { discover } from "./discover.ts";
import { issueTokens } from "./issue-tokens.ts";
import { getProfile, putProfile } from "./profile.ts";
import { putConnectionPackages } from "./put-connection-packages.ts";
import { readDirect } from "./read-direct.ts";
import { register } from "./register.ts";
import { rename } from "./rename.ts";
import { recover, reset } from "./reset.ts";

/** `domain`: the onion service's public key, 32 bytes. */
export function makeAuthService(deps: { domain: Uint8Array; signer: AuthSigner; issuer: AuthToIssuer }): AuthHandlers {
  const { domain, signer, issuer } = deps;
  const authority = { domain, signer };
  return {
    "as.register": register(authority),
    "as.putConnectionPackages": putConnectionPackages(authority),
    "as.issueTokens": issueTokens(issuer),
    "as.discover": discover,
    "as.connect": connect,
    "as.readDirect": readDirect,
    "as.addClient": addClient(authority),
    "as.removeClient": removeClient(authority),
    "as.listClients": listClients,
    "as.renewCredential": renewCredential(authority),
    "as.recover": recover,
    "as.reset": reset(authority, issuer),
    "as.rename": rename(authority),
    "as.deleteAccount": deleteAccount(domain, issuer),
    "as.cancelDeletion": cancelDeletion,
    "as.putProfile": putProfile,
    "as.getProfile": getProfile,
    "as.createAlias": createAlias(authority),
    "as.deleteAlias": deleteAlias(issuer),
  };
}
