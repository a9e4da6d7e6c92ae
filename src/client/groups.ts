// All groups of a client: loaded, found by id, begun, taken up.
import { randomBytes } from "../crypto/random.ts";
import { createGroup } from "../mls/client.ts";
import { PSEUDONYM_LENGTH } from "../mls/suite.ts";
import { equal } from "../memory/locked.ts";
import { Fault } from "../fault.ts";
import { bytes, fixed, list, struct, u48, type ValueOf } from "../wire/codec.ts";
import { REQUEST_ID_LENGTH, TOKEN_SLOT_LENGTH } from "../wire/frame.ts";
import { freshCircuit } from "./circuits.ts";
import { ClientError } from "./errors.ts";
import { joined } from "./group-join.ts";
import { groupEntries, loadGroup, type GroupState } from "./group-record.ts";
import { draft } from "./group-request.ts";
import type { Parts } from "./parts.ts";
import { entry, type Entry } from "./sections.ts";
import type { Session } from "./session.ts";
import type { Tokens } from "./wallet.ts";

const SECTION = "groups";
/** How long a group id stays reserved is the server's day; one that is nearly over is not begun with. Seconds. */
const RESERVED = 12 * 3600;

/** The request for a group id, saved before it is sent: repeated as the very same, it gets the same id. */
const reservation = struct({ requestId: fixed(REQUEST_ID_LENGTH), token: bytes(TOKEN_SLOT_LENGTH), at: u48 });
const record = struct({ groupIds: list(fixed(16), 65535), reservation: list(reservation, 1) });
type Reservation = ValueOf<typeof reservation>;

/** A group in use: its state of now, and the circuit it has while this process runs. */
export interface HeldGroup {
  state: GroupState;
  readonly circuit: string;
  /** The request id of the own commit that was adopted last, since this process runs. */
  adopted?: Uint8Array;
  /** The epoch in which a proposal waits that no member can take in: only a resync leads out of it. */
  blockedIn?: number;
  /** The epoch in which no more removals can wait than do already. */
  fullIn?: number;
  /** How often members, by leaf key, were asked who they are, and were told, since this process runs. */
  readonly asked: Map<string, number>;
  readonly told: Map<string, number>;
}

export class Groups {
  readonly #session: Session;
  #held: readonly HeldGroup[] = [];
  #reservation: Reservation | undefined;

  constructor(session: Session) {
    this.#session = session;
  }

  async load(): Promise<void> {
    const { sections } = this.#session;
    const saved = await sections.load(SECTION, record);
    this.#reservation = saved?.reservation[0];
    for (const groupId of saved?.groupIds ?? []) {
      const group = await loadGroup(sections, groupId);
      if (group === undefined) throw new ClientError("state/damaged");
      this.add(group);
    }
  }

  get all(): readonly HeldGroup[] {
    return this.#held;
  }

  find(groupId: Uint8Array): HeldGroup | undefined {
    return this.#held.find(({ state }) => equal(state.groupId, groupId));
  }

  /** The list of groups as it is with `groupId` in it. */
  entryWith(groupId: Uint8Array): Entry {
    const others = this.#ids.filter((other) => !equal(other, groupId));
    return this.#entry([...others, groupId], this.#reservation);
  }

  get #ids(): Uint8Array[] {
    return this.#held.map(({ state }) => state.groupId);
  }

  #entry(groupIds: Uint8Array[], waiting: Reservation | undefined): Entry {
    return entry(SECTION, record, { groupIds, reservation: waiting === undefined ? [] : [waiting] });
  }

  /**
   * Runs `use` with a group id of the server's choice, which founds a group by saving the entry it is given and adding it.
   * Until then the id is asked for by the same request, also after a crash. Costs a `create` token.
   */
  async reserve<T>(tokens: Tokens, use: (groupId: Uint8Array, entry: Entry) => Promise<T>): Promise<T> {
    const { call, sections, clock, transport } = this.#session;
    if (this.#reservation === undefined || clock() - this.#reservation.at > RESERVED) {
      await tokens.spend("ds.reserve", async (token) => {
        const fresh = { requestId: randomBytes(REQUEST_ID_LENGTH), token: Buffer.from(token), at: clock() };
        await sections.save(this.#entry(this.#ids, fresh));
        this.#reservation = fresh;
      });
    }
    const { requestId, token } = this.#reservation!;
    const circuit = freshCircuit("reserve");
    const ask = { operation: "ds.reserve", circuit, request: {}, token, requestId } as const;
    const groupId = await call(ask, (reply) => Buffer.from(reply.groupId))
      .catch(async (error: unknown) => {
        // A refusal is for good, whatever it was: the next time another id is asked for.
        if (error instanceof Fault && error.code.startsWith("token/")) await this.#forget();
        throw error;
      })
      .finally(() => transport.closeCircuit(circuit));
    const result = await use(groupId, this.#entry([...this.#ids, groupId], undefined));
    this.#reservation = undefined;
    return result;
  }

  async #forget(): Promise<void> {
    await this.#session.sections.save(this.#entry(this.#ids, undefined));
    this.#reservation = undefined;
  }

  add(state: GroupState): HeldGroup {
    const held: HeldGroup = { state, circuit: freshCircuit("group"), asked: new Map(), told: new Map() };
    this.#held = [...this.#held.filter((other) => !equal(other.state.groupId, state.groupId)), held];
    return held;
  }
}

export interface NewGroup {
  /** Every member may add others, not only admins. */
  readonly membersMayAdd?: boolean;
}

/**
 * A new group of this client alone, under a fresh pseudonym and queue handle. What the server has to be asked for is
 * saved as pending; `flush` sends it. Costs two `create` tokens.
 */
export async function beginGroup(parts: Parts, wanted: NewGroup = {}): Promise<HeldGroup> {
  const { inbox, tokens, groups } = parts;
  const pseudonym = randomBytes(PSEUDONYM_LENGTH);
  const [handle] = await inbox.mintHandles([pseudonym]);
  return groups.reserve(tokens, (groupId, entry) =>
    found(parts, wanted, groupId, { pseudonym, handle: handle! }, entry),
  );
}

async function found(
  parts: Parts,
  wanted: NewGroup,
  groupId: Uint8Array,
  leaf: { readonly pseudonym: Uint8Array; readonly handle: Uint8Array },
  entry: Entry,
): Promise<HeldGroup> {
  const { session, groups } = parts;
  const { deliveryKey: senderKey } = await session.directory.current();
  const policy = { membersMayAdd: wanted.membersMayAdd === true, connection: false };
  const mls = await createGroup({ groupId, ...leaf, senderKey, policy, now: session.clock() });
  const request = { groupId, groupKey: await mls.groupKey(), groupInfo: await mls.groupInfo() };
  return draft(parts, "ds.create", request, async (pending) => {
    const state = joined(parts, mls, pending);
    await session.sections.save(...groupEntries(state), entry);
    return groups.add(state);
  });
}
