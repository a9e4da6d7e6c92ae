// Plays the server's side of the game: for each entity the one of another service that looks most like the same person's.
import type { Entity } from "./entities.ts";
import type { Signal } from "./signals.ts";

/** One question: which of `candidates` is the same person as `of`. */
interface Trial {
  readonly of: Entity;
  readonly candidates: readonly Entity[];
}

export interface Relation {
  readonly name: string;
  readonly trials: readonly Trial[];
}

export function relationsOf(entities: readonly Entity[]): Relation[] {
  const [accounts, queues, members] = (["account", "queue", "member"] as const).map((kind) =>
    entities.filter((entity) => entity.kind === kind),
  ) as [Entity[], Entity[], Entity[]];
  const groups = new Map<string, Entity[]>();
  for (const member of members) groups.set(member.group, [...(groups.get(member.group) ?? []), member]);
  const across = members.flatMap((of) =>
    [...groups].flatMap(([group, candidates]) =>
      group !== of.group && candidates.length > 1 && candidates.some(({ person }) => person === of.person)
        ? [{ of, candidates }]
        : [],
    ),
  );
  const asked = (of: readonly Entity[], candidates: readonly Entity[]) => of.map((one) => ({ of: one, candidates }));
  return [
    { name: "account - queue", trials: asked(accounts, queues) },
    { name: "queue - pseudonym", trials: asked(members, queues) },
    { name: "account - pseudonym", trials: asked(members, accounts) },
    { name: "pseudonym - pseudonym of another group", trials: across },
  ];
}

/** How likely the guess of each trial is to be `right(trial)`; a tie is broken by chance. 0: as by chance alone, 1: always. */
function advantage(
  best: readonly (readonly Entity[])[],
  trials: readonly Trial[],
  right: (trial: Trial) => Entity,
): number {
  let sum = 0;
  for (const [i, trial] of trials.entries()) {
    const chosen = best[i]!;
    const chance = 1 / trial.candidates.length;
    const won = chosen.includes(right(trial)) ? 1 / chosen.length : 0;
    sum += (won - chance) / (1 - chance);
  }
  return trials.length === 0 ? 0 : sum / trials.length;
}

const bestOf = (signal: Signal, { of, candidates }: Trial): readonly Entity[] => {
  const scores = candidates.map((candidate) => signal.score(of, candidate));
  // what one of them never did says something about what it did, not about what it is called
  if (scores.some(Number.isNaN)) return candidates;
  const highest = Math.max(...scores);
  return candidates.filter((_, i) => scores[i] === highest);
};

export interface Outcome {
  readonly relation: string;
  readonly trials: number;
  /** The signal that got furthest, and how far. */
  readonly signal: string;
  readonly advantage: number;
  /** How far the luckiest of all signals gets in 99.9 % of games in which nobody is anybody. */
  readonly bound: number;
}

const GAMES = 1000;

/** The most that any signal gets in one relation, and the most that it would by luck. */
export function match(relation: Relation, signals: readonly Signal[]): Outcome {
  const { name, trials } = relation;
  // Signals that guess alike are one, and one that says nothing is none.
  const guesses = new Map<string, { readonly name: string; readonly best: readonly (readonly Entity[])[] }>();
  const numbers = new Map([...new Set(trials.flatMap(({ candidates }) => candidates))].map((one, i) => [one, i]));
  for (const signal of signals) {
    const best = trials.map((trial) => bestOf(signal, trial));
    if (best.every((chosen, i) => chosen.length === trials[i]!.candidates.length)) continue;
    const key = best.map((chosen) => chosen.map((one) => numbers.get(one)).join(",")).join(" ");
    if (!guesses.has(key)) guesses.set(key, { name: signal.name, best });
  }
  const same = ({ of, candidates }: Trial): Entity => candidates.find(({ person }) => person === of.person)!;
  let furthest = { signal: "none", advantage: 0 };
  for (const { name: signal, best } of guesses.values()) {
    const got = advantage(best, trials, same);
    if (got > furthest.advantage) furthest = { signal, advantage: got };
  }
  const luck: number[] = [];
  for (let game = 0; game < GAMES; game++) {
    // one strange person for each, the same in all trials among the same candidates
    const strange = new Map<readonly Entity[], Map<number, Entity>>();
    const right = (trial: Trial): Entity => {
      let who = strange.get(trial.candidates);
      if (who === undefined) {
        const mixed = trial.candidates.map((one) => ({ one, at: Math.random() })).sort((a, b) => a.at - b.at);
        who = new Map(trial.candidates.map(({ person }, i) => [person, mixed[i]!.one]));
        strange.set(trial.candidates, who);
      }
      return who.get(trial.of.person)!;
    };
    const chosen = new Map(trials.map((trial) => [trial, right(trial)]));
    luck.push(
      Math.max(0, ...[...guesses.values()].map(({ best }) => advantage(best, trials, (trial) => chosen.get(trial)!))),
    );
  }
  const bound = luck.toSorted((a, b) => a - b)[Math.ceil(GAMES * 0.999) - 1] ?? 0;
  return { relation: name, trials: trials.length, ...furthest, bound };
}
