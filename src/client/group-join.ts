// Entering a group by a Welcome, in two steps: it is kept as it came, then the tree of its epoch is fetched with the key
// that it holds. What the queue brings behind it waits for that.
import { sign } from "../crypto/sign.ts";
import { Fault } from "../fault.ts";
import { joinFromWelcome, welcomeGroupKey, type ClientGroup } from "../mls/client.ts";
import { makeIntroduction, readIntroduction } from "./credentials.ts";
import { ClientError } from "./errors.ts";
import { grown } from "./group-info.ts";
import { emptyGroup, groupEntries, healths, type GroupState, type Joining } from "./group-record.ts";
import { keep, question } from "./group-request.ts";
import type { HeldGroup } from "./groups.ts";
import { allOrNothing, NOTHING, type Effect, type Parts } from "./parts.ts";

/** Private keys of a KeyPackage: the signature key behind two others, its public half behind its seed. */
const SIGNATURE_KEY = 64;
const LEAF_KEY = 96;

/**
 * The effect of a Welcome. To a group in which this client keeps step it says nothing; where it was lost, removed, or a
 * later epoch begins anew for it, it takes the place of what was.
 */
export async function invited(parts: Parts, welcome: Buffer): Promise<Effect> {
  const { groups, keyPackages } = parts;
  const own = keyPackages.of(welcome);
  if (own === undefined) return NOTHING;
  const { keyPackage, privateKeys } = own;
  const { groupId: id, epoch, groupKey } = await welcomeGroupKey(welcome, keyPackage, privateKeys);
  const groupId = Buffer.from(id);
  if (groupId.length !== 16) throw new Fault("group/invalid");
  const known = groups.find(groupId);
  const { mls, care } = known?.state ?? emptyGroup(groupId);
  if (mls !== undefined && care.health < healths.diverged && epoch <= mls.epoch) return NOTHING;
  keyPackages.use(own);
  const joining = { welcome, keyPackage, privateKeys, epoch, groupKey, tree: Buffer.alloc(0) };
  const state = { ...(known?.state ?? emptyGroup(groupId)), joining };
  return {
    entries: [...groupEntries(state, known?.state), groups.entryWith(groupId)],
    apply: () => void (known === undefined ? groups.add(state) : (known.state = state)),
  };
}

/**
 * Fetches what the Welcomes at hand still need, and enters their groups. What leads nowhere is dropped; without tokens it
 * waits. Throws when the server is out of reach.
 */
export async function enterGroups(parts: Parts): Promise<void> {
  for (const held of parts.groups.all) {
    const { joining } = held.state;
    if (joining === undefined) continue;
    try {
      await enter(parts, held, joining);
    } catch (error) {
      if (error instanceof ClientError && error.code === "client/no-tokens") continue;
      const nowhere =
        (error instanceof Fault && /^(?:group|wire|auth)\//.test(error.code)) ||
        (error instanceof ClientError && error.code === "server/answer");
      if (!nowhere) throw error;
      await keep(parts, held, { ...held.state, joining: undefined });
    }
  }
}

async function enter(parts: Parts, held: HeldGroup, first: Joining): Promise<void> {
  const { directory } = parts.session;
  const { welcome, keyPackage, privateKeys, groupKey } = first;
  const { groupId } = held.state;
  const leafKey = privateKeys.subarray(LEAF_KEY);
  const signer = (out: Uint8Array, ...signed: Uint8Array[]): void =>
    void sign(out, "request", privateKeys.subarray(SIGNATURE_KEY), ...signed);
  for (let joining = first; ;) {
    const { tree: soFar } = joining;
    const request = { groupId, groupKey, leafKey, offset: soFar.length };
    const { tree, total } = await question(
      parts,
      held,
      "ds.welcomeInfo",
      request,
      (reply) => ({ tree: grown(soFar, reply), total: reply.total }),
      signer,
    );
    if (tree.length === total) {
      const { deliveryKey } = await directory.current();
      return entered(parts, held, await joinFromWelcome(welcome, keyPackage, privateKeys, tree, deliveryKey));
    }
    joining = { ...joining, tree };
    await keep(parts, held, { ...held.state, joining });
  }
}

const entered = (parts: Parts, held: HeldGroup, mls: ClientGroup): Promise<void> =>
  allOrNothing(parts, async () => {
    const { events } = parts;
    events.add("joinedGroup", { groupId: held.state.groupId });
    // What was to be said is said by who is a member anew.
    await keep(parts, held, { ...joined(parts, mls), outgoing: held.state.outgoing }, events.entry());
  });

/** The state of a group that this client has just entered, with its own introduction. */
export function joined({ account }: Parts, mls: ClientGroup, pending?: GroupState["pending"]): GroupState {
  const own = mls.members().find((member) => member.leafIndex === mls.ownLeaf)!;
  const leaf = { pseudonym: own.pseudonym, leafKey: own.signaturePublicKey };
  const document = makeIntroduction(account.identity, account.sign, leaf, account.introducedList);
  const introductions = [readIntroduction(document)];
  return { ...emptyGroup(Buffer.from(mls.groupId)), mls, introductions, pending };
}
