// What can go wrong on the client's side: a closed list, each with a sentence for people.

export const clientErrors = {
  "client/closed": "This client has been closed.",
  "client/not-registered": "Register a user name first.",
  "client/registered": "This client already has a user name.",
  "client/needs-invitation": "This server takes newcomers with an invitation only.",
  "client/no-invitations": "There is no invitation left, or this server leaves inviting to its operator.",
  "client/no-inbox": "Create an inbox first.",
  "client/no-tokens": "There are no tokens of this kind left: the next are drawn at the time that nextDraw gives.",
  "client/text-length": "The message is empty or too long.",
  "account/words": "These are not 24 recovery words.",
  "account/code": "This device code is none, was used already, or has run out.",
  "account/unknown-device": "There is no such device.",
  "account/unknown-alias": "There is no such alias.",
  "account/profile": "The profile is too long.",
  "server/identity": "The server's directory does not belong to this onion address, or its keys have changed.",
  "server/answer": "The server's answer is not of the protocol's form.",
  "contact/unknown-name": "Nobody has this user name.",
  "contact/unverified": "The identity the server gave does not verify: do not talk to it.",
  "contact/changed":
    "This name has another key than before. Ask the person on another way, then forget the name to meet it anew.",
  "contact/limit": "This client knows as many people as it can keep.",
  "contact/blocked": "You have blocked this person.",
  "contact/unknown": "There is no such contact or request.",
  "group/not-member": "You are not, or no longer, a member of this group.",
  "group/unknown-member": "No verified member of this group has this name.",
  "group/contended": "Other members changed the group at the same time: try again.",
  "group/diverged":
    "This client lost step with the group and is finding its way back; what was to be sent waits for that.",
  "group/leaving": "You are leaving this group.",
  "group/not-admin": "Only an admin of the group may do this.",
  "state/in-use": "Another program is using this client's state.",
  "state/key": "The device key does not open this client's state.",
  "state/damaged": "The client's state on disk is damaged or incomplete.",
} as const;

export type ClientErrorCode = keyof typeof clientErrors;

/** A client-side refusal; like `Fault` it carries a code and no data. `sentence` is for people. */
export class ClientError extends Error {
  readonly code: ClientErrorCode;
  constructor(code: ClientErrorCode) {
    super(code);
    this.name = "ClientError";
    this.code = code;
  }

  get sentence(): string {
    return clientErrors[this.code];
  }
}
