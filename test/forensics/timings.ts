// What must take the same time, told apart or not: somebody and nobody, a full queue and an empty one, a spent token and another.
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
import { differs, timed, type MakeRequest, type Timing } from "./timing.ts";

const WARM = 10;
/** Connection packages that an account may leave at once. */
const PACKAGES = 64;
/** Messages that wait in the full queue: more than one reply holds. */
const WAITING = 20;

export interface TimingReport {
  readonly pairs: number;
  readonly found_not_found: Timing;
  readonly full_empty: Timing;
  /** A token that was spent and one that nobody has signed: both are refused with 401. */
  readonly spent_invalid: Timing;
  /** Known: the status tells it as well. */
  readonly spent_unspent: Timing;
  /** A refusal before the work and the work: must be told apart. */
  readonly control: Timing;
  /** Which of those that must not be told apart are. */
  readonly told_apart: readonly string[];
  readonly control_told_apart: boolean;
}

const whole = (body: Buffer): Buffer => Buffer.concat([httpHead(body.length), body]);

/** `count` tokens for lookups, of as many accounts as it takes. */
async function lookups(house: SpawnedHouse, raw: RawHouse, count: number): Promise<Buffer[]> {
  const tokens: Buffer[] = [];
  while (tokens.length < count) tokens.push(...(await (await rawAccount(house, raw, freshName())).draw("discover")));
  return tokens;
}

export async function timings(pairs: number): Promise<TimingReport> {
  const house = await spawnHouse();
  try {
    const noted = await NotedHouse.open(house);
    const { raw, services } = noted;
    const build = <N extends OperationName>(request: Omit<RawRequest<N>, "now">): Buffer =>
      whole(sealRequest(raw.to, { now: house.now(), ...request }).body);
    // one lookup a pair is refused in two of the comparisons, and free
    const tokens = await lookups(house, raw, (pairs + WARM) * 5);
    const token = (): Buffer => {
      const taken = tokens.pop();
      if (taken === undefined) throw new Error("no tokens left");
      return taken;
    };
    const user = await TestUser.register(services, freshName());
    const stock = async (round: number): Promise<void> => {
      if (round % (PACKAGES - 2) !== 0) return;
      await user.put(
        Array.from({ length: PACKAGES }, () => user.package()),
        user.package(1),
      );
    };
    const lookup = (name: Uint8Array, slot: Uint8Array): Buffer =>
      build({ operation: "as.discover", request: { name }, token: slot });
    const nobody = (): Buffer => Buffer.from(freshName());
    const found: MakeRequest = async (round) => {
      await stock(round);
      return lookup(user.name, token());
    };
    const small = replyLength("small");
    const run = (length: number, ...kinds: [MakeRequest, MakeRequest]): Promise<Timing> =>
      timed(house.socketPath, length, pairs, kinds);

    const foundNotFound = await run(small, found, async () => lookup(nobody(), token()));
    const used = token();
    await raw.ask({ operation: "as.discover", request: { name: user.name }, token: used });
    const spent: MakeRequest = async () => lookup(user.name, used);
    const invalid = (): Buffer => {
      const bad = Buffer.from(used);
      bad.set(randomBytes(32), 2);
      return bad;
    };
    const spentInvalid = await run(small, spent, async () => lookup(user.name, invalid()));
    const spentUnspent = await run(small, spent, found);
    const none = Buffer.alloc(TOKEN_SLOT_LENGTH);
    const control = await run(small, async () => lookup(user.name, none), found);

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
    const fullEmpty = await run(replyLength("medium"), reading(bob.queue), reading(empty));
    noted.close();
    const hidden = { found_not_found: foundNotFound, full_empty: fullEmpty, spent_invalid: spentInvalid };
    return {
      pairs,
      ...hidden,
      spent_unspent: spentUnspent,
      control,
      told_apart: Object.entries(hidden).flatMap(([name, timing]) => (differs(timing) ? [name] : [])),
      control_told_apart: differs(control),
    };
  } finally {
    await house.remove();
  }
}
