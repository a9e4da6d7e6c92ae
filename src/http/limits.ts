// What one connection may take of the house. A peer behind Tor has no address: every limit is per connection.

export interface ListenLimits {
  /** Connections at once; each has at most one request, and so at most one small arena slab, at a time. */
  readonly connections: number;
  /** Seconds until a request's headers must be there, and all of it. */
  readonly headerSeconds: number;
  readonly requestSeconds: number;
  /** Seconds a client may take to read its answer. */
  readonly replySeconds: number;
  /** Seconds without a byte in either direction; must exceed the longest wait of a queue read. */
  readonly idleSeconds: number;
  /** Replies leave at multiples of these milliseconds after their request: longer than most work takes, short beside Tor. */
  readonly replyStep: number;
}

export const defaultLimits: ListenLimits = {
  connections: 640,
  headerSeconds: 20,
  requestSeconds: 90,
  replySeconds: 60,
  idleSeconds: 90,
  replyStep: 5,
};

/** Bytes of request line and headers. */
export const HEADER_BYTES = 4096;
export const HEADER_COUNT = 24;
