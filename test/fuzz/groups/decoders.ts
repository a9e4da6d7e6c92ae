// The decoders of src/mls as decoders under test: what the house and members read that others wrote.
import { decode, encode } from "../../../src/wire/codec.ts";
import { joinInfo } from "../../../src/wire/documents.ts";
import { ClientGroup, externalJoin, joinFromWelcome, welcomeGroupKey } from "../../../src/mls/client.ts";
import { inspectKeyPackage } from "../../../src/mls/key-package.ts";
import { readHandshakeOrPrivate, readRatchetTree } from "../../../src/mls/messages.ts";
import { decodePolicy, encodePolicy } from "../../../src/mls/policy.ts";
import { PublicGroup } from "../../../src/mls/public-group.ts";
import { PublicTree } from "../../../src/mls/public-tree.ts";
import { identity, newKeyPackage, now, senderKey, signAsHouse, World } from "../../mls/world.ts";
import type { Decoder } from "../engine.ts";
import type { Random } from "../random.ts";

const faults = ["group/invalid", "group/policy", "group/limit", "group/epoch", "group/proposals"] as const;
/** Milliseconds: a signature or a decapsulation for each member, and a busy machine. */
const BOUND = 250;

const stateOf = (group: PublicGroup): Buffer => {
  const state = Buffer.alloc(group.encodedLength);
  group.encodeInto(state);
  return state;
};

/** One that gives nothing back: it is only asked whether it takes the input. */
const taking = (name: string, take: (input: Uint8Array) => unknown, ...corpus: readonly Uint8Array[]): Decoder => ({
  name,
  faults,
  corpus,
  bound: BOUND,
  async reencode(input) {
    await take(input);
    return undefined;
  },
});

const admins = (random: Random, count: number): Uint8Array =>
  encodePolicy({
    membersMayAdd: random.below(2) === 0,
    connection: random.below(2) === 0,
    admins: Array.from({ length: count }, () => random.bytes(16)),
  });

/** Keys are not the seed's; which bytes are changed is. */
export async function groupDecoders(random: Random): Promise<Decoder[]> {
  const world = await World.create();
  await world.commit(world.clients[0]!, 4);
  const [admin, member, third] = world.clients as [ClientGroup, ClientGroup, ClientGroup];
  const { server } = world;
  const proposed = server.proposeRemoval(3, signAsHouse);
  const own = await newKeyPackage();
  const change = { add: [own.keyPackage], remove: [2], policy: { membersMayAdd: true }, handle: identity().handle };
  const made = await admin.commit({ ...change, now });
  const { commit, groupInfo, welcome, recovery } = made;
  if (welcome === undefined) throw new Error("no Welcome");
  const given = { commit, groupInfo, welcome, recovery, now };
  const staged = server.validateCommit(given).next;
  const resync = await member.resync({ ...world.offer, now });
  const { proposal } = await third.leave();
  const application = (await admin.send(Buffer.from("words"))).privateMessage;
  const founder = await World.create();
  const pair = await World.create({ membersMayAdd: false, connection: true });
  const join = await externalJoin({ ...pair.offer, ...identity(), senderKey, now });
  const offered = { ...world.offer, ...identity(), senderKey, now };
  const alloc = (size: number): Buffer => Buffer.alloc(size);
  const info = encode(joinInfo, { ...world.offer, proposals: [proposed.proposal] }, alloc);
  return [
    taking("commit", (bytes) => server.validateCommit({ ...given, commit: bytes }), commit),
    taking("commit, its GroupInfo", (bytes) => server.validateCommit({ ...given, groupInfo: bytes }), groupInfo),
    taking("commit, its Welcome", (bytes) => server.validateCommit({ ...given, welcome: bytes }), welcome),
    taking("commit, its recovery", (bytes) => server.validateCommit({ ...given, recovery: bytes }), recovery),
    taking("resync", (bytes) => server.validateResync({ ...resync, commit: bytes, leaf: 1, now }), resync.commit),
    taking("join", (bytes) => pair.server.validateJoin({ ...join, commit: bytes, now }), join.commit),
    taking("leave", (bytes) => server.validateLeave(bytes, 2), proposal),
    taking("founder's GroupInfo", (bytes) => PublicGroup.create(bytes, senderKey, now), founder.server.groupInfo),
    taking("KeyPackage", (bytes) => inspectKeyPackage(bytes, now), own.keyPackage),
    taking("message to a member", (bytes) => member.receive(bytes), commit, application, proposal, proposed.proposal),
    taking("proposal to a member", (bytes) => admin.takeProposal(bytes), proposal, proposed.proposal),
    taking("Welcome", (bytes) => welcomeGroupKey(bytes, own.keyPackage, own.privateKeys), welcome),
    taking(
      "Welcome's tree",
      (bytes) => joinFromWelcome(welcome, own.keyPackage, own.privateKeys, bytes, senderKey),
      staged.treeBytes,
    ),
    taking("offered GroupInfo", (bytes) => member.resync({ ...offered, groupInfo: bytes }), world.offer.groupInfo),
    taking("offered tree", (bytes) => member.resync({ ...offered, tree: bytes }), world.offer.tree),
    {
      name: "joinInfo",
      faults: [...faults, "wire/malformed"],
      corpus: [info],
      bound: BOUND,
      async reencode(input) {
        const value = decode(joinInfo, input);
        await member.resync({ groupInfo: value.groupInfo, tree: value.tree, now });
        for (const message of value.proposals) await admin.takeProposal(message);
        return encode(joinInfo, value, alloc);
      },
    },
    {
      name: "policy",
      faults,
      corpus: [admins(random, 1), admins(random, 3), admins(random, 9)],
      fresh: (source) => admins(source, 1 + source.below(20)),
      reencode: (input) => encodePolicy(decodePolicy(input)),
    },
    taking("handshake or private message", readHandshakeOrPrivate, commit, application),
    taking("ratchet tree", (bytes) => PublicTree.from(readRatchetTree(bytes)).treeHash(), server.treeBytes),
    taking(
      "public state",
      (bytes) => {
        const group = PublicGroup.decode(Buffer.from(bytes));
        for (const [index] of group.entries()) group.leaf(index);
        group.exportTree();
        stateOf(group);
      },
      stateOf(server),
      stateOf(proposed.next),
      stateOf(founder.server),
    ),
    taking("client state", (bytes) => ClientGroup.deserialize(bytes).members(), admin.serialize(), member.serialize()),
  ];
}
