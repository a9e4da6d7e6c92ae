// The fuzzer: gives each decoder its mutated inputs in turn and judges what comes back.
import { Fault, type FaultCode } from "../../src/fault.ts";
import { mutate } from "./mutate.ts";
import { seeded, type Random } from "./random.ts";

/** A decoder under test. */
export interface Decoder {
  readonly name: string;
  /** Codes it may refuse with; it must throw nothing else. */
  readonly faults: readonly FaultCode[];
  /** Valid encodings: the mutations begin here, and each must be accepted. */
  readonly corpus: readonly Uint8Array[];
  /**
   * Decodes, and encodes what came out: the same bytes, where an encoding has one form. Undefined where there is nothing
   * to encode.
   */
  readonly reencode: (input: Buffer) => Uint8Array | undefined | Promise<Uint8Array | undefined>;
  /** The encoding of a random value; throws when decoding does not give the value back. It must be accepted as well. */
  readonly fresh?: (random: Random) => Uint8Array;
  /** Milliseconds that no input may take. */
  readonly bound?: number;
}

export type FindingKind =
  | "error"
  | "fault"
  | "not-canonical"
  | "refused-valid"
  | "slow"
  | "wrote-input"
  | "memory"
  | "hang";

export interface Finding {
  readonly decoder: string;
  readonly kind: FindingKind;
  readonly detail: string;
  /** The minimised input, hex. */
  readonly input: string;
}

export interface Campaign {
  readonly executions: number;
  readonly findings: readonly Finding[];
}

export interface CampaignOptions {
  readonly decoders: readonly Decoder[];
  readonly seed: number;
  /** True ends the run; asked between turns. */
  readonly over: (state: Campaign) => boolean;
  /** Told before each execution. */
  readonly before?: (decoder: string, input: Buffer) => void;
  /** Told between turns. */
  readonly beat?: () => void;
}

type Verdict = { readonly kind: FindingKind; readonly detail: string } | { readonly accepted: boolean };

const BOUND_MS = 100;
const TURN_MS = 20;
const CORPUS_MAX = 64;
const SHRINKS = 600;
/** Findings of one decoder after which it is left alone. */
const ENOUGH = 3;

async function attempt(decoder: Decoder, input: Buffer): Promise<Verdict> {
  const given = Buffer.from(input);
  try {
    const out = await decoder.reencode(input);
    if (!given.equals(input)) return { kind: "wrote-input", detail: "the input was changed" };
    if (out !== undefined && !given.equals(out)) return { kind: "not-canonical", detail: "encodes to other bytes" };
    return { accepted: true };
  } catch (error) {
    if (!(error instanceof Fault)) return { kind: "error", detail: error instanceof Error ? error.name : typeof error };
    if (!decoder.faults.includes(error.code)) return { kind: "fault", detail: error.code };
    if (!given.equals(input)) return { kind: "wrote-input", detail: "the input was changed" };
    return { accepted: false };
  }
}

/** What one input shows. Slow is only what is slow each of three times: the machine has other work. */
async function judge(decoder: Decoder, input: Buffer): Promise<Verdict> {
  const bound = decoder.bound ?? BOUND_MS;
  for (let tries = 0; ; tries++) {
    const start = performance.now();
    const verdict = await attempt(decoder, input);
    if ("kind" in verdict || performance.now() - start <= bound) return verdict;
    if (tries === 2) return { kind: "slow", detail: `over ${bound} ms` };
  }
}

/** A smaller input with the same fault: pieces away while it stays, then bytes to zero. */
async function minimise(decoder: Decoder, input: Buffer, kind: FindingKind, detail: string): Promise<Buffer> {
  let best = input;
  let left = kind === "slow" ? 30 : SHRINKS;
  const still = async (candidate: Buffer): Promise<boolean> => {
    left--;
    const verdict = await judge(decoder, Buffer.from(candidate));
    return "kind" in verdict && verdict.kind === kind && verdict.detail === detail;
  };
  for (let size = best.length >> 1; size >= 1 && left > 0; size >>= 1)
    for (let at = 0; at < best.length && left > 0;) {
      const candidate = Buffer.concat([best.subarray(0, at), best.subarray(at + size)]);
      if (await still(candidate)) best = candidate;
      else at += size;
    }
  for (let at = 0; at < best.length && left > 0; at++) {
    if (best[at] === 0) continue;
    const candidate = Buffer.from(best);
    candidate[at] = 0;
    if (await still(candidate)) best = candidate;
  }
  return best;
}

