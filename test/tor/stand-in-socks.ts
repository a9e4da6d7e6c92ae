// A stand-in for tor's SOCKS listener on a unix socket: takes credentials, answers with the code the test chose.
import { mkdtemp, rm } from "node:fs/promises";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface StandInSocks {
  readonly path: string;
  /** "user:password" of each stream asked for, in order. */
  readonly credentials: string[];
  /** "host:port" of each stream asked for. */
  readonly destinations: string[];
  /** Streams open now. */
  readonly open: () => number;
  readonly close: () => Promise<void>;
}

export interface StandInSocksOptions {
  /** The unix socket that granted streams lead to. */
  readonly target?: string;
  /** The reply code; 0 grants. Of several, each stream takes the next, and the last one stays. */
  readonly code?: number | readonly number[];
  /** Never answers the request for a stream, as tor does while it looks for an onion service. */
  readonly silent?: boolean;
  /** The authentication method it picks; 2 is user and password. */
  readonly method?: number;
  /** The bound address of a granted reply, with its type and port. */
  readonly bound?: Buffer;
}

/** The bytes of one connection: first taken in exact pieces, then passed on as they come. */
const reader = (socket: Socket) => {
  let held = Buffer.alloc(0);
  let onward: Socket | undefined;
  let wake = (): void => undefined;
  socket.on("data", (bytes: Buffer) => {
    if (onward) onward.write(bytes);
    else held = Buffer.concat([held, bytes]);
    wake();
  });
  const read = async (count: number): Promise<Buffer> => {
    while (held.length < count) await new Promise<void>((resolve) => (wake = resolve));
    const taken = held.subarray(0, count);
    held = held.subarray(count);
    return taken;
  };
  const passTo = (next: Socket): void => {
    onward = next;
    next.write(held);
  };
  return { read, passTo };
};

export const standInSocks = async (options: StandInSocksOptions): Promise<StandInSocks> => {
  const { target, silent = false, code: codes = 0, method = 2, bound = Buffer.from([1, 0, 0, 0, 0, 0, 0]) } = options;
  const dir = await mkdtemp(join(tmpdir(), "tacet-socks-"));
  const path = join(dir, "socks.sock");
  const left = [codes].flat();
  const [credentials, destinations]: [string[], string[]] = [[], []];
  const sockets = new Set<Socket>();

  const serve = async (socket: Socket): Promise<void> => {
    const { read, passTo } = reader(socket);
    const counted = async (): Promise<string> => (await read((await read(1))[0] ?? 0)).toString();
    await read((await read(2))[1] ?? 0);
    socket.write(Buffer.of(5, method));
    await read(1);
    credentials.push(`${await counted()}:${await counted()}`);
    socket.write(Buffer.of(1, 0));
    await read(4);
    destinations.push(`${await counted()}:${(await read(2)).readUInt16BE()}`);
    if (silent) return;
    const code = (left.length > 1 ? left.shift() : left[0]) ?? 0;
    const reply = Buffer.concat([Buffer.of(5, code, 0), bound]);
    if (code !== 0 || target === undefined) {
      socket.end(reply);
      return;
    }
    // In two parts, and the second together with whatever the target says first.
    socket.write(reply.subarray(0, 5));
    const onward = connect({ path: target });
    sockets.add(onward);
    onward.on("error", () => socket.destroy());
    socket.on("close", () => onward.destroy());
    onward.on("close", () => socket.destroy());
    onward.on("connect", () => {
      socket.write(reply.subarray(5));
      onward.pipe(socket);
      passTo(onward);
    });
  };
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.on("close", () => sockets.delete(socket));
    serve(socket).catch(() => socket.destroy());
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  const close = async (): Promise<void> => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
    await rm(dir, { recursive: true });
  };
  return { path, credentials, destinations, open: () => sockets.size, close };
};
