// What tests of refusals share: the check itself, and the pieces of proposals.
import assert from "node:assert/strict";
import { type Commit, type Extension, type Proposal } from "ts-mls";
import type { ProposalOrRef } from "ts-mls/proposalOrRefType.js";
import { Fault, type FaultCode } from "../../src/fault.ts";
import type { PendingCommit } from "../../src/mls/client-results.ts";
import { readPublicMessage } from "../../src/mls/messages.ts";
import { proposalRef } from "../../src/mls/signed.ts";
import { type RawCommit } from "./raw.ts";

export const refused = (code: FaultCode, work: () => unknown): void =>
  assert.throws(work, (error: unknown) => {
    assert.ok(error instanceof Fault, String(error));
    assert.equal(error.code, code);
    return true;
  });
/** Every flip of one bit is a Fault, but for those at the places that `but` names. */
export const flipsRefused = (
  bytes: Uint8Array,
  take: (flipped: Uint8Array) => unknown,
  but: (i: number) => boolean,
): void => {
  take(bytes); // control
  for (let i = 0; i < bytes.length; i++) {
    const flipped = Uint8Array.from(bytes);
    flipped[i]! ^= 1 << (i % 8);
    if (but(i)) take(flipped);
    else
      assert.throws(
        () => take(flipped),
        (error) => error instanceof Fault,
        `byte ${i}`,
      );
  }
};
export const removal = (removed: number): Proposal => ({ proposalType: "remove", remove: { removed } });
export const byValue = (proposal: Proposal): ProposalOrRef => ({ proposalOrRefType: "proposal", proposal });
export const byReference = (message: Uint8Array): ProposalOrRef => ({
  proposalOrRefType: "reference",
  reference: proposalRef(new Uint8Array(32), readPublicMessage(message)),
});
export const proposing =
  (...proposals: ProposalOrRef[]) =>
  (commit: Commit): Commit => ({ ...commit, proposals });
export const context = (extensions: Extension[]): Proposal => ({
  proposalType: "group_context_extensions",
  groupContextExtensions: { extensions },
});
export const raw = (made: PendingCommit): Pick<RawCommit, "message" | "groupInfo"> => ({
  message: readPublicMessage(made.commit),
  groupInfo: made.groupInfo,
});
