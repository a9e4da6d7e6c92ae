// Housekeeping after traffic: what the HTTP parser, the C stack and the V8 heap still hold of it is overwritten.
import { connect } from "node:net";
import { flushNativeTraces } from "../crypto/flush.ts";

export interface Scrubber {
  /** There was traffic: the next tick has work. */
  touch(): void;
  stop(): void;
}

export interface ScrubOptions {
  readonly socketPath: string;
  /** A path nobody else knows; the server answers it like any unknown path, but does not call `touch` for it. */
  readonly path: string;
  /** Forces a collection where the process can. */
  readonly collect: () => void;
  readonly failed: () => void;
  readonly intervalMs?: number;
}

/** The parser of node:http reads all connections into one buffer of 64 KiB; this many bytes fill it for sure. */
const FILL = 256 << 10;
const TIMEOUT_MS = 5_000;
/**
 * Scrubs after the last traffic: the first may still run beside it. The last two collect, because what a collection
 * only finalizes is freed by the next; under steady traffic none is reached.
 */
const ROUNDS = 3;

/**
 * A request of zeros to the own socket overwrites the parser's buffer; a native flush the stack and registers. The
 * heap, which holds no secrets of ours but the header strings of foreign clients, is collected when it gets quiet:
 * a collection under load would cost more than it hides. Timer and connection keep no process alive.
 */
export function startScrubber(options: ScrubOptions): Scrubber {
  const { socketPath, path, collect, failed, intervalMs = 500 } = options;
  const head = `POST ${path} HTTP/1.1\r\nHost: scrub\r\nContent-Length: ${FILL}\r\nConnection: close\r\n\r\n`;
  const fill = Buffer.concat([Buffer.from(head), Buffer.alloc(FILL)]);
  let rounds = 0;
  let running = false;

  const scrub = (): void => {
    running = true;
    let answered = false;
    const socket = connect({ path: socketPath });
    socket.unref();
    socket.setTimeout(TIMEOUT_MS, () => socket.destroy());
    socket.on("error", () => undefined);
    socket.on("data", () => (answered = true));
    socket.once("close", () => {
      running = false;
      flushNativeTraces();
      if (!answered) {
        rounds = Math.max(rounds, 1);
        failed();
      } else if (rounds <= 1) collect();
    });
    socket.write(fill);
  };
  const timer = setInterval(() => {
    if (rounds === 0 || running) return;
    rounds--;
    scrub();
  }, intervalMs);
  timer.unref();

  return {
    touch: () => void (rounds = ROUNDS),
    stop: () => clearInterval(timer),
  };
}
