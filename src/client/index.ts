// The package entry `tacet/client`.
export type { Admission, WorkAdmission } from "./admission.ts";
export { WAIT_MAX, type ClientEvent, type TacetClient } from "./client.ts";
export type { Alias } from "./aliases.ts";
export type { Contact, ContactRequest, Device } from "./contacts.ts";
export type { OwnDevice } from "./devices.ts";
export { ClientError, type ClientErrorCode } from "./errors.ts";
export { TEXT_MAX, type Group, type Health, type Member } from "./group.ts";
export type { NewGroup } from "./groups.ts";
export { openClient, type OpenClientOptions } from "./open.ts";
export type { OwnAccount } from "./own-account.ts";
export type { Profile } from "./profile.ts";
export type { Transport } from "./transport.ts";
export { Fault, type FaultCode } from "../fault.ts";
