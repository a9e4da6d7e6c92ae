// The HTTP agent of one circuit: kept-alive streams that share one pair of SOCKS credentials and nothing else.
import { randomBytes } from "node:crypto";
import { connect, type Socket } from "node:net";
import { SocksProxyAgent } from "socks-proxy-agent";
import { Fault, type FaultCode } from "../src/fault.ts";
import { abandoned } from "./http-exchange.ts";
import { socksConnect, type SocksDestination } from "./socks5.ts";

/** Where tor's SOCKS listener is: a unix socket, or a TCP port. */
export type SocksTarget = { readonly socksPath: string } | { readonly socksHost: string; readonly socksPort: number };

type Connect = SocksProxyAgent["connect"];

/**
 * Tor reports the first trouble a stream met, even when a second directory, introduction or rendezvous point then
 * served it (connection_ap_handshake_socks_reply in tor's connection_edge.c). Only a second refusal is believed; tor
 * remembers what it has asked, so that one is quick, and no byte of the request was sent.
 */
const unsure: ReadonlySet<FaultCode> = new Set([
  "tor/onion-not-found",
  "tor/onion-introduction",
  "tor/onion-rendezvous",
]);

/** A stream without a request is closed after this many milliseconds. */
export const idleClose = 60_000;

const open = (target: SocksTarget): Socket =>
  "socksPath" in target ? connect({ path: target.socksPath }) : connect(target.socksPort, target.socksHost);

const connected = (socket: Socket): Promise<void> =>
  new Promise((resolve, reject) => {
    socket.once("connect", resolve);
    socket.once("close", () => reject(new Fault("tor/proxy")));
  });

/**
 * Tor gives streams with different credentials different circuits (IsolateSOCKSAuth). These are random per agent and
 * live only in it: a new agent is a new circuit, and no label of ours reaches tor.
 *
 * The handshake is our own because the library's offers the proxy to go without credentials, and drops tor's extended
 * reply codes.
 */
export class CircuitAgent extends SocksProxyAgent {
  readonly #target: SocksTarget;
  readonly #opening = new Set<Socket>();

  constructor(target: SocksTarget) {
    const host = "socksPath" in target ? "localhost" : `${target.socksHost}:${target.socksPort}`;
    const [user, password] = [randomBytes(16).toString("hex"), randomBytes(16).toString("hex")];
    super(`socks5h://${user}:${password}@${host}`, { keepAlive: true, timeout: idleClose });
    this.#target = target;
  }

  override async connect(request: Parameters<Connect>[0], options: Parameters<Connect>[1]): Promise<Socket> {
    const { userId: user = "", password = "" } = this.proxy;
    const to = { user, password, host: options.host ?? "", port: Number(options.port) };
    try {
      return await this.#stream(request, to);
    } catch (error) {
      const again = error instanceof Fault && unsure.has(error.code) && !request.destroyed;
      if (!again) throw error;
      return await this.#stream(request, to);
    }
  }

  async #stream(request: Parameters<Connect>[0], to: SocksDestination): Promise<Socket> {
    const socket = open(this.#target);
    const abandon = (): void => void socket.destroy();
    socket.on("error", abandon);
    request.once(abandoned, abandon);
    this.#opening.add(socket);
    try {
      await connected(socket);
      socket.setNoDelay(true);
      await socksConnect(socket, to);
      return socket;
    } catch (error) {
      socket.destroy();
      throw error;
    } finally {
      request.off(abandoned, abandon);
      this.#opening.delete(socket);
    }
  }

  override destroy(): void {
    for (const socket of this.#opening) socket.destroy();
    super.destroy();
  }
}
