// What a transport to a homeserver offers, whether it goes over Tor or straight to a socket.

export interface RequestOptions {
  /** Milliseconds for the whole exchange, a circuit's making included. */
  readonly timeoutMs?: number;
  /** Send once more when the connection was lost before the whole reply: only for requests that may arrive twice. */
  readonly retry?: boolean;
}

export interface TransportReply {
  readonly status: number;
  readonly body: Buffer;
  /** The WWW-Authenticate header, which carries the token challenge of a 401 (RFC 9577 section 2.1). */
  readonly challenge?: string;
}

/**
 * Requests under different circuit labels share no connection, and over Tor no circuit. Labels stay in the process.
 * Faults: tor/timeout, tor/lost (connection gone before the whole reply), tor/reply-size, tor/closed, and over Tor
 * those of socks5.ts.
 */
export interface Transport {
  readonly post: (circuit: string, path: string, body: Uint8Array, options?: RequestOptions) => Promise<TransportReply>;
  readonly get: (circuit: string, path: string, options?: RequestOptions) => Promise<TransportReply>;
  /** Ends the label's connections; its next use begins with fresh credentials, so on a fresh circuit. */
  readonly closeCircuit: (circuit: string) => void;
  /** Ends everything; requests under way and later ones are Fault tor/closed. */
  readonly close: () => void;
}
