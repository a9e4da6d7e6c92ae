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
  /** MLSMessage with the Welcome for all who are added, the ratchet tree inside. */
  readonly welcome: Uint8Array | undefined;
  /** MLSMessage with the next epoch's GroupInfo and external_pub, without the tree. */
  readonly groupInfo: Uint8Array;
  /** The next epoch's group key, 32 bytes. */
  readonly nextGroupKey: Uint8Array;
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

export type Received =
  | {
      readonly kind: "application";
      readonly plaintext: Uint8Array;
      /** Leaf index in the epoch of the message, which may be the one before this group's. */
      readonly sender: number;
      readonly next: ClientGroup;
      settle(): void;
    }
  | {
      readonly kind: "commit";
      readonly committer: number;
      /** Leaf indices after the commit. */
      readonly added: readonly number[];
      /** Leaf indices before the commit. */
      readonly removed: readonly number[];
      /** True when the commit removed this client: `next` can then do nothing more. */
      readonly removedSelf: boolean;
      readonly next: ClientGroup;
      settle(): void;
    };
