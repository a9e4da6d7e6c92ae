// Collects a request's body piece by piece into memory the caller names; every chunk is wiped as soon as it is copied.
import type { IncomingMessage } from "node:http";
import { wipe } from "../memory/locked.ts";

/** The upload ended before it was whole: the client has gone, or was too slow. There is nobody to answer. */
export class UploadEnded extends Error {
  constructor() {
    super("upload ended");
    this.name = "UploadEnded";
  }
}

/**
 * Takes over the reading of one request; must be made before anything else touches it. Nothing is read from the socket
 * beyond what the kernel and the parser have already handed over, unless `fill` or `drain` is waiting.
 */
export class Upload {
  /** The declared Content-Length; undefined when there is none (a chunked body, or no body). */
  readonly length: number | undefined;
  /** Resolves when all of it has come, or nothing more will. */
  readonly whole: Promise<void>;
  readonly #request: IncomingMessage;
  #target: Buffer | undefined;
  #filled = 0;
  #missing: number;
  #came: () => void = () => undefined;
  #discard: number | undefined;
  #held: Buffer | undefined;
  #over = false;
  #settle: { resolve: () => void; reject: (error: UploadEnded) => void } | undefined;

  constructor(request: IncomingMessage) {
    this.#request = request;
    const declared = request.headers["content-length"];
    this.length = declared === undefined ? undefined : Number(declared);
    this.#missing = this.length ?? Infinity;
    this.whole = new Promise((resolve) => (this.#came = resolve));
    request.pause();
    request.on("data", (chunk: Buffer) => {
      this.#missing -= chunk.length;
      if (this.#missing <= 0) this.#came();
      this.#take(chunk);
    });
    request.on("end", () => this.#finish());
    request.on("error", () => this.#finish());
    request.once("close", () => this.#finish());
  }

  /** Fills all of `target` from the body, then stops reading. Rejects with UploadEnded. One call at a time. */
  fill(target: Buffer): Promise<void> {
    return this.#wait(() => {
      this.#target = target;
      this.#filled = 0;
    });
  }

  /**
   * Reads and wipes what is left, so that a client that writes before it reads gets its answer. Resolves at the end of
   * the body or when the client has gone; after more than `limit` bytes it stops reading and resolves with false.
   */
  async drain(limit: number): Promise<boolean> {
    if (this.#over) return true;
    await this.#wait(() => {
      this.#discard = limit;
    }).catch(() => undefined);
    return this.#over;
  }

  #wait(begin: () => void): Promise<void> {
    if (this.#over) return Promise.reject(new UploadEnded());
    return new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
      begin();
      const held = this.#held;
      this.#held = undefined;
      if (held !== undefined) this.#take(held);
      if (this.#settle !== undefined) this.#request.resume();
    });
  }

  #take(chunk: Buffer): void {
    if (this.#over) {
      wipe(chunk);
      return;
    }
    if (this.#discard !== undefined) {
      wipe(chunk);
      this.#discard -= chunk.length;
      if (this.#discard < 0) this.#resolve();
      return;
    }
    const target = this.#target;
    if (target === undefined) {
      this.#held = chunk;
      this.#request.pause();
      return;
    }
    const size = Math.min(chunk.length, target.length - this.#filled);
    chunk.copy(target, this.#filled, 0, size);
    wipe(chunk.subarray(0, size));
    this.#filled += size;
    if (this.#filled < target.length) return;
    this.#target = undefined;
    if (size < chunk.length) this.#held = chunk.subarray(size);
    this.#resolve();
  }

  #resolve(): void {
    this.#request.pause();
    const settle = this.#settle;
    this.#settle = undefined;
    settle?.resolve();
  }

  // The end of the body, or of the connection: whatever was not asked for is wiped where it lies.
  #finish(): void {
    wipe(this.#held);
    this.#held = undefined;
    this.#target = undefined;
    wipeBuffered(this.#request);
    this.#came();
    if (this.#over) return;
    this.#over = true;
    const settle = this.#settle;
    this.#settle = undefined;
    settle?.reject(new UploadEnded());
  }
}

// A destroyed stream keeps the chunks nobody has read until it is collected, and has no public way to them: this is the
// list that Node 20 to 24 keeps them in. body.test.ts holds the wiping against a stream of the running version.
function wipeBuffered(request: IncomingMessage): void {
  const { _readableState: state } = request as { _readableState?: { buffer?: Iterable<unknown> } };
  for (const chunk of state?.buffer ?? []) if (chunk instanceof Uint8Array) wipe(chunk);
}
