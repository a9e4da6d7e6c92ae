// What every part of a client works with: its way to the server, its state, its clock.
import type { ArenaPool } from "../memory/arena.ts";
import type { Call } from "./call.ts";
import type { DirectorySource } from "./directory.ts";
import type { Sections } from "./sections.ts";
import type { Transport } from "./transport.ts";

export interface Session {
  readonly call: Call;
  readonly transport: Transport;
  readonly directory: DirectorySource;
  readonly sections: Sections;
  /** Locked memory for what lives as long as one call or one item. */
  readonly pool: ArenaPool;
  /** The server's onion address, and its key (32 bytes). */
  readonly onion: string;
  readonly domain: Uint8Array;
  /** Unix seconds. */
  readonly clock: () => number;
  /** A random while, below so many seconds: what several clients would do at once, each does at a moment of its own. */
  readonly delay: (seconds: number) => number;
}
