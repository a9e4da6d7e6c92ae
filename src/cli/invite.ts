// `tacet invite`: draws invitations while the house is stopped.
import { readChecked } from "./checked.ts";
import type { Houses } from "./houses.ts";
import { invitationsOf } from "./init.ts";
import { tell, type Terminal } from "./terminal.ts";

/** Prints `count` invitations, one a line. Fault `store/locked` while the house runs. */
export async function invite(
  options: { readonly config: string; readonly count: number },
  houses: Houses,
  terminal: Terminal,
  clock: () => number,
): Promise<void> {
  const invitations = await invitationsOf(options.count, houses, readChecked(options.config), terminal, clock);
  tell(terminal, { invitations }, invitations);
}
