// What a matcher goes by: for each a number for how much two entities look like one person's.
import { padme } from "../../src/store/sealing.ts";
import type { Dump } from "../dump-store.ts";
import type { Entity } from "./entities.ts";
import { fieldsIn } from "./noted-house.ts";

export interface Signal {
  readonly name: string;
  score(a: Entity, b: Entity): number;
}

const DAY = 86_400;
const WINDOW = 8;
/** Of a long field the matcher looks at this much: what is longer is ciphertext. */
const LOOKED_AT = 4096;

const fieldsOf = ({ events, leaf }: Entity): Buffer[] => [
  ...events.flatMap(({ request, reply, requestId }) => [
    requestId,
    ...fieldsIn(request, "").map(({ bytes }) => bytes),
    ...fieldsIn(reply, "").map(({ bytes }) => bytes),
  ]),
  ...leaf,
];

// 40 bits of a window and 12 for whose it is fit in a double.
const keyOf = (bytes: Buffer, at: number): number => {
  const [low, high] = [bytes.readInt32LE(at), bytes.readInt32LE(at + 4)];
  const a = (Math.imul(low, 0x9e3779b1 | 0) ^ Math.imul(high, 0x85ebca77 | 0)) >>> 0;
  const b = (Math.imul(low, 0xc2b2ae3d | 0) + Math.imul(high, 0x27d4eb2f | 0)) >>> 24;
  return (a * 256 + b) * 4096;
};

/** Eight bytes in a row that few have, in any field of both; `hidden` are left out. The fewer have them, the more they say. */
function fieldSignal(name: string, entities: readonly Entity[], hidden: readonly Buffer[]): Signal {
  const keys = new Set(hidden.flatMap((bytes) => windows(bytes)));
  const entries: number[] = [];
  for (const [index, entity] of entities.entries()) {
    const own = new Set<number>();
    for (const bytes of fieldsOf(entity)) for (const key of windows(bytes)) if (!keys.has(key)) own.add(key);
    for (const key of own) entries.push(key + index);
  }
  const sorted = Float64Array.from(entries).sort();
  const common = new Map<number, number>();
  const few = Math.max(8, entities.length / 4);
  for (let from = 0; from < sorted.length;) {
    let to = from;
    const key = Math.floor(sorted[from]! / 4096);
    while (to < sorted.length && Math.floor(sorted[to]! / 4096) === key) to++;
    const who = [...sorted.subarray(from, to)].map((entry) => entry % 4096);
    if (who.length > 1 && who.length <= few) {
      for (const a of who)
        for (const b of who)
          if (a < b) common.set(a * 4096 + b, (common.get(a * 4096 + b) ?? 0) + Math.log(entities.length / who.length));
    }
    from = to;
  }
  const indexOf = new Map(entities.map((entity, index) => [entity, index]));
  return {
    name,
    score(a, b) {
      const [i, j] = [indexOf.get(a)!, indexOf.get(b)!];
      return common.get(Math.min(i, j) * 4096 + Math.max(i, j)) ?? 0;
    },
  };
}

function windows(bytes: Buffer): number[] {
  const out: number[] = [];
  const end = Math.min(bytes.length, LOOKED_AT) - WINDOW;
  for (let at = 0; at <= end; at++) out.push(keyOf(bytes, at));
  return out;
}

const overlap = (a: ReadonlySet<unknown>, b: ReadonlySet<unknown>): number => [...a].filter((one) => b.has(one)).length;

function setSignal(name: string, of: (entity: Entity) => ReadonlySet<unknown>): Signal {
  const known = new Map<Entity, ReadonlySet<unknown>>();
  const get = (entity: Entity): ReadonlySet<unknown> => {
    if (!known.has(entity)) known.set(entity, of(entity));
    return known.get(entity)!;
  };
  return {
    name,
    score(a, b) {
      const [first, second] = [get(a), get(b)];
      const both = overlap(first, second);
      return both === 0 ? 0 : both / (first.size + second.size - both);
    },
  };
}

/** The lengths of one entity's fields, by operation and field: the first that came, and how much they are together. */
function lengthsOf({ events }: Entity): Map<string, number> {
  const lengths = new Map<string, number>();
  for (const { operation, request, reply } of events) {
    for (const [side, value] of [
      ["request", request],
      ["reply", reply],
    ] as const) {
      for (const { what, bytes } of fieldsIn(value, side)) {
        const name = `${operation} ${what}`;
        if (!lengths.has(name)) lengths.set(name, bytes.length);
      }
    }
  }
  return lengths;
}

