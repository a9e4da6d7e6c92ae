// What the authentication service stores: users and aliases by id, what their names lead to, requests that wait for them.
import {
  bytes,
  decode,
  encode,
  fixed,
  list,
  struct,
  u32,
  u48,
  u8,
  type Codec,
  type ValueOf,
} from "../../wire/codec.ts";
import {
  CLIENT_LIST_MAX,
  CONNECTION_PACKAGE_MAX,
  CREDENTIAL_MAX,
  MAX_CLIENTS,
  NAME_MAX,
  PROFILE_MAX,
} from "../../wire/documents.ts";
import type { Call } from "../ports.ts";

const id = fixed(16);
const key = fixed(32);

/** More publications than a client makes while a request of its own can be replayed (PROTOCOL.md section 5). */
export const PUBLICATIONS = 16;

export const kinds = { user: 1, alias: 2 } as const;

const client = struct({
  clientId: id,
  clientKey: key,
  /** Day from which its credential counts. */
  issued: u32,
});
export type Client = ValueOf<typeof client>;

/** Room `account`, name = user id or alias id. Its lock covers the rooms `clientChange`, `accountEnd` and `accountUse`. */
export const accountRecord = struct({
  kind: u8,
  name: bytes(NAME_MAX),
  /** Zeros for an alias. */
  recoveryKey: key,
  /** Of the newest client list: its number, and its digest. */
  number: u32,
  listDigest: key,
  clients: list(client, MAX_CLIENTS),
  /** Hours since 1970 after which the account is gone; 0: no end in sight. */
  endsAt: u32,
  /** Where in the room `accountEnd` that stands. */
  endsSlot: u48,
  /** How often deletion was begun, so that none can be begun again by a replay; and by which client. */
  attempt: u32,
  endedBy: id,
  /** Digest of the profile's token, or nothing. A version is never put twice. */
  profile: bytes(32),
  profileVersion: u32,
});
export type AccountRecord = ValueOf<typeof accountRecord>;

/** Room `name`, name = the skeleton of the user name: all that a discovery needs but the packages for one use. */
export const nameRecord = struct({
  kind: u8,
  name: bytes(NAME_MAX),
  userId: id,
  /** As in the account. */
  endsAt: u32,
  /** Of the client that published last, and that client; its last day. */
  credential: bytes(CREDENTIAL_MAX),
  publisher: id,
  notAfter: u32,
  /** The newest; empty for an alias. */
  clientList: bytes(CLIENT_LIST_MAX),
  /** Empty before the first publication. */
  lastResort: bytes(CONNECTION_PACKAGE_MAX),
  /** Digests of the last publications, the newest first: publishing one of them again changes nothing. */
  publications: list(key, PUBLICATIONS),
});
export type NameRecord = ValueOf<typeof nameRecord>;

/** Room `directQueue`, name = user id. Its lock covers `directItem` (u32 day, offer), numbered from 1, and `targetUse`. */
export const directQueueRecord = struct({
  next: u48,
  /** Requests up to this number are gone. */
  released: u48,
  /** How far each client has acknowledged; who is not here is at `released`. */
  positions: list(struct({ clientId: id, acknowledged: u48 }), MAX_CLIENTS),
});
export type DirectQueueRecord = ValueOf<typeof directQueueRecord>;

/** Room `profile`, name = digest of the profile's token. */
export const profileRecord = struct({ sealed: bytes(PROFILE_MAX) });

/** Room `issuance`, name = user id || key id, partition = token epoch: the one request that was answered. */
export const issuanceRecord = struct({
  request: key,
  /** How often it was answered. */
  answers: u8,
});

const DAY_SECONDS = 86_400;
/** Days since 1970-01-01. */
export const dayOf = (unixSeconds: number): number => Math.floor(unixSeconds / DAY_SECONDS);
/** Hours since 1970-01-01. */
export const hourOf = (unixSeconds: number): number => Math.floor(unixSeconds / 3600);
/** What ends at that hour is over. */
export const isOver = ({ endsAt }: { readonly endsAt: number }, now: number): boolean =>
  endsAt !== 0 && endsAt <= hourOf(now);

/** What a record is read and written with: a request has it, and so has the upkeep. */
export type Scope = Pick<Call, "tx" | "arena" | "now">;

type PointRoom = "account" | "name" | "directQueue" | "profile";

/** The record of `name`, in the arena, or undefined. */
export async function load<T>(call: Scope, room: PointRoom, codec: Codec<T>, name: Uint8Array): Promise<T | undefined> {
  const record = await call.tx.get(room, name);
  return record && decode(codec, record);
}

export function save<T>(call: Scope, room: PointRoom, codec: Codec<T>, name: Uint8Array, value: NoInfer<T>): void {
  call.tx.put(
    room,
    name,
    encode(codec, value, (size) => call.arena.take(size)),
  );
}
