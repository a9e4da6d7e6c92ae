// The closed list of refusals. A fault has a code and nothing else: no data may travel in an error.

/**
 * Every refusal the house can give. The number is what travels on the wire (u16, PROTOCOL.md section 10) and never
 * changes meaning; `status` is the HTTP status of the reply that carries it.
 */
export const faults = {
  // wire: what arrived is not of the protocol's form
  "wire/malformed": { number: 1, status: 200 },
  "wire/unknown-operation": { number: 2, status: 200 },
  "wire/size-class": { number: 3, status: 400 },
  // envelope: the sealed request could not be opened
  "envelope/unknown-key": { number: 10, status: 400 },
  "envelope/open": { number: 11, status: 400 },
  // token: the gate
  "token/required": { number: 20, status: 401 },
  "token/invalid": { number: 21, status: 401 },
  "token/spent": { number: 22, status: 401 },
  "token/batch": { number: 23, status: 200 },
  "token/unknown-key": { number: 24, status: 401 },
  "token/allowance": { number: 25, status: 200 },
  "token/conflict": { number: 26, status: 200 },
  "token/work": { number: 27, status: 401 },
  "token/budget": { number: 28, status: 401 },
  // auth: who asks
  "auth/signature": { number: 30, status: 200 },
  "auth/stale": { number: 31, status: 200 },
  // account
  "account/name": { number: 40, status: 200 },
  "account/taken": { number: 41, status: 200 },
  "account/limit": { number: 42, status: 200 },
  "account/clients": { number: 43, status: 200 },
  "account/conflict": { number: 44, status: 200 },
  "account/expired": { number: 45, status: 200 },
  // queue
  "queue/full": { number: 50, status: 200 },
  "queue/limit": { number: 51, status: 200 },
  "queue/no-key-package": { number: 52, status: 200 },
  "queue/exists": { number: 53, status: 200 },
  // group
  "group/exists": { number: 60, status: 200 },
  "group/unavailable": { number: 61, status: 200 },
  "group/epoch": { number: 62, status: 200 },
  "group/invalid": { number: 63, status: 200 },
  "group/policy": { number: 64, status: 200 },
  "group/limit": { number: 65, status: 200 },
  "group/proposals": { number: 66, status: 200 },
  // server: its own trouble; a token is given back where no work was done
  "server/busy": { number: 90, status: 200 },
  "server/full": { number: 91, status: 200 },
  "server/error": { number: 92, status: 200 },
  // local: never leave the process
  "memory/exhausted": { number: 200, status: 200 },
  "crypto/open": { number: 201, status: 200 },
  "crypto/input": { number: 202, status: 200 },
  "store/locked": { number: 210, status: 200 },
  "store/missing": { number: 211, status: 200 },
  "store/exists": { number: 212, status: 200 },
  "store/wrong-key": { number: 213, status: 200 },
  "store/corrupt": { number: 214, status: 200 },
  "store/write": { number: 215, status: 200 },
  "store/closed": { number: 216, status: 200 },
  "store/key-file": { number: 217, status: 200 },
  "store/key-permissions": { number: 218, status: 200 },
  "store/key-passphrase": { number: 219, status: 200 },
  "store/erased": { number: 207, status: 200 },
  "store/rolled-back": { number: 208, status: 200 },
  "store/not-rolled-back": { number: 209, status: 200 },
  // tor: reaching and publishing onion services
  "tor/missing": { number: 220, status: 200 },
  "tor/too-old": { number: 221, status: 200 },
  "tor/start": { number: 222, status: 200 },
  "tor/timeout": { number: 223, status: 200 },
  "tor/address": { number: 224, status: 200 },
  "tor/control-lost": { number: 225, status: 200 },
  "tor/control-reply": { number: 226, status: 200 },
  "tor/control-refused": { number: 227, status: 200 },
  "tor/proxy": { number: 230, status: 200 },
  "tor/onion-not-found": { number: 231, status: 200 },
  "tor/onion-descriptor": { number: 232, status: 200 },
  "tor/onion-introduction": { number: 233, status: 200 },
  "tor/onion-rendezvous": { number: 234, status: 200 },
  "tor/onion-authorization": { number: 235, status: 200 },
  "tor/onion-address": { number: 236, status: 200 },
  "tor/connect": { number: 237, status: 200 },
  "tor/lost": { number: 238, status: 200 },
  "tor/reply-size": { number: 239, status: 200 },
  "tor/closed": { number: 240, status: 200 },
  "tor/path": { number: 241, status: 200 },
  // http: where the house listens
  "http/socket-path": { number: 250, status: 200 },
  "http/socket-in-use": { number: 251, status: 200 },
} as const satisfies Record<string, { number: number; status: number }>;

export type FaultCode = keyof typeof faults;

/** A refusal. `message` is the code itself, so that no log line or stack can carry more than the code. */
export class Fault extends Error {
  readonly code: FaultCode;
  constructor(code: FaultCode) {
    super(code);
    this.name = "Fault";
    this.code = code;
  }
}

const byNumber = new Map<number, FaultCode>(
  Object.entries(faults).map(([code, { number }]) => [number, code as FaultCode]),
);

/** The code of a wire number, or undefined when this version does not know it. */
export const faultOfNumber = (number: number): FaultCode | undefined => byNumber.get(number);
