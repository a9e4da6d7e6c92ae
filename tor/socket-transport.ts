// The same transport without Tor: straight to a homeserver's unix socket, for tests and measurements.
import { Agent } from "node:http";
import { connect } from "node:net";
import { idleClose } from "./circuit-agent.ts";
import { circuitTransport } from "./circuits.ts";
import type { Transport } from "./transport-interface.ts";

class SocketAgent extends Agent {
  readonly #path: string;

  constructor(path: string) {
    super({ keepAlive: true, timeout: idleClose });
    this.#path = path;
  }

  override createConnection(): ReturnType<Agent["createConnection"]> {
    return connect({ path: this.#path });
  }
}

/** `host` is what the Host header says: the home domain of the homeserver behind the socket. */
export const socketTransport = (path: string, host: string): Transport =>
  circuitTransport(host, () => new SocketAgent(path));
