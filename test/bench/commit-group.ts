// A group of real members for the benchmark of commits: its state at the server, and two members who can go on.
import { randomBytes } from "../../src/crypto/random.ts";
import { type ClientGroup, createGroup, joinFromWelcome } from "../../src/mls/client.ts";
import { makeKeyPackage } from "../../src/mls/key-package.ts";
import { PublicGroup } from "../../src/mls/public-group.ts";

export interface BuiltGroup {
  readonly groupId: Uint8Array;
  /** As the server stores it, not sealed. */
  readonly state: Buffer;
  readonly members: readonly [ClientGroup, ClientGroup];
}

const encoded = (group: PublicGroup): Buffer => {
  const bytes = Buffer.alloc(group.encodedLength);
  group.encodeInto(bytes);
  return bytes;
};

/**
 * A group with one member for each of `handles`, added `step` at a time. The first of each batch joins and adds the next,
 * so that paths of its parents are filled as they are where some of the members have been active.
 */
export async function buildGroup(
  handles: readonly Uint8Array[],
  { step, senderKey, now }: { step: number; senderKey: Uint8Array; now: number },
): Promise<BuiltGroup> {
  const groupId = randomBytes(16);
  const who = (at: number) => ({ pseudonym: randomBytes(16), handle: handles[at] ?? randomBytes(88) });
  const policy = { membersMayAdd: true, connection: false };
  let last = await createGroup({ groupId, ...who(0), senderKey, policy, now });
  let server = PublicGroup.create(await last.groupInfo(), senderKey, now);
  for (let count = 1; ;) {
    const adds = Math.min(step, handles.length - count);
    const lifetime = { notBefore: now - 3600, notAfter: now + 86_400 };
    const joiners = await Promise.all(
      Array.from({ length: adds }, (_, i) => makeKeyPackage({ ...who(count + i), ...lifetime })),
    );
    const pending = await last.commit({ add: joiners.map(({ keyPackage }) => keyPackage), now });
    const { commit, groupInfo, welcome } = pending;
    server = PublicGroup.decode(encoded(server.validateCommit({ commit, groupInfo, welcome, now }).next));
    pending.settle();
    count += adds;
    const [first] = joiners;
    if (first === undefined || welcome === undefined) throw new Error("nobody was added");
    const joined = await joinFromWelcome(welcome, first.keyPackage, first.privateKeys, server.treeBytes, senderKey);
    if (count === handles.length) return { groupId, state: encoded(server), members: [pending.next, joined] };
    last = joined;
  }
}
