// How much work a registration costs: as much as keeps them near what the operator expects in an hour.

/** Efforts are leading zero bits: one more doubles the work. */
export interface EffortBounds {
  readonly minEffort: number;
  readonly maxEffort: number;
  /** Registrations an hour that the house is meant to see; at least 1. */
  readonly perHour: number;
}

export interface EffortState {
  /** What the directory asks for. */
  readonly effort: number;
  /** What it asked for in the window before: who began to search then is not turned away. */
  readonly previous: number;
  /** Number of the window that is counted now. */
  readonly window: number;
  /** Registrations made for work in it. */
  readonly count: number;
}

/** Seconds of a window; a directory is made anew as often. */
export const EFFORT_WINDOW = 600;

const windowOf = (now: number): number => Math.floor(now / EFFORT_WINDOW);
const clamp = (effort: number, { minEffort, maxEffort }: EffortBounds): number =>
  Math.min(maxEffort, Math.max(minEffort, effort));

export const startEffort = (effort: number, bounds: EffortBounds, now: number): EffortState => {
  const first = clamp(effort, bounds);
  return { effort: first, previous: first, window: windowOf(now), count: 0 };
};

/**
 * The state at `now` (unix seconds). At the end of a window that saw more than its share the effort rises at once by as
 * many bits as that takes; for each with less than half its share it falls by one. A clock set back only begins anew.
 */
export function adjustEffort(state: EffortState, bounds: EffortBounds, now: number): EffortState {
  const passed = windowOf(now) - state.window;
  if (passed === 0) return state;
  if (passed < 0) return { ...state, window: windowOf(now), count: 0 };
  const share = (bounds.perHour * EFFORT_WINDOW) / 3600;
  const ratio = state.count / share;
  const step = ratio > 1 ? Math.ceil(Math.log2(ratio)) : ratio < 0.5 ? -1 : 0;
  const counted = clamp(state.effort + step, bounds);
  // The windows after it were empty: nobody asked.
  const effort = clamp(counted - (passed - 1), bounds);
  const previous = passed === 1 ? state.effort : clamp(counted - (passed - 2), bounds);
  return { effort, previous, window: state.window + passed, count: 0 };
}
