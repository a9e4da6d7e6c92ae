// Members with queues, a group that the service holds, and a look at what it has stored of it.
import assert from "node:assert/strict";
import { PublicGroup } from "../../../src/mls/public-group.ts";
import { find, type KeptRoom } from "../../../src/services/delivery/kept.ts";
import { epochName, openState } from "../../../src/services/delivery/state-record.ts";
import { openArenas, Services } from "../services.ts";
import { TestMember } from "./test-member.ts";

export interface Setting {
  readonly services: Services;
  /** The first is the admin, all are in the group. */
  readonly members: readonly TestMember[];
  /** In no group. */
  readonly others: readonly TestMember[];
  close(): Promise<void>;
}

export type Policy = { readonly membersMayAdd: boolean; readonly connection: boolean };

/** A group of `size` members in one epoch, and `others` who are not in it. Everybody may add, unless the policy differs. */
export async function makeSetting(size: number, others = 0, policy?: Policy): Promise<Setting> {
  const services = await Services.open();
  services.now = Math.floor(Date.now() / 1000);
  const founder = await TestMember.found(services, policy);
  const members = [founder];
  while (members.length < size) members.push(await TestMember.create(services));
  if (size > 1) {
    const add = await Promise.all(members.slice(1).map((member) => member.keyPackage()));
    await founder.commit({ add });
    await listen(members);
  }
  const strangers = await Promise.all(Array.from({ length: others }, () => TestMember.create(services)));
  return {
    services,
    members,
    others: strangers,
    async close() {
      await services.close();
      assert.equal(openArenas(), 0);
    },
  };
}

export async function listen(members: readonly TestMember[]): Promise<void> {
  for (const member of members) await member.listen();
}

/** All are in the same epoch of the same group. */
export function agree(members: readonly TestMember[]): void {
  const [first, ...rest] = members;
  for (const { group } of rest) assert.deepEqual(group.epochAuthenticator, first!.group.epochAuthenticator);
}

/** A record of a group, as it is stored under the store's own seal. */
export const recordOf = (services: Services, room: KeptRoom, name: Uint8Array): Promise<Buffer | undefined> =>
  services.call(async (call) => {
    const kept = await find(call, room, name);
    return kept && Buffer.from(kept.value);
  });

/** Of the room `groupEpoch` and its neighbours, which are named by an epoch's key. */
export const epochRecordOf = async (
  services: Services,
  room: "groupEpoch" | "groupNext" | "groupVote",
  groupId: Uint8Array,
  groupKey: Uint8Array,
): Promise<Buffer | undefined> => {
  const name = await services.call(async (call) => Buffer.from(epochName(call, { groupId, groupKey })));
  return recordOf(services, room, name);
};

/** The group in a stored state; undefined when the key does not open it. */
export const opened = (
  services: Services,
  sealed: Uint8Array,
  groupId: Uint8Array,
  groupKey: Uint8Array,
): Promise<PublicGroup | undefined> =>
  services.call(async (call) => {
    const state = openState(call, { groupId, groupKey }, Buffer.from(sealed));
    return state && PublicGroup.decode(Buffer.from(state.state));
  });

/** The group as it is stored now, by this key. */
export async function groupNow(
  services: Services,
  groupId: Uint8Array,
  groupKey: Uint8Array,
): Promise<PublicGroup | undefined> {
  const sealed = await recordOf(services, "group", groupId);
  return sealed && opened(services, sealed, groupId, groupKey);
}
