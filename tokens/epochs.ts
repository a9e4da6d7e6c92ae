// When an issuer key is used and accepted: epochs of 30 days, counted from 1970-01-01, and a week of overlap.

/** Days in which a key is the one that its class issues with. */
export const EPOCH_DAYS = 30;
/** Days after its epoch in which a key's tokens are still accepted. */
export const OVERLAP_DAYS = 7;

const SECONDS_PER_DAY = 86400;

/** Unix seconds to the unix day number. */
export const dayOf = (now: number): number => Math.floor(now / SECONDS_PER_DAY);

/** The epoch that issues at `now` (unix seconds). */
export const epochOf = (now: number): number => Math.floor(dayOf(now) / EPOCH_DAYS);

/** First and last day (both inclusive) on which tokens of an epoch are accepted. */
export const windowOf = (epoch: number): { readonly notBefore: number; readonly notAfter: number } => ({
  notBefore: epoch * EPOCH_DAYS,
  notAfter: (epoch + 1) * EPOCH_DAYS - 1 + OVERLAP_DAYS,
});

/** True when `now` (unix seconds) lies in the window. */
export function isLive(key: { readonly notBefore: number; readonly notAfter: number }, now: number): boolean {
  const day = dayOf(now);
  return day >= key.notBefore && day <= key.notAfter;
}
