// What must take the same time, told apart or not: somebody and nobody, a full queue and an empty one, a spent token and others.
import { fileURLToPath } from "node:url";
import { randomBytes } from "../../src/crypto/random.ts";
import { TOKEN_SLOT_LENGTH, replyLength } from "../../src/wire/frame.ts";
import type { OperationName } from "../../src/wire/operations.ts";
import { httpHead } from "../http/envelope-client.ts";
import { rawAccount, type RawHouse } from "../raw-account.ts";
import { keySigner, sealRequest, type RawRequest } from "../raw-client.ts";
import { TestUser } from "../services/auth/test-user.ts";
import { TestMember } from "../services/delivery/test-member.ts";
import { TestQueue } from "../services/queue/test-queue.ts";
import { spawnHouse, type SpawnedHouse } from "../spawn-house.ts";
import { freshName, NotedHouse } from "./noted-house.ts";
import { differs, timed, WARM, type MakeRequest, type Timing } from "./timing.ts";

const unsteady = fileURLToPath(new URL("./unsteady-process.ts", import.meta.url));
/** Connection packages that an account may leave at once. */
const PACKAGES = 64;
/** Messages that wait in the full queue: more than one reply holds. */
const WAITING = 20;
/** Pairs that are enough to see what a house that answers at once shows. */
const CONTROL_PAIRS = 50;

export interface Comparisons {
  readonly found_not_found: Timing;
  readonly full_empty: Timing;
  /** A token that was spent and one that nobody has signed: both are refused with 401. */
  readonly spent_invalid: Timing;
  /** The status tells these apart as well. */
  readonly spent_unspent: Timing;
  /** A refusal before any work, and the work; the status tells these apart as well. */
  readonly refused_served: Timing;
}

export interface TimingReport extends Comparisons {
  readonly pairs: number;
  readonly told_apart: readonly string[];
  /** The same in a house that answers as soon as it can. */
  readonly control: Comparisons;
  readonly control_told_apart: readonly string[];
}

const whole = (body: Buffer): Buffer => Buffer.concat([httpHead(body.length), body]);

/** `count` tokens for lookups, of as many accounts as it takes. */
async function lookups(house: SpawnedHouse, raw: RawHouse, count: number): Promise<Buffer[]> {
  const tokens: Buffer[] = [];
  while (tokens.length < count) tokens.push(...(await (await rawAccount(house, raw, freshName())).draw("discover")));
  return tokens;
}

async function compared(pairs: number, program?: string): Promise<Comparisons> {
  const house = await spawnHouse(program === undefined ? {} : { program });
  try {
    const noted = await NotedHouse.open(house);
    const { raw, services } = noted;
    const build = <N extends OperationName>(request: Omit<RawRequest<N>, "now">): Buffer =>
      whole(sealRequest(raw.to, { now: house.now(), ...request }).body);
    const tokens = await lookups(house, raw, (pairs + WARM) * 4 + 1);
    const token = (): Buffer => {
      const taken = tokens.pop();
      if (taken === undefined) throw new Error("no tokens left");
      return taken;
    };
    const user = await TestUser.register(services, freshName());
    const lookup = (name: Uint8Array, slot: Uint8Array): Buffer =>
      build({ operation: "as.discover", request: { name }, token: slot });
    const found: MakeRequest = async (round) => {
      if (round % (PACKAGES - 2) === 0) {
        const packages = Array.from({ length: PACKAGES }, () => user.package());
        await user.put(packages, user.package(1));
      }
      return lookup(user.name, token());
    };
    const used = token();
    await raw.ask({ operation: "as.discover", request: { name: user.name }, token: used });
    const spent: MakeRequest = async () => lookup(user.name, used);
    const invalid: MakeRequest = async () => {
      const bad = Buffer.from(used);
      bad.set(randomBytes(32), 2);
      return lookup(user.name, bad);
    };
    const nobody: MakeRequest = async () => lookup(Buffer.from(freshName()), token());
    const refused: MakeRequest = async () => lookup(user.name, Buffer.alloc(TOKEN_SLOT_LENGTH));

    const alice = await TestMember.found(services);
    const bob = await TestMember.create(services);
    await alice.add(bob);
    await bob.listen();
    for (let i = 0; i < WAITING; i++) await alice.send(randomBytes(1500).toString("latin1"));
    const empty = await TestQueue.create(services);
    const reading =
      ({ queueId, owner }: TestQueue): MakeRequest =>
      async () =>
        build({
          operation: "qs.read",
          request: { queueId, acknowledge: 0, wait: 0 },
          signer: keySigner(owner.secretKey),
        });
    const run = (length: number, ...kinds: [MakeRequest, MakeRequest]): Promise<Timing> =>
      timed(house.socketPath, length, pairs, kinds);
    const [small, medium] = [replyLength("small"), replyLength("medium")];
    const comparisons = {
      found_not_found: await run(small, found, nobody),
      full_empty: await run(medium, reading(bob.queue), reading(empty)),
      spent_invalid: await run(small, spent, invalid),
      spent_unspent: await run(small, spent, found),
      refused_served: await run(small, refused, found),
    };
    noted.close();
    return comparisons;
  } finally {
    await house.remove();
  }
}

/** Those of which the status tells no more than the time may. */
const hidden = ["found_not_found", "full_empty", "spent_invalid"] as const;
const toldApart = (comparisons: Comparisons): string[] => hidden.filter((name) => differs(comparisons[name]));

/** At most 300 pairs: a spawned house prints so many invitations. */
export async function timings(pairs: number): Promise<TimingReport> {
  const comparisons = await compared(pairs);
  const control = await compared(Math.min(pairs, CONTROL_PAIRS), unsteady);
  return {
    pairs,
    ...comparisons,
    told_apart: toldApart(comparisons),
    control,
    control_told_apart: toldApart(control),
  };
}
