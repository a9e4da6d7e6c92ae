// What a member refuses of other members, whatever the server let through: the rules are the server's.
import assert from "node:assert/strict";
import { type ClientState, type Extension, type Proposal } from "ts-mls";
import { randomBytes } from "../../src/crypto/random.ts";
import type { FaultCode } from "../../src/fault.ts";
import type { ClientGroup } from "../../src/mls/client.ts";
import { withPending, readHeld } from "../../src/mls/client-state.ts";
import { readKeyPackage } from "../../src/mls/messages.ts";
import { contextExtensions, policyOf, type GroupPolicy } from "../../src/mls/policy.ts";
import { makeRemoval } from "../../src/mls/validation-proposal.ts";
import { rawCommit, rawState, resigned } from "./raw.ts";
import { newKeyPackage, now, senderKey, signAsHouse, World } from "./world.ts";

const removal = (removed: number): Proposal => ({ proposalType: "remove", remove: { removed } });
const context = (extensions: Extension[]): Proposal => ({
  proposalType: "group_context_extensions",
  groupContextExtensions: { extensions },
});
async function adding(): Promise<Proposal> {
  const { keyPackage } = await newKeyPackage();
  return { proposalType: "add", add: { keyPackage: readKeyPackage(keyPackage) } };
}

describe("commits that a client refuses", function () {
  this.timeout(20_000);
  let world: World;
  before(async () => {
    world = await World.create();
    await world.step(world.clients[0]!, { joiners: 4 });
    await world.step(world.clients[1]!);
  });
  // leaf 0 is the admin, leaf 1 a member without manners, leaf 2 the reader
  const admin = (): ClientState => rawState(world.clients[0]!);
  const member = (): ClientState => rawState(world.clients[1]!);
  const reader = (): ClientGroup => world.clients[2]!;
  const made = async (state: ClientState, ...extraProposals: Proposal[]): Promise<Uint8Array> =>
    (await rawCommit(state, { forcePath: true, extraProposals })).commit;
  const refused = (code: FaultCode, commit: Uint8Array, by: ClientGroup = reader()): Promise<void> =>
    assert.rejects(by.receive(commit), { code });
  const policyWith = (change: Partial<GroupPolicy>, house: Uint8Array = senderKey): Proposal =>
    context(contextExtensions({ ...policyOf(admin().groupContext), ...change }, house));

  it("by members in an admin's place", async () => {
    await reader().receive(await made(admin(), removal(3))); // controls
    await reader().receive(await made(admin(), await adding()));
    await reader().receive(await made(admin(), policyWith({ membersMayAdd: true })));
    await refused("group/policy", await made(member(), removal(3)));
    await refused("group/policy", await made(member(), await adding()));
    await refused("group/policy", await made(member(), policyWith({ membersMayAdd: true })));
    await refused("group/policy", await made(member(), policyWith({ admins: [randomBytes(16)] })));
  });

  it("that change what no admin may change in the context", async () => {
    const { extensions } = admin().groupContext;
    await refused("group/policy", await made(admin(), policyWith({ connection: true })));
    await refused("group/policy", await made(admin(), policyWith({ admins: [randomBytes(16)] })));
    await refused("group/policy", await made(admin(), policyWith({}, randomBytes(32))));
    await refused("group/policy", await made(admin(), context(extensions.slice(1))));
    const more = { extensionType: 0xf0a7, extensionData: randomBytes(3) };
    const lax = { ...admin(), clientConfig: { ...admin().clientConfig } };
    await refused("group/policy", await made(lax, context([...extensions, more])));
  });

  it("that leave an admin on the list who is gone", async () => {
    const state = admin();
    const others = world.clients[3]!.members().find(({ leafIndex }) => leafIndex === 3)!;
    const { pseudonym } = state.ratchetTree[0]!.nodeType === "leaf" ? world.clients[0]!.members()[0]! : others;
    const two = await world.clients[0]!.commit({ policy: { admins: [pseudonym, others.pseudonym] }, now });
    const got = await reader().receive(two.commit);
    const next = rawState(two.next);
    await refused("group/policy", await made(next, removal(3)), got.next);
    await got.next.receive(await made(next, removal(3), policyWith({ admins: [pseudonym] })));
  });

  it("that do not take in what is pending, or what is not", async () => {
    const { groupContext } = admin();
    const proposal = makeRemoval(groupContext, 3, signAsHouse);
    const knows = await reader().takeProposal(proposal);
    const committer = await world.clients[0]!.takeProposal(proposal);
    const { commit } = await committer.commit({ now });
    const got = await knows.receive(commit);
    assert.ok(got.kind === "commit");
    assert.deepEqual(got.removed, [3]);
    await refused("group/proposals", commit);
    await refused("group/proposals", await made(admin()), knows);
    // by value what is pending
    const both = await withPending(readHeld(committer.serialize()));
    await refused("group/invalid", await twice(both, removal(3)), knows);
    // by one who is to go
    const leaving = await withPending(readHeld((await world.clients[3]!.takeProposal(proposal)).serialize()));
    const own = await resignedReferences(leaving);
    await refused("group/policy", own, knows);
  });
  // the library refuses to make these, so the lists are changed afterwards
  const twice = async (state: ClientState, proposal: Proposal): Promise<Uint8Array> => {
    const honest = await rawCommit(state, { forcePath: true });
    return resigned(state, honest, (commit) => ({
      ...commit,
      proposals: [...commit.proposals, { proposalOrRefType: "proposal", proposal }, ...commit.proposals],
    }));
  };
  const resignedReferences = async (state: ClientState): Promise<Uint8Array> => {
    const references = Object.keys(state.unappliedProposals).map((ref) => ({
      proposalOrRefType: "reference" as const,
      reference: Uint8Array.from(Buffer.from(ref, "base64")),
    }));
    const honest = await rawCommit({ ...state, unappliedProposals: {} }, { forcePath: true });
    return resigned(state, honest, (commit) => ({ ...commit, proposals: references }));
  };

  it("with proposals that this house does not know, with data, without a path", async () => {
    const state = admin();
    const honest = await rawCommit(state, { forcePath: true });
    const others: Proposal[] = [
      { proposalType: 0xf333, proposalData: Uint8Array.of(1) },
      { proposalType: "external_init", externalInit: { kemOutput: randomBytes(32) } },
      {
        proposalType: "psk",
        psk: { preSharedKeyId: { psktype: "external", pskId: randomBytes(3), pskNonce: randomBytes(32) } },
      },
    ];
    for (const proposal of others) {
      const commit = await resigned(state, honest, (c) => ({
        ...c,
        proposals: [{ proposalOrRefType: "proposal", proposal }],
      }));
      await refused("group/policy", commit);
    }
    await refused("group/policy", await resigned(state, honest, (c) => ({ ...c, path: undefined })));
    await refused("group/policy", await resigned(state, honest, (c) => c, randomBytes(2)));
  });

  it("and an unknown reference asks for the proposals", async () => {
    const state = admin();
    const honest = await rawCommit(state, { forcePath: true });
    const unknown = { proposalOrRefType: "reference" as const, reference: randomBytes(32) };
    await refused("group/proposals", await resigned(state, honest, (c) => ({ ...c, proposals: [unknown] })));
  });
});
