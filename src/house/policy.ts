// What the operator decides about newcomers and tokens.
import type { ExternalIssuer } from "../../tokens/external.ts";
import type { EffortBounds } from "../../tokens/effort.ts";
import { VOPRF, type TokenType } from "../../tokens/types.ts";
import { MAX_BATCH } from "../wire/operations.ts";

/**
 * `closed`: invitations are the operator's alone. `invitation`: accounts draw some, too; they are tokens, so nobody
 * learns who invited whom. `proof_of_work`: besides that, whoever has done the work of the day may register.
 */
export type RegistrationMode = "closed" | "invitation" | "proof_of_work";

/** Another issuer whose tokens are taken. */
export interface AcceptedIssuer extends ExternalIssuer {
  /** Tokens a day (UTC). */
  readonly dailyBudget: number;
}

export interface TokenPolicy {
  /** Tokens that an account draws of a class, epoch and key, all at once; at most MAX_BATCH. */
  readonly maxBatch: number;
  /** What new issuer keys are made of; the first is the house's own currency. */
  readonly types: readonly TokenType[];
  readonly registration: RegistrationMode;
  /** Invitations that an account draws an epoch, unless registration is closed. */
  readonly invitationsPerEpoch: number;
  readonly work: EffortBounds;
  readonly externalIssuers: readonly AcceptedIssuer[];
  /** The house registers and issues, and does nothing else. */
  readonly issuerOnly: boolean;
}

export const defaultPolicy: TokenPolicy = {
  maxBatch: MAX_BATCH,
  types: [VOPRF],
  registration: "closed",
  invitationsPerEpoch: 5,
  work: { minEffort: 4, maxEffort: 14, perHour: 20 },
  externalIssuers: [],
  issuerOnly: false,
};

/** In the directory (u8). */
export const registrationNumbers: Readonly<Record<RegistrationMode, number>> = {
  closed: 0,
  invitation: 1,
  proof_of_work: 2,
};
