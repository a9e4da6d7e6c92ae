// What the process that fuzzes is asked for and what it says.
import type { Campaign } from "./engine.ts";

/**
 * `target`: the decoders of that name. `planted`: the controls, until each is found. `stuck`: the control that never
 * ends. `leaking`: the one that keeps memory.
 */
export type Mode = "target" | "planted" | "stuck" | "leaking";

export interface Job {
  readonly mode: Mode;
  readonly target: string;
  readonly seed: number;
  readonly seconds: number;
  /** A file that holds the input being worked on: decoder's name, a zero byte, the input. */
  readonly current: string;
}

export type Message = { readonly beat: true } | { readonly done: Campaign; readonly missed: readonly string[] };
