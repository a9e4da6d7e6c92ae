// Taking a user name: a request that is saved whole before it is sent, so that it can be repeated until it is answered.
import { randomFill } from "../crypto/random.ts";
import { SIGNATURE_LENGTH } from "../crypto/sign.ts";
import { Fault } from "../fault.ts";
import { equal, lockedAlloc, wipe } from "../memory/locked.ts";
import { isUserName } from "../wire/documents.ts";
import { TOKEN_SLOT_LENGTH } from "../wire/frame.ts";
import { blankAccount, type Account } from "./account.ts";
import { invitationTicket, isWork, workTicket, type Admission, type Ticket } from "./admission.ts";
import { ACCOUNT } from "./circuits.ts";
import { makeClientList, userIdOf } from "./client-list.ts";
import { verifyCredential } from "./credentials.ts";
import { ClientError } from "./errors.ts";
import { publish, withFresh } from "./mailbox.ts";
import { recoveryKeyOf } from "./recovery.ts";
import type { Session } from "./session.ts";

const secret = (): Buffer => randomFill(lockedAlloc(32));

/** The client key's signature that the key is to be a client of the name's account. */
export function proofOf(
  { domain }: Session,
  account: Pick<Account, "sign">,
  name: Uint8Array,
  clientKey: Uint8Array,
): Buffer {
  const proof = Buffer.alloc(SIGNATURE_LENGTH);
  account.sign(proof, "credentialRequest", domain, name, clientKey);
  return proof;
}

/** Takes a user name for an invitation or for work, then publishes connection packages. Fault `account/*`, `token/*`. */
export async function register(session: Session, account: Account, admission: Admission, name: string): Promise<void> {
  if (account.registered) throw new ClientError("client/registered");
  const nameBytes = Buffer.from(name);
  if (!isUserName(nameBytes)) throw new Fault("account/name");
  if (typeof admission === "string") {
    const ticket = invitationTicket(admission, session);
    if (isDrafted(account, nameBytes, ticket.slot)) wipe(ticket.slot);
    else await begin(account, nameBytes, ticket);
    await send(session, account, name);
  } else {
    if (!isDrafted(account, nameBytes)) await begin(account, nameBytes, await workTicket(session, admission));
    try {
      await send(session, account, name);
    } catch (error) {
      // The day has changed since the work was done, or more is asked for by now.
      if (!(error instanceof Fault && error.code === "token/work")) throw error;
      await begin(account, nameBytes, await workTicket(session, admission));
      await send(session, account, name);
    }
  }
  await publishPackages(session, account);
}

/** True when this registration was begun before: with the invitation in `slot`, or by work. */
function isDrafted({ draft }: Account, name: Uint8Array, slot?: Uint8Array): boolean {
  if (draft === undefined || !equal(draft.name, name) || draft.recovery.length === 0) return false;
  return slot === undefined ? isWork(draft.invitation) : equal(draft.invitation, slot);
}

const begin = (account: Account, name: Uint8Array, { slot, requestId }: Ticket): Promise<void> =>
  account.begin({
    ...blankAccount({ name, seed: secret(), shared: secret(), profileKey: secret() }),
    recovery: secret(),
    invitation: slot,
    requestId,
  });

async function send(session: Session, account: Account, name: string): Promise<void> {
  const { call, domain, directory, clock } = session;
  const { name: nameBytes, recovery, invitation: token, requestId } = account.record;
  const { clientKey } = account;
  const { publicKey: recoveryKey, destroy } = recoveryKeyOf(recovery);
  destroy();
  const userId = userIdOf(domain, clientKey, recoveryKey);
  const first = {
    domain,
    userId,
    number: 1,
    previous: undefined,
    recoveryKey,
    clients: [clientKey],
    signer: clientKey,
  };
  const clientList = makeClientList(first, account.sign);
  const request = {
    name: nameBytes,
    clientKey,
    recoveryKey,
    proof: proofOf(session, account, nameBytes, clientKey),
    clientList,
  };
  const identity = await call(
    { operation: "as.register", circuit: ACCOUNT, request, token, requestId },
    async (reply) => verifyCredential(reply.credential, await directory.current(), clock(), name),
  );
  if (!equal(identity.clientKey, clientKey) || !equal(identity.userId, userId))
    throw new ClientError("contact/unverified");
  await account.change({ invitation: Buffer.alloc(TOKEN_SLOT_LENGTH), credential: identity.document, clientList });
  wipe(token);
}

/** Makes and publishes a fresh set of connection packages, saved first. */
export async function publishPackages(session: Session, account: Account): Promise<void> {
  await account.change({ mailbox: withFresh(account.record.mailbox, session.clock()) });
  await publish(session, account.record.mailbox, account.receiver);
}
