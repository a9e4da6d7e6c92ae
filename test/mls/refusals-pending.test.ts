// Pending removals: which proposals the server takes, and which commits while they wait.
import assert from "node:assert/strict";
import type { ProposalOrRef } from "ts-mls/proposalOrRefType.js";
import type { Sender } from "ts-mls/sender.js";
import { randomBytes } from "../../src/crypto/random.ts";
import { type FaultCode } from "../../src/fault.ts";
import { readKeyPackage, readPublicMessage } from "../../src/mls/messages.ts";
import { contextExtensions } from "../../src/mls/policy.ts";
import type { PublicGroup } from "../../src/mls/public-group.ts";
import { checkRemoval, makeRemoval } from "../../src/mls/validation-proposal.ts";
import { emptyRecovery, rawCommit, type RawCommit, rawProposal, rawState, resigned } from "./raw.ts";
import { newKeyPackage, now, senderKey, signAsHouse, World } from "./world.ts";

import { byReference, byValue, context, flipsRefused, proposing, raw, refused, removal } from "./refused.ts";

describe("pending removals", () => {
  let world: World;
  let leave: Uint8Array;
  let server: PublicGroup;
  before(async () => {
    world = await World.create();
    await world.commit(world.clients[0]!, 4);
    ({ proposal: leave } = await world.clients[3]!.leave());
    server = world.server.validateLeave(leave, 3).next;
  });
  const state = (leaf: number) => rawState(world.clients[leaf]!);

  it("a leave is one's own Remove of this epoch and group, and nothing else", async () => {
    const { server: before_ } = world;
    const leaving = (proposal: Uint8Array, leaf = 3) => before_.validateLeave(proposal, leaf);
    flipsRefused(leave, leaving, (i) => i >= leave.length - 32); // but the membership tag, which only members can check
    refused("group/invalid", () => leaving(leave, 2));
    refused("group/policy", () => server.validateLeave(leave, 3));
    const third = state(3);
    leaving(await rawProposal(third, removal(3))); // control
    const keyPackage = readKeyPackage((await newKeyPackage()).keyPackage);
    const others: [FaultCode, Uint8Array][] = [
      ["group/policy", await rawProposal(third, removal(2))],
      ["group/policy", await rawProposal(third, { proposalType: "add", add: { keyPackage } })],
      ["group/policy", await rawProposal(third, context(contextExtensions(before_.policy, senderKey)))],
      ["group/policy", await rawProposal(third, removal(3), { authenticatedData: randomBytes(1) })],
      ["group/policy", await rawProposal(third, removal(3), { sender: { senderType: "new_member_proposal" } })],
      ["group/policy", before_.proposeRemoval(3, signAsHouse).proposal],
      ["group/policy", (await world.clients[3]!.commit({ now })).commit],
      ["group/invalid", (await world.clients[3]!.send(Buffer.from("bye"))).privateMessage],
      ["group/invalid", await rawProposal(third, removal(3), { signKey: state(2).signaturePrivateKey })],
      ["group/invalid", Buffer.concat([leave, Buffer.of(0)])],
      ["group/invalid", leave.subarray(0, -1)],
      ["group/invalid", new Uint8Array(0)],
      ["group/epoch", (await (await world.clients[3]!.commit({ now })).next.leave()).proposal],
    ];
    for (const [code, proposal] of others) refused(code, () => leaving(Uint8Array.from(proposal)));
    const elsewhere = await World.create();
    await elsewhere.commit(elsewhere.clients[0]!, 4);
    const { proposal } = await elsewhere.clients[3]!.leave();
    refused("group/invalid", () => leaving(proposal));
  });

  it("the house proposes each member once, and members know its key", () => {
    const { groupContext } = state(0);
    const { next, proposal } = server.proposeRemoval(2, signAsHouse);
    assert.deepEqual(
      next.pending.map(({ leaf }) => leaf),
      [3, 2],
    );
    refused("group/policy", () => next.proposeRemoval(2, signAsHouse));
    refused("group/policy", () => next.proposeRemoval(3, signAsHouse));
    refused("group/invalid", () => next.proposeRemoval(9, signAsHouse));
    const keyOf = (leaf: number) => server.leaf(leaf)?.signaturePublicKey;
    const check = (message: Uint8Array) => checkRemoval(readPublicMessage(message), groupContext, keyOf);
    assert.deepEqual(check(proposal), { leaf: 2, byServer: true });
    flipsRefused(proposal, check, () => false);
    refused("group/invalid", () => check(makeRemoval(groupContext, 2, (out) => out.fill(1))));
    refused("group/invalid", () => check(makeRemoval(groupContext, 9, signAsHouse)));
  });

  it("a sender that is not the first of external_senders", async () => {
    const { groupContext } = state(0);
    const sender: Sender = { senderType: "external", senderIndex: 1 };
    const message = await rawProposal(state(0), removal(2), { sender });
    const keyOf = (leaf: number) => server.leaf(leaf)?.signaturePublicKey;
    refused("group/policy", () => checkRemoval(readPublicMessage(message), groupContext, keyOf));
  });

  it("every commit takes in all of them by reference, and nothing else", async () => {
    const first = await world.clients[0]!.takeProposal(leave);
    const made = await first.commit({ now });
    server.validateCommit({ ...made, now }); // control
    refused("group/proposals", () => world.server.validateCommit({ ...made, now }));
    const without = await world.clients[0]!.commit({ now });
    refused("group/proposals", () => server.validateCommit({ ...without, now }));
    const base = await rawCommit(state(0), { forcePath: true });
    const resignedWith = async (...list: ProposalOrRef[]): Promise<RawCommit> => ({
      ...base,
      commit: await resigned(state(0), base, proposing(...list)),
    });
    const take = (commit: RawCommit) => server.validateCommit({ ...commit, recovery: emptyRecovery(1, 2, 4), now });
    const reference = byReference(leave);
    const unknown: ProposalOrRef = { proposalOrRefType: "reference", reference: randomBytes(32) };
    const lists: [FaultCode, ProposalOrRef[]][] = [
      ["group/proposals", [unknown]],
      ["group/proposals", [reference, unknown]],
      ["group/invalid", [reference, reference]],
      ["group/proposals", [byValue(removal(3))]],
      ["group/policy", [reference, byValue(removal(3))]],
      // what the references say is checked on: the path is not one of that tree
      ["group/invalid", [reference]],
    ];
    for (const [code, list] of lists) {
      const commit = await resignedWith(...list);
      refused(code, () => take(commit));
    }
  });

  it("a commit by one who is to go, and references of an epoch that is over", async () => {
    const base = await rawCommit(state(3), { forcePath: true });
    world.server.validateCommit({ ...base, now }); // control: before it asked to leave
    const commit = await resigned(state(3), base, proposing(byReference(leave)));
    refused("group/policy", () => server.validateCommit({ ...base, commit, now }));
    refused("group/proposals", () => server.validateCommit({ ...base, now }));
    const later = await World.create();
    await later.commit(later.clients[0]!, 2);
    const { proposal } = await later.clients[2]!.leave();
    await later.commit(later.clients[0]!);
    const renewed = rawState(later.clients[0]!);
    const made = await rawCommit(renewed, { forcePath: true });
    const old = await resigned(renewed, made, proposing(byReference(proposal)));
    refused("group/proposals", () => later.server.validateCommit({ ...made, commit: old, now }));
    later.server.validateCommit({ ...made, now }); // control
  });

  it("an admin's role must go with its leaf", async () => {
    const { proposal } = await world.clients[0]!.leave();
    const without = world.server.validateLeave(proposal, 0).next;
    const second = await world.clients[1]!.takeProposal(proposal);
    const made = await second.commit({ now });
    const { next } = without.validateCommit({ ...made, now }); // control
    assert.deepEqual(Buffer.from(next.policy.admins[0]!), Buffer.from(next.leaf(1)!.pseudonym));
    const base = { ...raw(made), commit: made.commit, welcome: undefined, next: state(1) };
    const commit = await resigned(state(1), base, proposing(byReference(proposal)));
    refused("group/policy", () => without.validateCommit({ ...made, commit, now }));
  });
});
