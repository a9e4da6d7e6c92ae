// One accepted request at least of every operation of the table, with everything a client chooses fresh.
import { randomBytes } from "../../src/crypto/random.ts";
import { sign } from "../../src/crypto/sign.ts";
import { operations, type OperationName } from "../../src/wire/operations.ts";
import { TestMember } from "../services/delivery/test-member.ts";
import { sealedKeyPackage, TestQueue } from "../services/queue/test-queue.ts";
import { keyPair } from "../services/services.ts";
import { makeAlias, proofOf, TestUser } from "../services/auth/test-user.ts";
import { freshName, type NotedHouse } from "./noted-house.ts";

const OFFER = 2048;
const PROFILE = 1024;

async function people(house: NotedHouse): Promise<void> {
  const { services, domain } = house;
  const user = await TestUser.register(services, freshName());
  const { name, who, client } = user;
  await user.put([user.package(), user.package()], user.package(1));
  await house.ask("as.discover", { name });
  await house.ask("as.connect", { name, offer: randomBytes(OFFER) });
  await house.ask("as.readDirect", { ...who, acknowledge: 0 }, client);
  await user.add();
  await house.ask("as.listClients", { ...who, after: 0 }, client);
  await user.leave([client]);
  await house.ask("as.renewCredential", who, client);
  const token = randomBytes(32);
  await house.ask("as.putProfile", { ...who, version: 1, token, profile: randomBytes(PROFILE) }, client);
  await house.ask("as.getProfile", { token });
  user.name = Buffer.from(freshName());
  await house.ask("as.rename", { ...who, name: user.name }, client);
  await house.ask("as.deleteAccount", { ...who, attempt: 1, recovery: Buffer.alloc(0) }, client);
  await house.ask("as.cancelDeletion", { ...who, attempt: 1 }, client);
  const { clientList } = await house.ask("as.recover", { name: user.name }, user.recovery);
  user.list = Buffer.from(clientList);
  const fresh = keyPair();
  const list = user.next([fresh], user.recovery);
  const proof = proofOf(fresh, domain, user.name);
  const request = { name: user.name, clientKey: fresh.publicKey, proof, clientList: list };
  const { clientId } = await house.ask("as.reset", request, user.recovery);
  const [number, recovery] = [Buffer.alloc(4), Buffer.alloc(64)];
  number.writeUInt32BE(2);
  sign(recovery, "deletion", user.recovery.secretKey, domain, user.userId, number);
  await house.ask("as.deleteAccount", { userId: user.userId, clientId, attempt: 2, recovery }, fresh);
  const alias = await makeAlias(services, freshName());
  await house.ask("as.deleteAlias", { aliasId: alias.aliasId }, alias.keys);
}

async function queues(house: NotedHouse): Promise<void> {
  const queue = await TestQueue.create(house.services);
  await queue.publish([sealedKeyPackage(), sealedKeyPackage()], sealedKeyPackage());
  await queue.claim();
  await queue.handles(2);
  await queue.ask();
  await queue.refresh(1, randomBytes(32));
  await queue.rotate(queue.friendshipToken, randomBytes(32));
  const { queueId, owner } = queue;
  await house.ask("qs.revokeHandles", { queueId, generation: 1 }, owner);
  const digests = Buffer.concat(Array.from({ length: 3 }, () => randomBytes(16)).toSorted((a, b) => a.compare(b)));
  await house.ask("qs.block", { queueId, number: 1, salt: randomBytes(32), digests }, owner);
  await queue.remove();
}

const listen = async (members: readonly TestMember[]): Promise<void> => {
  for (const member of members) await member.listen();
};
const text = (): string => randomBytes(200).toString("latin1");

async function groups(house: NotedHouse): Promise<void> {
  const { services } = house;
  const alice = await TestMember.found(services);
  const [bob, carol, dave] = [
    await TestMember.create(services),
    await TestMember.create(services),
    await TestMember.create(services),
  ];
  const all = [alice, bob, carol, dave];
  await alice.commit({ add: [await bob.keyPackage(), await carol.keyPackage(), await dave.keyPackage()] });
  await listen(all);
  await alice.send(text());
  await listen(all);
  const { leaf, ...message } = await bob.sending(text());
  await house.ask("ds.sendTo", { ...message, leaf, recipient: alice.group.ownLeaf }, bob.group);
  await listen([alice]);

  const handle = (await carol.queue.handles(1))[0]!;
  const { groupId, ownLeaf } = carol.group;
  const groupKey = await carol.group.groupKey();
  await house.ask("ds.updateHandle", { groupId, groupKey, leaf: ownLeaf, handle }, carol.group);
  await house.ask("ds.leave", await dave.leaving(), dave.group);
  await alice.catchUp();
  await alice.commit({});
  await listen(all);

  await bob.send(text()); // what is removed stays removed, and the run of commits that may be undone begins after it
  await listen([alice, carol]);
  const before = { key: await bob.group.groupKey(), group: bob.group };
  const { request, pending } = await alice.committing({});
  await house.ask("ds.commitLarge", request, alice.group);
  alice.group = pending.next;
  await bob.step(before.key, before.group.epoch);
  const vote = { groupId, groupKey: before.key, leaf: before.group.ownLeaf };
  await house.ask("ds.reset", vote, before.group);
  await listen([bob, carol]);
  await carol.resync(await bob.group.groupKey());
  await listen([alice, bob]);
  const end = await alice.committing({ remove: [bob.group.ownLeaf, carol.group.ownLeaf] });
  const { commit, groupInfo } = end.request;
  const last = { groupId, groupKey: end.request.groupKey, leaf: alice.group.ownLeaf, commit, groupInfo };
  await house.ask("ds.delete", last, alice.group);

  const founder = await TestMember.found(services, { membersMayAdd: false, connection: true });
  const second = await TestMember.create(services);
  const entering = await second.entering(founder.groupId, await founder.group.groupKey());
  await house.ask("ds.join", entering.request, entering.pending.next);
}

/** Walks; the operations that were not accepted once are a mistake of the walk. */
export async function walk(house: NotedHouse): Promise<void> {
  await people(house);
  await queues(house);
  await groups(house);
}

/** Operations of the table that `accepted` does not have. */
export const missingFrom = (accepted: ReadonlySet<string>): OperationName[] =>
  (Object.keys(operations) as OperationName[]).filter((name) => !accepted.has(name));
