// The house's only listener: koa on a unix socket, which sees ciphertext, and answers everybody in the same few shapes.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { randomBytes } from "../crypto/random.ts";
import { Fault } from "../fault.ts";
import { wipe } from "../memory/locked.ts";
import { makeApp, type AppDeps } from "./app.ts";
import { Upload } from "./body.ts";
import { defaultLimits, HEADER_BYTES, HEADER_COUNT, type ListenLimits } from "./limits.ts";
import { startScrubber } from "./scrub.ts";
import { checkSocketPath, removeStaleSocket } from "./socket-file.ts";

export interface ListenOptions extends Omit<AppDeps, "replyStep"> {
  /** Absolute, below 108 bytes. */
  readonly socketPath: string;
  /** Of the socket's file; 0o600 unless tor runs as another user of the same group (0o660). */
  readonly mode?: number;
  readonly limits?: Partial<ListenLimits>;
}

export interface Listener {
  /** Accepts nothing more, lets running requests end for at most `graceSeconds` (3), removes the socket's file. */
  close(graceSeconds?: number): Promise<void>;
}

/**
 * Listens. Faults `http/socket-path` (not the path of a unix socket), `http/socket-in-use` (somebody listens there).
 * Nothing here keeps a request's plaintext: that lives in the arenas, between `exchange` and `dispatch`.
 */
export async function listen(options: ListenOptions): Promise<Listener> {
  const { socketPath, mode = 0o600, observe } = options;
  const limits = { ...defaultLimits, ...options.limits };
  checkSocketPath(socketPath);
  const scrubPath = `/${randomBytes(16).toString("hex")}`;
  const uploads = new WeakMap<IncomingMessage, Upload>();
  const busy = new WeakSet<Socket>();
  const running = new Set<Promise<void>>();
  const handle = makeApp({ ...options, replyStep: limits.replyStep }, (request) => uploads.get(request));

  const server = createServer(
    {
      maxHeaderSize: HEADER_BYTES,
      // node refuses a longer time for a part than for the whole
      headersTimeout: Math.min(limits.headerSeconds, limits.requestSeconds) * 1000,
      requestTimeout: limits.requestSeconds * 1000,
      keepAliveTimeout: limits.idleSeconds * 1000,
      connectionsCheckingInterval: 1_000,
      requireHostHeader: false,
      highWaterMark: 16 << 10,
    },
    (req: IncomingMessage, res: ServerResponse) => {
      const { socket } = req;
      uploads.set(req, new Upload(req));
      if (req.url !== scrubPath) scrubber.touch();
      // A request before the last one's answer would let one connection hold any number of them.
      if (busy.has(socket)) {
        socket.destroy();
        return;
      }
      busy.add(socket);
      res.once("finish", () => busy.delete(socket));
      // neither a clock nor a server's name, and no word about the connection that HTTP/1.1 does not imply
      res.sendDate = false;
      res.removeHeader("Connection");
      const done = handle(req, res)
        .then(() => limitReply(res, limits.replySeconds))
        .catch(() => void socket.destroy())
        .finally(() => running.delete(done));
      running.add(done);
    },
  );
  server.maxHeadersCount = HEADER_COUNT;
  server.maxConnections = limits.connections;
  server.setTimeout(limits.idleSeconds * 1000, (socket) => socket.destroy());
  let full = false;
  server.on("connection", () => (full = false));
  server.on("drop", () => {
    if (!full) observe.event("connections-full");
    full = true;
  });
  server.on("clientError", (error: NodeJS.ErrnoException & { rawPacket?: Buffer }, socket) => {
    wipe(error.rawPacket);
    scrubber.touch();
    socket.destroy();
  });
  const scrubber = startScrubber({
    socketPath,
    path: scrubPath,
    // there only when the process was started so
    collect: () => {
      globalThis.gc?.();
    },
    failed: () => observe.event("scrub-failed"),
  });
  try {
    await removeStaleSocket(socketPath);
    await bind(server, socketPath, mode);
  } catch (error) {
    scrubber.stop();
    throw error;
  }
  server.on("error", () => observe.event("listener-failed"));

  return {
    async close(graceSeconds = 3) {
      scrubber.stop();
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      // what still waits then has lost its connection, and finds the store closed when it wakes
      const grace = new Promise<void>((resolve) => setTimeout(resolve, graceSeconds * 1000).unref());
      await Promise.race([Promise.all(running), grace]);
      server.closeAllConnections();
      await closed;
    },
  };
}

// The file has its mode from the moment it is there: bind(2) applies the umask.
function bind(server: Server, path: string, mode: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      reject(new Fault(error.code === "EADDRINUSE" ? "http/socket-in-use" : "http/socket-path"));
    });
    const before = process.umask(0o777 & ~mode);
    try {
      server.listen({ path }, () => {
        server.removeAllListeners("error");
        resolve();
      });
    } finally {
      process.umask(before);
    }
  });
}

// A client that reads too slowly loses its answer, not the house its memory.
function limitReply(res: ServerResponse, seconds: number): void {
  if (res.closed) return;
  const timer = setTimeout(() => res.destroy(), seconds * 1000);
  res.once("close", () => clearTimeout(timer));
}
