// The client's way to an onion service: HTTP over tor's SOCKS listener, one circuit for each purpose.
import { CircuitAgent, type SocksTarget } from "./circuit-agent.ts";
import { circuitTransport } from "./circuits.ts";
import { parseOnionAddress } from "./onion-address.ts";
import type { Transport } from "./transport-interface.ts";

/** Fault tor/address when `onion` is not a v3 onion address. Nothing is opened before the first request. */
export const torTransport = (target: SocksTarget & { readonly onion: string }): Transport => {
  parseOnionAddress(target.onion);
  return circuitTransport(target.onion, () => new CircuitAgent(target));
};
