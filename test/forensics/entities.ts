// Whom the server can tell apart by itself: accounts, queues, members of groups; and all that it saw of each.
import { readRatchetTree } from "../../src/mls/messages.ts";
import type { Played, Truth } from "./game.ts";
import type { Event } from "./recorded-house.ts";

export type Kind = "account" | "queue" | "member";

export interface Entity {
  readonly kind: Kind;
  /** Whose it is: an index in the truth, which no signal reads. */
  readonly person: number;
  /** Of a member. */
  readonly group: string;
  /** What the server names it by. */
  readonly ids: readonly Buffer[];
  readonly events: Event[];
  /** Places of its events among all. */
  readonly places: number[];
  /** Of a member: what its leaf says. */
  readonly leaf: Buffer[];
}

const hex = (value: unknown): string => (value instanceof Uint8Array ? Buffer.from(value).toString("hex") : "");

/** Every byte string and every number of 64 bits in a decoded leaf. */
function bytesOf(value: unknown): Buffer[] {
  if (value instanceof Uint8Array) return [Buffer.from(value)];
  if (typeof value === "bigint") {
    const number = Buffer.alloc(8);
    number.writeBigUInt64BE(BigInt.asUintN(64, value));
    return [number];
  }
  if (typeof value !== "object" || value === null) return [];
  return Object.values(value).flatMap(bytesOf);
}

/** What the server takes an event to be of; undefined for what nobody signs. */
function ownerOf({ operation, request, reply }: Event): string | undefined {
  if (operation === "as.register") return `account ${hex(reply?.["userId"])}`;
  if (operation === "qs.createQueue") return `queue ${hex(reply?.["queueId"])}`;
  if (operation === "ds.create") return `member ${hex(request["groupId"])} 0`;
  if (operation === "ds.welcomeInfo") return `leaf ${hex(request["leafKey"])}`;
  const { userId, queueId, groupId, leaf } = request;
  if (userId !== undefined) return `account ${hex(userId)}`;
  if (queueId !== undefined) return `queue ${hex(queueId)}`;
  if (typeof leaf === "number") return `member ${hex(groupId)} ${leaf}`;
  return undefined;
}

export function entitiesOf({ events, truth }: Pick<Played, "events" | "truth">): Entity[] {
  const byName = new Map<string, Entity>();
  const make = (kind: Kind, person: number, group: string, ids: Buffer[]): Entity => ({
    kind,
    person,
    group,
    ids,
    events: [],
    places: [],
    leaf: [],
  });
  for (const [person, { userId, queueId, memberships }] of (truth as Truth[]).entries()) {
    byName.set(`account ${hex(userId)}`, make("account", person, "", [userId]));
    byName.set(`queue ${hex(queueId)}`, make("queue", person, "", [queueId]));
    for (const { groupId, leaf, pseudonym, leafKey } of memberships) {
      const member = make("member", person, hex(groupId), [pseudonym, leafKey]);
      byName.set(`member ${hex(groupId)} ${leaf}`, member);
      byName.set(`leaf ${hex(leafKey)}`, member);
    }
  }
  for (const [place, event] of events.entries()) {
    const owner = byName.get(ownerOf(event) ?? "");
    owner?.events.push(event);
    owner?.places.push(place);
    if (event.operation !== "ds.welcomeInfo" || event.reply === undefined) continue;
    const chunk = event.reply["chunk"] as Buffer;
    if (chunk.length !== event.reply["total"]) continue;
    for (const [index, node] of readRatchetTree(chunk).entries()) {
      const member = byName.get(`member ${hex(event.request["groupId"])} ${index / 2}`);
      if (index % 2 === 0 && member !== undefined && member.leaf.length === 0) member.leaf.push(...bytesOf(node));
    }
  }
  return [...new Set(byName.values())];
}
