// What the authentication service stores: users by id, what their names lead to, requests that wait for them.
import { bytes, decode, encode, fixed, list, struct, u48, u8, type Codec } from "../../wire/codec.ts";
import { CONNECTION_PACKAGE_MAX, CREDENTIAL_MAX, NAME_MAX } from "../../wire/documents.ts";
import { operations } from "../../wire/operations.ts";
import type { Call } from "../ports.ts";

const id = fixed(16);
const key = fixed(32);

/** Clients a user may have. */
const CLIENTS = 10;

/** More publications than a client makes while a request of its own can be replayed (PROTOCOL.md section 5). */
export const PUBLICATIONS = 16;

/** Room `account`, name = user id. */
export const accountRecord = struct({
  name: bytes(NAME_MAX),
  clients: list(struct({ clientId: id, clientKey: key }), CLIENTS),
});

/** Room `name`, name = the user name's bytes: all that a discovery needs. */
export const nameRecord = struct({
  userId: id,
  credential: bytes(CREDENTIAL_MAX),
  packages: list(bytes(CONNECTION_PACKAGE_MAX), operations["as.putConnectionPackages"].limits.packages),
  /** Empty before the first publication. */
  lastResort: bytes(CONNECTION_PACKAGE_MAX),
  /** Digests of the last publications, the newest first: publishing one of them again changes nothing. */
  publications: list(key, PUBLICATIONS),
});

/** Room `directQueue`, name = user id. Its lock covers the requests in room `directItem`, numbered from 1. */
export const directQueueRecord = struct({
  next: u48,
  /** Requests up to this number are acknowledged and gone. */
  acknowledged: u48,
});

/** Room `issuance`, name = user id || class number, partition = token epoch: the one request that was answered. */
export const issuanceRecord = struct({
  request: key,
  /** How often it was answered. */
  answers: u8,
});

const DAY_SECONDS = 86_400;
/** Days since 1970-01-01. */
export const dayOf = (unixSeconds: number): number => Math.floor(unixSeconds / DAY_SECONDS);

type PointRoom = "account" | "name" | "directQueue";

/** The record of `name`, in the arena, or undefined. */
export async function load<T>(call: Call, room: PointRoom, codec: Codec<T>, name: Uint8Array): Promise<T | undefined> {
  const record = await call.tx.get(room, name);
  return record && decode(codec, record);
}

export function save<T>(call: Call, room: PointRoom, codec: Codec<T>, name: Uint8Array, value: T): void {
  call.tx.put(
    room,
    name,
    encode(codec, value, (size) => call.arena.take(size)),
  );
}