/** For each two features that both kinds have and that vary: who is high in the one is high, or low, in the other. */
function rankSignals(
  label: string,
  entities: readonly Entity[],
  featuresOf: (entity: Entity) => ReadonlyMap<string, number>,
): Signal[] {
  const features = new Map(entities.map((entity) => [entity, featuresOf(entity)]));
  const ranks = new Map<string, Map<Entity, number>>();
  for (const kind of ["account", "queue", "member"] as const) {
    const own = entities.filter((entity) => entity.kind === kind);
    for (const name of new Set(own.flatMap((entity) => [...features.get(entity)!.keys()]))) {
      const having = own.filter((entity) => features.get(entity)!.has(name));
      const values = having.map((entity) => features.get(entity)!.get(name)!);
      if (new Set(values).size < 2) continue;
      const sorted = values.toSorted((a, b) => a - b);
      const place = (value: number): number => (sorted.indexOf(value) + sorted.lastIndexOf(value)) / 2 / sorted.length;
      ranks.set(`${kind} ${name}`, new Map(having.map((entity, i) => [entity, place(values[i]!)])));
    }
  }
  const names = [...ranks.keys()];
  return names.flatMap((one) =>
    names.flatMap((other) =>
      [1, -1].map((sign) => ({
        name: `${label}: ${one} / ${other}${sign < 0 ? ", reversed" : ""}`,
        score(a: Entity, b: Entity): number {
          const first = ranks.get(one)!.get(a);
          const second = ranks.get(other)!.get(b);
          if (first === undefined || second === undefined) return Number.NaN;
          return -Math.abs(first - (sign > 0 ? second : 1 - second));
        },
      })),
    ),
  );
}

/** Requests of `b` that come right behind one of `a`, or right before. */
function adjacency(): Signal {
  return {
    name: "one request after the other",
    score(a, b) {
      const places = new Set(b.places);
      return a.places.filter((place) => places.has(place + 1) || places.has(place - 1)).length;
    },
  };
}

const counts = ({ events }: Entity): Map<string, number> => {
  const out = new Map<string, number>([["all", events.length]]);
  for (const { operation } of events) out.set(operation, (out.get(operation) ?? 0) + 1);
  return out;
};

const handlesIn = (entities: readonly Entity[]): Buffer[] =>
  entities.flatMap(({ events }) =>
    events.flatMap(({ operation, reply }) =>
      operation === "qs.mintHandles" ? fieldsIn(reply, "").map(({ bytes }) => bytes) : [],
    ),
  );

/** What the server calls them. */
export const nameSignal: Signal = setSignal("name", ({ ids }) => new Set(ids.map((id) => id.toString("hex"))));

const lengths = (entities: readonly Entity[]): Signal[] => [
  ...rankSignals("length", entities, lengthsOf),
  ...rankSignals("padded length", entities, (entity) => {
    const all = [...lengthsOf(entity)];
    return new Map(all.map(([name, length]) => [name, padme(length)]));
  }),
];

/** Field signals alone: what the control must be caught by. */
export const plainFields = (entities: readonly Entity[]): Signal => fieldSignal("field", entities, handlesIn(entities));

/** What a matcher may not get anywhere with. */
export function signalsOf(entities: readonly Entity[], { opened }: Dump): Signal[] {
  const stored = new Map<Entity, Set<number>>(
    entities.map((entity) => [
      entity,
      new Set(opened.flatMap(({ value }, i) => (entity.ids.some((id) => value.includes(id)) ? [i] : []))),
    ]),
  );
  return [
    nameSignal,
    setSignal("circuit", ({ events }) => new Set(events.map(({ circuit }) => circuit))),
    plainFields(entities),
    setSignal("stored together", (entity) => stored.get(entity) ?? new Set()),
    setSignal("day", ({ events }) => new Set(events.map(({ at }) => Math.floor(at / DAY)))),
    ...lengths(entities),
    ...rankSignals("first", entities, ({ places }) => new Map(places.length > 0 ? [["came", places[0]!]] : [])),
  ];
}

/** What threat-model/ says that a running house, or who watches it, learns; measured apart. */
export function knownSignals(entities: readonly Entity[]): readonly (Signal & { readonly said: string })[] {
  return [
    {
      ...fieldSignal("handles", entities, []),
      said: "leakage.md, Inside the running house: the queues that a fan-out reaches",
    },
    { ...adjacency(), said: "leakage.md, Inside the running house: requests one after the other" },
    {
      ...setSignal("same ten minutes", ({ events }) => new Set(events.map(({ at }) => Math.floor(at / 600)))),
      said: "known-limits.md: requests are as many, and come when, people do things",
    },
    ...rankSignals("number", entities, counts).map((signal) => ({
      ...signal,
      said: "known-limits.md: requests are as many, and come when, people do things",
    })),
  ];
}
