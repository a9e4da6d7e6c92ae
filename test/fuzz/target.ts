// What a file of this folder exports to be a target of the fuzzer.
import type { Decoder } from "./engine.ts";
import type { Random } from "./random.ts";

export interface Target {
  /** One sentence: which decoders. */
  readonly describe: string;
  /** The decoders, with all that is random about their corpus taken from `random`. */
  readonly decoders: (random: Random) => Promise<readonly Decoder[]>;
}

export const isTarget = (loaded: object): loaded is Target => "describe" in loaded && "decoders" in loaded;
