// The package entry `tacet/client`.
export { openClient, WAIT_MAX, type ClientEvent, type OpenClientOptions, type TacetClient } from "./client.ts";
export type { Contact } from "./contacts.ts";
export { ClientError, type ClientErrorCode } from "./errors.ts";
export { TEXT_MAX, type Group, type Member } from "./group.ts";
export type { Transport } from "./transport.ts";
export { Fault, type FaultCode } from "../fault.ts";
