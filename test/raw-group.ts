// A queue and a group made below the SDK: for benches and for tests of what the server alone must refuse.
import { randomBytes } from "../src/crypto/random.ts";
import { signKeypair } from "../src/crypto/sign.ts";
import { lockedAlloc } from "../src/memory/locked.ts";
import { createGroup, joinFromWelcome, welcomeGroupKey, type ClientGroup } from "../src/mls/client.ts";
import { makeKeyPackage, readPrivateKeys } from "../src/mls/key-package.ts";
import { readKeyPackage } from "../src/mls/messages.ts";
import { pay, type AskedHouse, type RawHouse } from "./raw-account.ts";
import { keySigner, replyOf, type RawReply } from "./raw-client.ts";

const whole = (reply: RawReply): RawReply => {
  if (reply.code !== "ok") throw new Error(reply.code);
  return reply;
};

export interface RawQueue {
  readonly queueId: Uint8Array;
  readonly ratchetSecret: Buffer;
  readonly signer: ReturnType<typeof keySigner>;
  handle(): Promise<Uint8Array>;
}

/** Takes what it costs from `tokens`, of class `create`. */
export async function rawQueue({ ask }: RawHouse, tokens: Buffer[]): Promise<RawQueue> {
  const [ownerKey, secret] = [Buffer.alloc(32), lockedAlloc(64)];
  signKeypair(ownerKey, secret);
  const signer = keySigner(secret);
  const ratchetSecret = randomBytes(32);
  const request = { ownerKey, ratchetSecret, friendshipToken: randomBytes(32) };
  const { queueId } = replyOf(
    "qs.createQueue",
    whole(await ask({ operation: "qs.createQueue", request, token: pay("qs.createQueue", tokens) })),
  );
  return {
    queueId,
    ratchetSecret,
    signer,
    async handle() {
      const request = { queueId, generation: 0, tags: [randomBytes(16)] };
      const minted = await ask({ operation: "qs.mintHandles", request, signer });
      const [handle] = replyOf("qs.mintHandles", whole(minted)).handles;
      return handle ?? Buffer.alloc(0);
    },
  };
}

export interface RawGroup {
  readonly groupId: Buffer;
  readonly groupKey: Uint8Array;
  readonly founder: ClientGroup;
  readonly member: ClientGroup;
}

/** A group of two, paid from `tokens`. */
export async function rawPair(
  house: AskedHouse,
  { ask, to }: RawHouse,
  queues: readonly [RawQueue, RawQueue],
  tokens: { readonly create: Buffer[]; readonly deliver: Buffer[] },
): Promise<RawGroup> {
  const now = house.now();
  const reserved = await ask({ operation: "ds.reserve", request: {}, token: pay("ds.reserve", tokens.create) });
  const groupId = Buffer.from(replyOf("ds.reserve", whole(reserved)).groupId);
  const handle = await queues[0].handle();
  const senderKey = to.deliveryKey;
  const alone = await createGroup({ groupId, pseudonym: randomBytes(16), handle, senderKey, now });
  const groupKey = await alone.groupKey();
  const create = { groupId, groupKey, groupInfo: await alone.groupInfo() };
  whole(await ask({ operation: "ds.create", request: create, token: pay("ds.create", tokens.create) }));

  const lifetime = { notBefore: now - 3600, notAfter: now + 86400 };
  const own = await makeKeyPackage({ pseudonym: randomBytes(16), handle: await queues[1].handle(), ...lifetime });
  const pending = await alone.commit({ add: [own.keyPackage], now });
  const welcome = pending.welcome ?? Buffer.alloc(0);
  const { commit, groupInfo, nextGroupKey, recovery } = pending;
  const request = { groupId, groupKey, nextGroupKey, leaf: alone.ownLeaf, commit, groupInfo, welcome, recovery };
  const signer = (...parts: Uint8Array[]): Uint8Array => alone.signWithLeaf("request", ...parts);
  whole(await ask({ operation: "ds.commit", request, signer, token: pay("ds.commit", tokens.deliver) }));
  const joined = await welcomeGroupKey(welcome, own.keyPackage, own.privateKeys);
  const leafKey = readKeyPackage(own.keyPackage).leafNode.signaturePublicKey;
  const leafSigner = keySigner(readPrivateKeys(own.privateKeys).signaturePrivateKey);
  const tree = await ask({
    operation: "ds.welcomeInfo",
    request: { groupId, groupKey: joined.groupKey, leafKey, offset: 0 },
    signer: leafSigner,
    token: pay("ds.welcomeInfo", tokens.deliver),
  });
  const { chunk } = replyOf("ds.welcomeInfo", whole(tree));
  const member = await joinFromWelcome(welcome, own.keyPackage, own.privateKeys, chunk, senderKey);
  return { groupId, groupKey: nextGroupKey, founder: pending.next, member };
}
