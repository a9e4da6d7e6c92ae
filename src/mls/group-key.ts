// The key that opens a group's state at the delivery service in one epoch.
import { mlsExporter } from "ts-mls";
import { mlsGroupKey } from "../crypto/labels.ts";
import { cipherSuite, KEY_LENGTH } from "./suite.ts";

/** MLS-Exporter (RFC 9420 section 8.5), 32 bytes: another one in every epoch. */
export const exportGroupKey = (exporterSecret: Uint8Array): Promise<Uint8Array> =>
  mlsExporter(exporterSecret, mlsGroupKey, new Uint8Array(0), KEY_LENGTH, cipherSuite);
