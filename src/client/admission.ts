// What a registration is paid with: an invitation, or proof of work where the server's directory asks for it.
import { randomBytes } from "../crypto/random.ts";
import { lockedAlloc, wipe } from "../memory/locked.ts";
import { REQUEST_ID_LENGTH, TOKEN_SLOT_LENGTH } from "../wire/frame.ts";
import { decodeInvitation } from "../../tokens/invitation.ts";
import { TOKEN_LENGTH } from "../../tokens/token.ts";
import { solve, WORK_TYPE } from "../../tokens/work.ts";
import { ClientError } from "./errors.ts";
import type { Session } from "./session.ts";

/** Registering by work, which takes from seconds to minutes of one core. */
export interface WorkAdmission {
  readonly work: true;
  /** Told after each try how many there were, and how many are to be expected; it may well take more. */
  readonly onProgress?: (tries: number, expected: number) => void;
  /** Ends the search: `register` then rejects with the signal's reason, and can be called again. */
  readonly signal?: AbortSignal;
}

/** An invitation (`tacet-invite:...`), or work. */
export type Admission = string | WorkAdmission;

/** The slot (354 bytes, locked) that pays for the request `requestId`. */
export interface Ticket {
  readonly slot: Buffer;
  readonly requestId: Uint8Array;
}

/** In `directory.registration`, from here on: who has done the work may register. */
const BY_WORK = 2;

export const isWork = (slot: Uint8Array): boolean => slot[0] === WORK_TYPE >> 8 && slot[1] === (WORK_TYPE & 0xff);

/** Fault `token/invalid` (no invitation); ClientError `server/identity` when it is another server's. */
export function invitationTicket(text: string, { onion }: Session): Ticket {
  const slot = lockedAlloc(TOKEN_SLOT_LENGTH);
  try {
    if (decodeInvitation(slot.subarray(0, TOKEN_LENGTH), text) !== onion) throw new ClientError("server/identity");
    return { slot, requestId: randomBytes(REQUEST_ID_LENGTH) };
  } catch (error) {
    wipe(slot);
    throw error;
  }
}

/** Does the work that the directory of now asks for. ClientError `client/needs-invitation` where it asks for none. */
export async function workTicket({ directory }: Session, { onProgress, signal }: WorkAdmission): Promise<Ticket> {
  const { registration, effort, workSeed } = await directory.refresh();
  if (registration !== BY_WORK) throw new ClientError("client/needs-invitation");
  const [slot, requestId] = [lockedAlloc(TOKEN_SLOT_LENGTH), randomBytes(REQUEST_ID_LENGTH)];
  const told = onProgress && ((tries: number) => onProgress(tries, 2 ** effort));
  try {
    await solve(slot, workSeed, requestId, effort, { ...(told && { onProgress: told }), ...(signal && { signal }) });
    return { slot, requestId };
  } catch (error) {
    wipe(slot);
    throw error;
  }
}