/** One decoder's part of a run: its stream of inputs depends on the seed and its name, and on nothing else. */
class Line {
  readonly decoder: Decoder;
  readonly findings: Finding[] = [];
  executions = 0;
  readonly #random: Random;
  readonly #corpus: Uint8Array[];
  readonly #unseen: Uint8Array[];
  readonly #before: CampaignOptions["before"];

  constructor(decoder: Decoder, { seed, before }: CampaignOptions) {
    this.decoder = decoder;
    this.#random = seeded(seed, decoder.name);
    this.#corpus = [...decoder.corpus];
    this.#unseen = [...decoder.corpus];
    this.#before = before;
  }

  /** One input. */
  async step(): Promise<void> {
    const [valid, input] = this.#next();
    this.#before?.(this.decoder.name, input);
    this.executions++;
    const verdict = await judge(this.decoder, Buffer.from(input));
    if ("kind" in verdict) return this.#found(verdict, input);
    if (valid && !verdict.accepted) return this.#found({ kind: "refused-valid", detail: "a valid encoding" }, input);
    if (!verdict.accepted || valid) return;
    // What was accepted leads further; the first of the corpus, the real ones, stay.
    if (this.#corpus.length < this.decoder.corpus.length + CORPUS_MAX) this.#corpus.push(input);
    else this.#corpus[this.decoder.corpus.length + this.#random.below(CORPUS_MAX)] = input;
  }

  #next(): [valid: boolean, input: Buffer] {
    const unseen = this.#unseen.pop();
    if (unseen !== undefined) return [true, Buffer.from(unseen)];
    const { fresh } = this.decoder;
    if (fresh === undefined || this.#random.below(4) > 0)
      return [false, mutate(this.#random.pick(this.#corpus), this.#corpus, this.#random)];
    try {
      const made = Buffer.from(fresh(this.#random));
      if (this.#random.below(2) === 0) return [true, made];
      return [false, mutate(made, this.#corpus, this.#random)];
    } catch (error) {
      this.#add({ kind: "refused-valid", detail: error instanceof Error ? error.message : "fresh" }, Buffer.alloc(0));
      return [false, Buffer.alloc(0)];
    }
  }

  async #found(verdict: { kind: FindingKind; detail: string }, input: Buffer): Promise<void> {
    const known = this.findings.some(({ kind, detail }) => kind === verdict.kind && detail === verdict.detail);
    if (known) return;
    const shrunk =
      verdict.kind === "refused-valid" ? input : await minimise(this.decoder, input, verdict.kind, verdict.detail);
    this.#add(verdict, shrunk);
  }

  #add({ kind, detail }: { kind: FindingKind; detail: string }, input: Buffer): void {
    this.findings.push({ decoder: this.decoder.name, kind, detail, input: input.toString("hex") });
  }
}

/** Runs until `over`, each decoder for a short turn after the other. */
export async function runCampaign(options: CampaignOptions): Promise<Campaign> {
  const lines = options.decoders.map((decoder) => new Line(decoder, options));
  const state = (): Campaign => ({
    executions: lines.reduce((sum, line) => sum + line.executions, 0),
    findings: lines.flatMap((line) => line.findings),
  });
  for (;;) {
    for (const line of lines) {
      const end = performance.now() + TURN_MS;
      while (line.findings.length < ENOUGH && performance.now() < end) await line.step();
      await new Promise((resolve) => setImmediate(resolve));
      options.beat?.();
      if (options.over(state())) return state();
    }
  }
}
