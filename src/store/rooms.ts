// The closed list of rooms: which kinds of records exist, how each is named, and in which order their locks are taken.

/**
 * `point`: one record a name. `ordered`: records of one name in a numbered row. `rank`: locks are taken in ascending
 * rank, so that two transactions never wait for each other; it is also the room's number inside its records, its own alone. `expires`: records are filed under a partition number
 * (a period) and dropped with it.
 */
export interface RoomShape {
  readonly kind: "point" | "ordered";
  readonly rank: number;
  readonly expires?: true;
}

export const rooms = {
  // The server's own singletons (identity, intermediate credential, handle key, sweep marks); every service opens its own.
  server: { kind: "point", rank: 4 },
  // Secret keys of the token issuer, one record a class and epoch; only the issuer opens it.
  issuerKey: { kind: "point", rank: 5 },
  // Another issuer's keys: when they were first seen, which it lists now; only the gate opens it.
  externalIssuer: { kind: "point", rank: 6 },
  // A user or an alias: its clients, recovery key, end; only the authentication service opens it.
  account: { kind: "point", rank: 10 },
  // A name's owner and what discovery hands out, named by the name's skeleton; only the authentication service opens it.
  name: { kind: "point", rank: 11 },
  // State of a user's queue of connection requests; only the authentication service opens it.
  directQueue: { kind: "point", rank: 12 },
  // Connection packages for one use, under the lock of their owner's name; only the authentication service opens it.
  connectionPackage: { kind: "ordered", rank: 15 },
  // A user's signed client lists, under the lock of the account; only the authentication service opens it.
  clientChange: { kind: "ordered", rank: 16 },
  // Sealed profiles, named by a digest of their token; only the authentication service opens it.
  profile: { kind: "point", rank: 17 },
  // Accounts that end in an hour, under the locks of the accounts; only the authentication service opens it.
  accountEnd: { kind: "ordered", rank: 7 },
  // What an account did that is limited by the month, under the account's lock; partition: 30 days.
  accountUse: { kind: "point", rank: 18, expires: true },
  // How many connection requests a target got, under the lock of its direct queue; partition: day.
  targetUse: { kind: "point", rank: 8, expires: true },
  // Names that nobody may take yet, under the locks of the names; partition: 30 days.
  nameHeld: { kind: "point", rank: 9, expires: true },
  // Connection requests waiting for a user, sealed by their senders; only the authentication service opens it.
  directItem: { kind: "ordered", rank: 13 },
  // What an account drew in a token epoch, so that a repeated draw gets the same answer; partition: token epoch.
  issuance: { kind: "point", rank: 14, expires: true },
  // Ids of groups that may be created; only the delivery service opens it; partition: day. Under the lock of `group`, as
  // are all rooms of a group.
  groupReserved: { kind: "point", rank: 19, expires: true },
  // A group's public state sealed under its members' key; only the delivery service opens it; partition: month.
  group: { kind: "point", rank: 20, expires: true },
  // The state of an epoch that is over, sealed under its key; only the delivery service opens it; partition: month.
  groupEpoch: { kind: "point", rank: 21, expires: true },
  // The key of the epoch behind one, sealed under that one's key; only the delivery service opens it; partition: month.
  groupNext: { kind: "point", rank: 22, expires: true },
  // That a group's last commits are not confirmed; only the delivery service opens it; partition: month.
  groupRun: { kind: "point", rank: 23, expires: true },
  // Votes to undo them, sealed under the key of the epoch before; only the delivery service opens it; partition: month.
  groupVote: { kind: "point", rank: 24, expires: true },
  // What a pseudonym sent in a day, counted; only the delivery service opens it; partition: day.
  groupUse: { kind: "point", rank: 25, expires: true },
  // A pseudonym's sealed KeyPackages; only the queuing service opens it.
  keyPackage: { kind: "point", rank: 30 },
  // Friendship token digest to pseudonym; only the queuing service opens it.
  friendship: { kind: "point", rank: 31 },
  // A pseudonym's queue: owner key, ratchet, first and next sequence; only the queuing service opens it.
  queue: { kind: "point", rank: 40 },
  // Queues by the day on which they are looked at, under the locks of the queues; only the queuing service opens it.
  queueLook: { kind: "ordered", rank: 42 },
  // Queued messages, sealed under the queue's ratchet; only the queuing service opens it.
  queueItem: { kind: "ordered", rank: 41 },
  // Digests of redeemed tokens; only the gate opens it; partition: token key epoch.
  spent: { kind: "point", rank: 60, expires: true },
  // Digests of redeemed tokens of other issuers; only the gate opens it; partition: epoch in which the key was first seen.
  foreignSpent: { kind: "point", rank: 63, expires: true },
  // Digests of work that paid for a registration; only the gate opens it; partition: day of its seed.
  work: { kind: "point", rank: 62, expires: true },
  // Sealed replies kept for retries; only the gate opens it; partition: day.
  receipt: { kind: "point", rank: 61, expires: true },
  // Tokens taken of another issuer, counted; only the gate opens it; partition: day. Locked last, behind every handler's.
  budget: { kind: "point", rank: 64, expires: true },
} as const satisfies Record<string, RoomShape>;

export type Room = keyof typeof rooms;
export const roomNames = Object.keys(rooms) as Room[];

/** The shape of a room, its literal type widened so that optional columns can be read. */
export const shapeOf = (room: Room): RoomShape => rooms[room];
