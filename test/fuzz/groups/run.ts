// Histories one after the other, until so many epochs have passed; whatever is found ends its history.
import { createHash } from "node:crypto";
import { seeded } from "../random.ts";
import { Finding, type Kind, kinds } from "./finding.ts";
import { History } from "./history.ts";
import { House } from "./house.ts";
import { count, steps, type Tally } from "./steps.ts";

export interface Options {
  readonly seed: number;
  readonly epochs: number;
  /** Findings after which it is enough. */
  readonly enough: number;
  /** Told after each step. */
  readonly beat: () => void;
}

export interface Told extends Readonly<Record<Kind, number>> {
  readonly epochs: number;
  readonly histories: number;
  readonly joins: number;
  readonly steps: Readonly<Record<string, number>>;
  readonly attacks: Readonly<Record<string, number>>;
  /** Attacks that could not be made: none, with the library as we have it. */
  readonly undone: Readonly<Record<string, number>>;
  /** SHA-256 over all that was chosen. */
  readonly history: string;
  readonly details: readonly string[];
}

/** Epochs after which a group ends. */
const LIFE = 24;
const LIFE_MORE = 32;

const sorted = (of: ReadonlyMap<string, number>): Record<string, number> =>
  Object.fromEntries([...of].toSorted(([a], [b]) => (a < b ? -1 : 1)));

export async function runHistories({ seed, epochs, enough, beat }: Options): Promise<Told> {
  const house = await House.open();
  const random = seeded(seed, "groups");
  const tally: Tally = { steps: new Map(), attacks: new Map(), undone: new Map() };
  const found = new Map<Kind, number>(kinds.map((kind) => [kind, 0]));
  const details: string[] = [];
  const hash = createHash("sha256");
  const total = { epochs: 0, joins: 0, histories: 0 };
  const weights = steps.reduce((sum, [, weight]) => sum + weight, 0);
  const next = (): (typeof steps)[number] => {
    let left = random.below(weights);
    return steps.find(([, weight]) => (left -= weight) < 0)!;
  };
  try {
    while (total.epochs < epochs && details.length < enough) {
      let at = "founding";
      const history = new History(house, random, (event) => hash.update(`${event}\n`));
      try {
        const connection = random.below(6) === 0;
        await history.found(connection);
        const life = LIFE + random.below(LIFE_MORE);
        while (history.epochs < life && total.epochs + history.epochs < epochs) {
          const [name, , step] = next();
          at = name;
          hash.update(`${name}\n`);
          if (await step(history, tally)) count(tally.steps, name);
          beat();
        }
        at = "end";
        const by = history.able.find((actor) => history.model.isAdmin(actor));
        if (by !== undefined) await history.end(by);
      } catch (error) {
        const kind: Kind = error instanceof Finding ? error.kind : "errors";
        found.set(kind, (found.get(kind) ?? 0) + 1);
        const detail = error instanceof Finding ? error.message : error instanceof Error ? error.stack : String(error);
        details.push(`${kind}: group ${total.histories}, epoch ${history.model.epoch}, ${at}: ${detail}`);
      }
      total.epochs += history.epochs;
      total.joins += history.joins;
      total.histories++;
    }
  } finally {
    await house.close();
  }
  return {
    epochs: total.epochs,
    ...(Object.fromEntries(found) as Record<Kind, number>),
    histories: total.histories,
    joins: total.joins,
    steps: sorted(tally.steps),
    attacks: sorted(tally.attacks),
    undone: sorted(tally.undone),
    history: hash.digest("hex").slice(0, 16),
    details,
  };
}
