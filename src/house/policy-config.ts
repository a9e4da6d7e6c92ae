// The operator's decisions about newcomers and tokens, out of the configuration.
import type { Config } from "../config/config.ts";
import { BLIND_RSA, VOPRF } from "../../tokens/types.ts";
import type { TokenPolicy } from "./policy.ts";

const types = { "0x0005": VOPRF, "0x0002": BLIND_RSA } as const;

export const policyOf = (config: Config, issuerOnly = false): TokenPolicy => ({
  maxBatch: config.tokens.batch,
  types: config.tokens.types.map((name) => types[name]),
  registration: config.registration.mode,
  invitationsPerEpoch: config.registration.invitationsPerEpoch,
  work: config.registration.work,
  externalIssuers: config.externalIssuers,
  issuerOnly,
});
