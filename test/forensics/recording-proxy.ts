// Stands between clients and the house's socket as tor does, and writes down what passes: lengths, paths, headers, statuses.
import { connect, createServer, type Socket } from "node:net";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** One message of HTTP, its body by its length alone. */
interface Message {
  readonly line: string;
  /** Lower case, in order. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly length: number;
}

export interface Exchange {
  readonly request: Message;
  readonly reply: Message;
}

export interface Proxy {
  readonly socketPath: string;
  readonly exchanges: Exchange[];
  close(): Promise<void>;
}

/** Reads messages with a Content-Length, or without a body, one after the other. */
function messageReader(done: (message: Message) => void): (chunk: Buffer) => void {
  let head = "";
  let message: Message | undefined;
  let left = 0;
  return (chunk) => {
    for (let at = 0; at < chunk.length;) {
      if (message === undefined) {
        head += String.fromCharCode(chunk[at++]!);
        if (!head.endsWith("\r\n\r\n")) continue;
        const [line = "", ...rest] = head.trimEnd().split("\r\n");
        const headers = rest.map((text) => {
          const colon = text.indexOf(":");
          return [text.slice(0, colon).toLowerCase(), text.slice(colon + 1).trim()] as const;
        });
        const length = Number(headers.find(([name]) => name === "content-length")?.[1] ?? 0);
        message = { line, headers, length };
        left = length;
        head = "";
      } else {
        const taken = Math.min(left, chunk.length - at);
        at += taken;
        left -= taken;
      }
      if (message !== undefined && left === 0) {
        done(message);
        message = undefined;
      }
    }
  };
}

/** Listens on a socket of its own, whose name is short, and passes everything on to `target`. */
export async function recordingProxy(target: string): Promise<Proxy> {
  const dir = await mkdtemp(join(tmpdir(), "tacet-wire-"));
  const socketPath = join(dir, "s");
  const exchanges: Exchange[] = [];
  const open = new Set<Socket>();
  const server = createServer((client) => {
    const house = connect({ path: target });
    const asked: Message[] = [];
    const requests = messageReader((message) => void asked.push(message));
    const replies = messageReader((reply) => {
      const request = asked.shift();
      if (request !== undefined) exchanges.push({ request, reply });
    });
    for (const [from, to, read] of [
      [client, house, requests],
      [house, client, replies],
    ] as const) {
      open.add(from);
      from.on("data", (chunk: Buffer) => {
        read(chunk);
        to.write(chunk);
      });
      from.on("error", () => undefined);
      from.on("close", () => {
        open.delete(from);
        to.destroy();
      });
    }
  });
  await new Promise<void>((resolve) => server.listen(socketPath, resolve));
  return {
    socketPath,
    exchanges,
    async close() {
      for (const socket of open) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
      await rm(dir, { recursive: true, force: true });
    },
  };
}
