// Reads the bytes of a Tor control connection into replies and events (control-spec section 2.3), with a bound.
import { Fault } from "../src/fault.ts";

/** One line of a reply: the code, the text behind it, and for a "250+" line the data block without dot-stuffing. */
export interface ReplyLine {
  readonly code: number;
  readonly text: string;
  readonly data?: string;
}

/** A reply may not be larger than this many bytes; `GETINFO ns/all` on the public network is about 2 MiB. */
export const maxReply = 4 * 1024 * 1024;

const form = /^([1-6]\d\d)([ +-])(.*)$/s;

/**
 * A reader for one connection. `push` takes bytes as they come and calls `take` once for each whole reply.
 * Fault tor/control-reply, after which the connection is of no use, when the peer breaks the grammar or the bound.
 */
export class ReplyReader {
  readonly #take: (lines: ReplyLine[]) => void;
  readonly #limit: number;
  #pending: Buffer[] = [];
  #size = 0;
  #lines: ReplyLine[] = [];
  #block: { line: ReplyLine; data: string[] } | undefined;

  constructor(take: (lines: ReplyLine[]) => void, limit = maxReply) {
    this.#take = take;
    this.#limit = limit;
  }

  push(bytes: Buffer): void {
    let rest = bytes;
    for (let end = rest.indexOf(0x0a); end >= 0; end = rest.indexOf(0x0a)) {
      this.#grow(end + 1);
      this.#pending.push(rest.subarray(0, end + 1));
      rest = rest.subarray(end + 1);
      const line = Buffer.concat(this.#pending).toString("latin1");
      this.#pending = [];
      if (!line.endsWith("\r\n")) throw new Fault("tor/control-reply");
      this.#line(line.slice(0, -2));
    }
    if (rest.length === 0) return;
    this.#grow(rest.length);
    // A copy: the slab below belongs to the socket and may be large.
    this.#pending.push(Buffer.from(rest));
  }

  #grow(bytes: number): void {
    this.#size += bytes;
    if (this.#size > this.#limit) throw new Fault("tor/control-reply");
  }

  #line(line: string): void {
    if (this.#block) {
      if (line !== ".") {
        this.#block.data.push(line.startsWith(".") ? line.slice(1) : line);
        return;
      }
      this.#lines.push({ ...this.#block.line, data: this.#block.data.join("\n") });
      this.#block = undefined;
      return;
    }
    const [, code, kind, text] = form.exec(line) ?? [];
    if (code === undefined || text === undefined) throw new Fault("tor/control-reply");
    const read = { code: Number(code), text };
    if (kind === "+") {
      this.#block = { line: read, data: [] };
      return;
    }
    this.#lines.push(read);
    if (kind === "-") return;
    const whole = this.#lines;
    this.#lines = [];
    this.#size = 0;
    this.#take(whole);
  }
}
