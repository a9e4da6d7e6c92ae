// People with known relations meet and talk in a house that writes everything down. Nobody does two things in a row: whatever
// is done, everybody does in an order of chance, and all are there in each stretch of time.
import type { Dump } from "../dump-store.ts";
import { befriend, person, type Person } from "../client/people.ts";
import { apart } from "../client/apart.ts";
import { randomBytes } from "../../src/crypto/random.ts";
import { recordedHouse, type Event } from "./recorded-house.ts";

/** Who is who; the server has none of this. */
export interface Truth {
  readonly userId: Buffer;
  readonly queueId: Buffer;
  readonly memberships: readonly {
    readonly groupId: Buffer;
    readonly leaf: number;
    readonly pseudonym: Buffer;
    readonly leafKey: Buffer;
  }[];
}

export interface Played {
  readonly events: readonly Event[];
  readonly dump: Dump;
  readonly truth: readonly Truth[];
  readonly groups: number;
  readonly messages: number;
}

export function shuffled<T>(items: readonly T[]): T[] {
  const out = [...items];
  for (let i = out.length - 1; i > 0; i--) {
    const j = Math.floor(Math.random() * (i + 1));
    [out[i], out[j]] = [out[j]!, out[i]!];
  }
  return out;
}
const upTo = (most: number): number => Math.floor(Math.random() * most);

const STEP_SECONDS = 40;
const ROUND_SECONDS = 1200;

/** `users` people with two contacts each they asked, groups of three to five, `rounds` of talk. */
export async function play(users: number, rounds: number): Promise<Played> {
  const recorded = await recordedHouse();
  const { house, advance, events } = recorded;
  const everybody: Person[] = [];
  const each = async (work: (someone: Person) => Promise<unknown>): Promise<void> => {
    for (const someone of shuffled(everybody)) {
      advance(1 + upTo(STEP_SECONDS));
      await work(someone);
    }
  };
  try {
    for (let i = 0; i < users; i++) everybody.push(await person(house));
    const names = everybody.map(
      (_, i) =>
        `u${i}${randomBytes(12)
          .toString("hex")
          .slice(0, 4 + upTo(20))}`,
    );
    const nameOf = new Map(everybody.map((someone, i) => [someone, names[i]!]));
    await each((someone) => someone.client.register(house.invite(1)[0]!, nameOf.get(someone)!));
    advance(ROUND_SECONDS);
    await each((someone) => someone.client.drawTokens());
    advance(ROUND_SECONDS);
    await each((someone) => someone.client.createInbox());
    advance(ROUND_SECONDS);
    for (const distance of [1, 2]) {
      for (const i of shuffled(everybody.map((_, at) => at))) {
        advance(1 + upTo(STEP_SECONDS));
        await befriend(everybody[i]!, everybody[(i + distance) % users]!);
      }
    }
    await each((someone) => someone.sync());
    let groups = 0;
    for (const founder of shuffled(everybody).slice(0, Math.ceil(users / 2))) {
      advance(1 + upTo(STEP_SECONDS));
      const contacts = shuffled(founder.client.contacts()).slice(0, 2 + upTo(3));
      await founder.client.createGroup(contacts);
      groups++;
    }
    for (let i = 0; i < 3; i++) await each((someone) => someone.sync());
    let messages = 0;
    for (let round = 0; round < rounds; round++) {
      advance(ROUND_SECONDS);
      await each(async (someone) => {
        const mine = someone.client.groups();
        const group = mine[upTo(mine.length)];
        if (group === undefined) return;
        await group.send(randomBytes(1 + upTo(400)).toString("hex"));
        messages++;
      });
      await each((someone) => someone.sync());
    }
    const truth: Truth[] = [];
    for (const someone of everybody) {
      await apart(house, someone, async ({ account, inbox, groups: held }) => {
        const memberships = held.all.flatMap(({ state: { mls } }) => {
          const own = mls?.members().find(({ leafIndex }) => leafIndex === mls.ownLeaf);
          if (mls === undefined || own === undefined) return [];
          const { pseudonym, signaturePublicKey, leafIndex: leaf } = own;
          const groupId = Buffer.from(mls.groupId);
          return [{ groupId, leaf, pseudonym: Buffer.from(pseudonym), leafKey: Buffer.from(signaturePublicKey) }];
        });
        truth.push({
          userId: Buffer.from(account.ids.userId),
          queueId: Buffer.from(inbox.queueId),
          memberships,
        });
      });
    }
    for (const someone of everybody.splice(0)) await someone.stop();
    return { events, dump: await recorded.end(), truth, groups: groups + 2 * users, messages };
  } catch (error) {
    for (const someone of everybody) await someone.stop().catch(() => undefined);
    await recorded.end();
    throw error;
  }
}
