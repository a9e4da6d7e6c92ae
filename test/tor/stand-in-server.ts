// A stand-in for a homeserver: answers HTTP on a unix socket as the test says and keeps what it was sent.
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface StandInServer {
  readonly path: string;
  /** Raw bytes received on each connection, in the order of the connections. */
  readonly received: string[];
  readonly connections: () => number;
  readonly close: () => Promise<void>;
}

type Answer = (request: IncomingMessage, reply: ServerResponse, body: Buffer) => void;

export const standInServer = async (answer: Answer): Promise<StandInServer> => {
  const dir = await mkdtemp(join(tmpdir(), "tacet-server-"));
  const path = join(dir, "http.sock");
  const received: string[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((request, reply) => {
    const parts: Buffer[] = [];
    request.on("data", (part: Buffer) => parts.push(part));
    request.on("end", () => answer(request, reply, Buffer.concat(parts)));
  });
  server.keepAliveTimeout = 0;
  server.on("connection", (socket: Socket) => {
    const at = received.push("") - 1;
    sockets.add(socket);
    socket.on("data", (bytes: Buffer) => (received[at] += bytes.toString("latin1")));
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  const close = async (): Promise<void> => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
    await rm(dir, { recursive: true });
  };
  return { path, received, connections: () => received.length, close };
};
