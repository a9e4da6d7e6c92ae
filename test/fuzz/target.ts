// What a file of this folder exports to be a target of the fuzzer.
import type { Decoder } from "./engine.ts";
import type { Random } from "./random.ts";

export interface Target {
  /** One sentence: which decoders. */
  readonly describe: string;
  /** The decoders, with all that is random about their corpus taken from `random`. */
  readonly decoders: (random: Random) => Promise<readonly Decoder[]>;
  /** A campaign of its own beside them, of so many epochs, with its own controls. */
  readonly histories?: (options: HistoriesOptions) => Promise<Histories>;
}

export interface HistoriesOptions {
  readonly seed: number;
  readonly epochs: number;
  /** The controls and nothing else. */
  readonly plant: boolean;
}

export interface Histories {
  /** For the last line of the output. */
  readonly result: Readonly<Record<string, unknown>>;
  /** One sentence each. */
  readonly findings: readonly string[];
  /** Controls that were not found. */
  readonly missed: readonly string[];
}

export const isTarget = (loaded: object): loaded is Target => "describe" in loaded && "decoders" in loaded;
