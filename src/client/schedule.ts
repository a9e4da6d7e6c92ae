// When this wallet draws its tokens: once an epoch, at a moment that was chosen before anything of the epoch was spent.
import { randomBelow } from "../crypto/random.ts";
import { struct, u32, u48, u8, type ValueOf } from "../wire/codec.ts";
import { EPOCH_DAYS, epochOf } from "../../tokens/epochs.ts";
import { ClientError } from "./errors.ts";
import { entry, type Sections } from "./sections.ts";

const SECTION = "schedule";
const EPOCH = EPOCH_DAYS * 86400;
/** A moment lies in the first part of its epoch, while tokens of the epoch before are still good. Seconds. */
const FIRST_PART = EPOCH / 10;
/** Seconds after which a failure is made up for, and a newcomer draws at the latest. */
const [SOON, LATER] = [5 * 60, 60 * 60];

const states = { waiting: 0, newcomer: 1, begun: 2 } as const;

const record = struct({
  /** What is to be drawn next, and from when on (unix seconds). */
  epoch: u32,
  at: u48,
  /** `newcomer`: the epoch was running when its moment was chosen, so nobody waited for it. `begun`: tried already. */
  state: u8,
});

const soon = (now: number): number => now + SOON + randomBelow(LATER - SOON);

export class Schedule {
  readonly #sections: Sections;
  #record: ValueOf<typeof record> | undefined;

  constructor(sections: Sections) {
    this.#sections = sections;
  }

  async load(): Promise<void> {
    this.#record = await this.#sections.load(SECTION, record);
  }

  /** 1 more than the newest epoch that is drawn; 0 for none. */
  get drawnUntil(): number {
    const { epoch, state } = this.#record ?? { epoch: 0, state: states.begun };
    return state === states.waiting ? epoch : 0;
  }

  /** Unix seconds. ClientError `client/not-registered` before anything was chosen. */
  get next(): number {
    if (this.#record === undefined) throw new ClientError("client/not-registered");
    return this.#record.at;
  }

  /**
   * The epoch to be drawn at `now`, or undefined. `quiet`: nothing was spent just now, so a moment that has come is good.
   * `asked`: a newcomer, or whoever has begun, need not wait.
   */
  due(now: number, { quiet, asked }: { readonly quiet: boolean; readonly asked: boolean }): number | undefined {
    const { epoch, at, state } = this.#record ?? { epoch: Infinity, at: Infinity, state: states.waiting };
    if (epoch > epochOf(now)) return undefined;
    return (quiet && now >= at) || (asked && state !== states.waiting) ? epoch : undefined;
  }

  /** Chooses the moment of this epoch when that was never done: for a newcomer, and after an epoch away. */
  async choose(now: number): Promise<void> {
    const epoch = epochOf(now);
    const before = this.#record;
    // Only what was drawn puts a later epoch in its place; any other later one is from a clock that was ahead.
    const later = before !== undefined && before.state !== states.waiting && before.epoch > epoch;
    if (before !== undefined && before.epoch >= epoch && !later) return;
    await this.#save({ epoch, at: soon(now), state: states.newcomer });
  }

  /** A draw begins; when it is interrupted it goes on as soon as it can. */
  async begin(now: number): Promise<void> {
    await this.#save({ ...this.#record!, at: Math.min(this.#record!.at, now), state: states.begun });
  }

  /** A draw failed: the next try is a random while away. */
  failed(now: number): Promise<void> {
    return this.#save({ ...this.#record!, at: soon(now) });
  }

  /** All of `epoch` is drawn: the moment of the next is chosen, long before. */
  drawn(epoch: number): Promise<void> {
    const at = (epoch + 1) * EPOCH + randomBelow(FIRST_PART);
    return this.#save({ epoch: epoch + 1, at, state: states.waiting });
  }

  async #save(next: ValueOf<typeof record>): Promise<void> {
    await this.#sections.save(entry(SECTION, record, next));
    this.#record = next;
  }
}
