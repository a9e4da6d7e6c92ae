// One public document of an onion service, over a circuit that is used for nothing else.
import type { Buffer } from "node:buffer";
import { Fault } from "../src/fault.ts";
import type { SocksTarget } from "./circuit-agent.ts";
import { torTransport } from "./transport.ts";

/**
 * Faults: those of a transport (tor/closed when `signal` ends it), tor/address, and wire/malformed for any status but 200.
 */
export const fetchOnce = async (
  target: SocksTarget & { readonly onion: string },
  path: string,
  signal: AbortSignal,
): Promise<Buffer> => {
  if (signal.aborted) throw new Fault("tor/closed");
  const transport = torTransport(target);
  const close = (): void => transport.close();
  signal.addEventListener("abort", close);
  try {
    const { status, body } = await transport.get("document", path, { retry: true });
    if (status !== 200) throw new Fault("wire/malformed");
    return body;
  } finally {
    signal.removeEventListener("abort", close);
    close();
  }
};
