// What a member gets back from its group: the next state, what to send, what was said.
import type { ClientGroup } from "./client.ts";

export interface Member {
  readonly leafIndex: number;
  readonly pseudonym: Uint8Array;
  readonly signaturePublicKey: Uint8Array;
  readonly handle: Uint8Array;
}

/** Everything the delivery service needs, and what to become when it accepts. Drop it when it refuses. */
export interface PendingCommit {
  /** MLSMessage with a PublicMessage. */
  readonly commit: Uint8Array;
  /** MLSMessage with the Welcome for all who are added, without the ratchet tree. */
  readonly welcome: Uint8Array | undefined;
  /** MLSMessage with the next epoch's GroupInfo and external_pub, without the tree. */
  readonly groupInfo: Uint8Array;
  /** The next epoch's group key, 32 bytes. */
  readonly nextGroupKey: Uint8Array;
  /** Where the commit removes anybody: that key sealed for each remaining member, 82 bytes each (recovery.ts). Else empty. */
  readonly recovery: Uint8Array;
  readonly next: ClientGroup;
  /** Wipes the old epoch's secrets; once `next` is stored. The old group is of no use after it. */
  settle(): void;
}

export interface Sent {
  /** MLSMessage with a PrivateMessage, its content padded to 256-byte steps. */
  readonly privateMessage: Uint8Array;
  readonly next: ClientGroup;
  settle(): void;
}

export interface ReceivedApplication {
  readonly kind: "application";
  readonly plaintext: Uint8Array;
  /** Leaf index in the epoch of the message, which may be the one before this group's. */
  readonly sender: number;
  readonly next: ClientGroup;
  settle(): void;
}

export interface ReceivedProposal {
  readonly kind: "proposal";
  /** Leaf index of the member that is to be removed by the next commit. */
  readonly leaf: number;
  /** True when the house proposed it, false when the member wants to leave. */
  readonly byServer: boolean;
  readonly next: ClientGroup;
  settle(): void;
}

export interface ReceivedCommit {
  readonly kind: "commit";
  /** Leaf index after the commit. */
  readonly committer: number;
  /** Leaf indices after the commit, in the order of the Adds; the committer itself when it joined from outside. */
  readonly added: readonly number[];
  /** Leaf indices before the commit of those who are members no more. */
  readonly removed: readonly number[];
  /** The committer's leaf index before the commit, where it took a new leaf because it was out of step. */
  readonly resynced: number | undefined;
  /** True when the commit removed this client: `next` can then do nothing more. */
  readonly removedSelf: boolean;
  readonly next: ClientGroup;
  settle(): void;
}

export type Received = ReceivedApplication | ReceivedProposal | ReceivedCommit;
