// What the client needs of its way to the server; the app passes one in (tor/transport.ts, tor/socket-transport.ts).

export interface RequestOptions {
  /** Milliseconds for the whole exchange, the making of a circuit included. */
  readonly timeoutMs?: number;
  /** Let the transport itself send once more; the client never asks for it, as it retries with a fresh seal. */
  readonly retry?: boolean;
}

export interface TransportReply {
  readonly status: number;
  readonly body: Buffer;
  /** The WWW-Authenticate header of a 401 (RFC 9577 section 2.1). */
  readonly challenge?: string;
}

/**
 * Exchanges with one homeserver. Requests under different circuit labels must share no connection and no circuit; that
 * is what keeps a client's pseudonyms apart. Labels stay in this process. A failed exchange rejects with any error.
 */
export interface Transport {
  readonly post: (circuit: string, path: string, body: Uint8Array, options?: RequestOptions) => Promise<TransportReply>;
  readonly get: (circuit: string, path: string, options?: RequestOptions) => Promise<TransportReply>;
  /** Ends the label's connections; its next use begins on a fresh circuit. */
  readonly closeCircuit: (circuit: string) => void;
  readonly close: () => void | Promise<void>;
}
