// The game scored: what the honest server's matcher gets beyond chance, and the circuits that were shared.
import { randomBytes } from "../../src/crypto/random.ts";
import { entitiesOf, type Entity } from "./entities.ts";
import { play, type Played } from "./game.ts";
import { match, relationsOf, type Outcome } from "./matcher.ts";
import { knownSignals, nameSignal, plainFields, signalsOf } from "./signals.ts";

export interface Linkability {
  readonly users: number;
  readonly groups: number;
  readonly messages: number;
  readonly requests: number;
  /** Of the relation in which the matcher got furthest beyond its bound. */
  readonly advantage: number;
  readonly bound: number;
  /** The least of all relations, when what everybody is called is the same everywhere. */
  readonly control_advantage: number;
  readonly relations: readonly Outcome[];
  /** Where threat-model/ says that there is something to be had, and how much it is. */
  readonly known: readonly (Outcome & { readonly said: string })[];
  readonly circuits: number;
  readonly shared_circuits: number;
  readonly control_shared_circuits: number;
}

/** Circuits on which requests of more than one party came: an account, its drawing of tokens, a queue, a member, a redemption. */
function sharedCircuits(played: Played, entities: readonly Entity[]): { circuits: number; shared: number } {
  const partyAt = new Map<number, string>();
  for (const [index, { places }] of entities.entries()) for (const place of places) partyAt.set(place, String(index));
  const parties = new Map<number, Set<string>>();
  for (const [place, { circuit, operation }] of played.events.entries()) {
    const owner = partyAt.get(place) ?? `once ${place}`;
    const party = operation === "as.issueTokens" ? `issuance ${owner}` : owner;
    parties.set(circuit, (parties.get(circuit) ?? new Set()).add(party));
  }
  return { circuits: parties.size, shared: [...parties.values()].filter(({ size }) => size > 1).length };
}

/** The same game in which every account, queue and pseudonym of a person goes by one id. */
function withFixedIds(entities: readonly Entity[]): Entity[] {
  const ids = new Map<number, Buffer>();
  return entities.map((entity) => {
    const id = ids.get(entity.person) ?? randomBytes(16);
    ids.set(entity.person, id);
    return { ...entity, ids: [id], leaf: [...entity.leaf, id] };
  });
}

export async function linkability(users: number, rounds: number): Promise<Linkability> {
  const played = await play(users, rounds);
  const entities = entitiesOf(played);
  const signals = signalsOf(entities, played.dump);
  const relations = relationsOf(entities).map((relation) => match(relation, signals));
  const [furthest] = relations.toSorted((a, b) => b.advantage - b.bound - (a.advantage - a.bound));

  const knownOnes = knownSignals(entities);
  const known = [...new Set(knownOnes.map(({ said }) => said))].flatMap((said) => {
    const own = knownOnes.filter((signal) => signal.said === said);
    return relationsOf(entities)
      .map((relation) => ({ said, ...match(relation, own) }))
      .filter(({ advantage, bound }) => advantage > bound);
  });

  const fixed = withFixedIds(entities);
  const plain = [nameSignal, plainFields(fixed)];
  const control = relationsOf(fixed).map((relation) => match(relation, plain).advantage);

  const { circuits, shared } = sharedCircuits(played, entities);
  const [from, to] = (["account", "queue"] as const).map((kind) => entities.find((entity) => entity.kind === kind));
  const target = to?.events[0]?.circuit ?? -1;
  const planted = played.events.map((event, place) =>
    from?.places[0] === place ? { ...event, circuit: target } : event,
  );
  return {
    users,
    groups: played.groups,
    messages: played.messages,
    requests: played.events.length,
    advantage: furthest?.advantage ?? 0,
    bound: furthest?.bound ?? 0,
    control_advantage: Math.min(...control),
    relations,
    known,
    circuits,
    shared_circuits: shared,
    control_shared_circuits: sharedCircuits({ ...played, events: planted }, entities).shared,
  };
}
