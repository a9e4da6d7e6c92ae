// All groups of a client: loaded, found by id, begun, taken up.
import { randomBytes } from "../crypto/random.ts";
import { createGroup, type ClientGroup } from "../mls/client.ts";
import { PSEUDONYM_LENGTH } from "../mls/suite.ts";
import { equal } from "../memory/locked.ts";
import { encode, fixed, list, struct } from "../wire/codec.ts";
import { REQUEST_ID_LENGTH } from "../wire/frame.ts";
import { operations } from "../wire/operations.ts";
import { freshCircuit } from "./circuits.ts";
import { makeIntroduction } from "./credentials.ts";
import { ClientError } from "./errors.ts";
import { groupCodec, groupEntry, readGroup, sectionOf, type GroupState } from "./group-record.ts";
import type { Parts } from "./parts.ts";
import { entry, type Entry } from "./sections.ts";
import type { Session } from "./session.ts";

const SECTION = "groups";
const record = struct({ groupIds: list(fixed(16), 65535) });

/** A group in use: its state of now, and the circuit it has while this process runs. */
export interface HeldGroup {
  state: GroupState;
  readonly circuit: string;
  /** The request id of the own commit that was adopted last, since this process runs. */
  adopted?: Uint8Array;
  /** The epoch in which the server had no such group for us: what waits here would only cost tokens. */
  unavailableIn?: number;
}

export class Groups {
  readonly #session: Session;
  #held: readonly HeldGroup[] = [];

  constructor(session: Session) {
    this.#session = session;
  }

  async load(): Promise<void> {
    const { sections } = this.#session;
    const saved = await sections.load(SECTION, record);
    for (const groupId of saved?.groupIds ?? []) {
      const group = await sections.load(sectionOf(groupId), groupCodec);
      if (group === undefined) throw new ClientError("state/damaged");
      this.add(readGroup(group));
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
    const others = this.#held.map(({ state }) => state.groupId).filter((other) => !equal(other, groupId));
    return entry(SECTION, record, { groupIds: [...others, groupId] });
  }

  add(state: GroupState): HeldGroup {
    const held = { state, circuit: freshCircuit("group") };
    this.#held = [...this.#held.filter((other) => !equal(other.state.groupId, state.groupId)), held];
    return held;
  }
}

/**
 * A new group of this client alone, under a fresh pseudonym and queue handle. What the server has to be asked for is
 * saved as pending; `flush` sends it. Costs a `create` token.
 */
export async function beginGroup(parts: Parts): Promise<HeldGroup> {
  const { session, inbox, tokens, groups } = parts;
  const [handle] = await inbox.mintHandles(1);
  const groupId = randomBytes(16);
  const pseudonym = randomBytes(PSEUDONYM_LENGTH);
  const mls = await createGroup({ groupId, pseudonym, handle: handle!, now: session.clock() });
  const shape = operations["ds.create"];
  const request = { groupId, groupKey: await mls.groupKey(), groupInfo: await mls.groupInfo() };
  return tokens.spend("ds.create", async (token) => {
    const state = joined(parts, mls, {
      operation: shape.number,
      requestId: randomBytes(REQUEST_ID_LENGTH),
      token: Buffer.from(token),
      request: encode(shape.request, request, Buffer.alloc),
      next: Buffer.alloc(0),
      introductions: [],
      befriends: 0,
    });
    await session.sections.save(groupEntry(state), groups.entryWith(groupId));
    return groups.add(state);
  });
}

/** The state of a group that this client has just entered, with its own introduction. */
export function joined(parts: Parts, mls: ClientGroup, pending?: GroupState["pending"]): GroupState {
  const { account } = parts;
  const own = mls.members().find((member) => member.leafIndex === mls.ownLeaf)!;
  const leaf = { pseudonym: own.pseudonym, leafKey: own.signaturePublicKey };
  const document = makeIntroduction(account.identity, account.sign, leaf);
  const introductions = [{ ...leaf, identity: account.identity, document }];
  return { groupId: Buffer.from(mls.groupId), mls, introductions, outgoing: [], pending };
}
