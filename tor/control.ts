// A small client of Tor's control protocol: cookie authentication, commands in order, events, closed errors.
import { readFile } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { Fault } from "../src/fault.ts";
import { ReplyReader, type ReplyLine } from "./control-reply.ts";

/** Where tor listens for controllers: the path of its unix socket, or a loopback TCP port. */
export type ControlTarget = string | { readonly port: number };

type EventHandler = (lines: readonly ReplyLine[]) => void;

interface Waiting {
  readonly resolve: (lines: ReplyLine[]) => void;
  readonly reject: (fault: Fault) => void;
  readonly timer: NodeJS.Timeout;
}

const defaultTimeout = 30_000;
const end = Buffer.from("\r\n", "ascii");

/** "AUTHENTICATE " and the cookie in hexadecimal, as bytes: the cookie opens everything tor can do. */
const authenticate = (cookie: Uint8Array): Buffer => {
  const line = Buffer.alloc("AUTHENTICATE ".length + cookie.length * 2);
  let at = line.write("AUTHENTICATE ", "ascii");
  for (const byte of cookie)
    for (const digit of [byte >> 4, byte & 15]) line[at++] = digit + (digit < 10 ? 0x30 : 0x37);
  return line;
};

/**
 * One control connection. Faults: tor/control-lost (connection gone), tor/control-refused (tor said 4xx or 5xx),
 * tor/control-reply (the peer does not speak the protocol), tor/timeout (no answer in time; the connection is ended,
 * because later replies could no longer be told apart).
 */
export class ControlClient {
  /** Settles when the connection has ended, for whatever reason. Onions published on it end with it. */
  readonly closed: Promise<void>;
  readonly #socket: Socket;
  readonly #queue: Waiting[] = [];
  readonly #handlers = new Map<string, Set<EventHandler>>();
  #ended: Fault | undefined;

  /** Connects and authenticates, with the cookie in `cookieFile` if one is named. `timeoutMs` bounds each of the two. */
  static async connect(
    target: ControlTarget,
    options: { cookieFile?: string; timeoutMs?: number } = {},
  ): Promise<ControlClient> {
    const { cookieFile, timeoutMs = defaultTimeout } = options;
    const socket = typeof target === "string" ? connect({ path: target }) : connect(target.port, "127.0.0.1");
    const client = new ControlClient(socket);
    try {
      await client.#open(timeoutMs);
      const cookie = cookieFile === undefined ? Buffer.alloc(0) : await readFile(cookieFile);
      const line = authenticate(cookie);
      cookie.fill(0);
      await client.command(line, { timeoutMs });
    } catch (error) {
      client.close();
      throw error instanceof Fault ? error : new Fault("tor/control-lost");
    }
    return client;
  }

  private constructor(socket: Socket) {
    this.#socket = socket;
    const reader = new ReplyReader((lines) => this.#take(lines));
    socket.on("data", (bytes: Buffer) => {
      try {
        reader.push(bytes);
      } catch {
        this.#end(new Fault("tor/control-reply"));
      }
    });
    socket.on("error", () => this.#end(new Fault("tor/control-lost")));
    this.closed = new Promise((resolve) => {
      socket.once("close", () => {
        this.#end(new Fault("tor/control-lost"));
        resolve();
      });
    });
  }

  #open(timeoutMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#end(new Fault("tor/timeout")), timeoutMs);
      const settle = (): void => {
        clearTimeout(timer);
        if (this.#ended) reject(this.#ended);
        else resolve();
      };
      this.#socket.once("connect", settle);
      this.#socket.once("close", settle);
    });
  }

  #end(fault: Fault): void {
    this.#ended ??= fault;
    this.#socket.destroy();
    for (const waiting of this.#queue.splice(0)) {
      clearTimeout(waiting.timer);
      waiting.reject(this.#ended);
    }
  }

  #take(lines: ReplyLine[]): void {
    const [first] = lines;
    if (first?.code === 650) {
      // An event never comes inside a reply (control-spec section 4.1).
      const [name = ""] = first.text.split(" ", 1);
      for (const handler of this.#handlers.get(name) ?? []) handler(lines);
      return;
    }
    const waiting = this.#queue.shift();
    if (!waiting) {
      this.#end(new Fault("tor/control-reply"));
      return;
    }
    clearTimeout(waiting.timer);
    if (lines.every((line) => line.code < 400)) waiting.resolve(lines);
    else waiting.reject(new Fault("tor/control-refused"));
  }

  /**
   * Sends one command without its line end and resolves with the reply. A Buffer is for secrets: it is sent from its
   * own memory and filled with zeros, also when sending fails.
   */
  command(line: string | Buffer, options: { timeoutMs?: number } = {}): Promise<ReplyLine[]> {
    const wipe = (): void => {
      if (typeof line !== "string") line.fill(0);
    };
    if (this.#ended || line.includes("\n") || line.includes("\r")) {
      wipe();
      return Promise.reject(this.#ended ?? new Fault("tor/control-refused"));
    }
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#end(new Fault("tor/timeout")), options.timeoutMs ?? defaultTimeout);
      this.#queue.push({ resolve, reject, timer });
      this.#socket.cork();
      this.#socket.write(line, wipe);
      this.#socket.write(end);
      this.#socket.uncork();
    });
  }

  /** The value of one GETINFO key; a data block is returned whole. */
  async getInfo(key: string): Promise<string> {
    const [first] = await this.command(`GETINFO ${key}`);
    if (!first?.text.startsWith(`${key}=`)) throw new Fault("tor/control-reply");
    return first.data ?? first.text.slice(key.length + 1);
  }

  /** SIGNAL: RELOAD, NEWNYM, SHUTDOWN, HALT and the like. */
  async signal(name: string): Promise<void> {
    await this.command(`SIGNAL ${name}`);
  }

  /** Calls `handler` for each event of that name from now on. Resolves, once tor agreed, to what ends it. */
  async subscribe(event: string, handler: EventHandler): Promise<() => Promise<void>> {
    const handlers = this.#handlers.get(event) ?? new Set();
    this.#handlers.set(event, handlers.add(handler));
    await this.#setEvents();
    return async () => {
      handlers.delete(handler);
      if (handlers.size === 0) this.#handlers.delete(event);
      if (!this.#ended) await this.#setEvents();
    };
  }

  // SETEVENTS replaces the whole list, so all names go along each time.
  async #setEvents(): Promise<void> {
    await this.command(["SETEVENTS", ...this.#handlers.keys()].join(" "));
  }

  close(): void {
    this.#end(new Fault("tor/control-lost"));
  }
}
