// `tacet backup` and `tacet restore`: a copy of a stopped house, and the way back to one.
import { resolve } from "node:path";
import { readChecked } from "./checked.ts";
import type { Houses } from "./houses.ts";
import { patiently, tell, type Terminal } from "./terminal.ts";

export async function backUp(
  options: { readonly config: string; readonly folder: string },
  houses: Houses,
  terminal: Terminal,
): Promise<void> {
  const folder = resolve(options.folder);
  const config = readChecked(options.config);
  await patiently(terminal, "copying the house", houses.backUpHouse({ config, to: folder }));
  tell(terminal, { folder }, [
    `the state is in ${folder}: the master key and ${options.config} are not, keep them elsewhere`,
    `what is deleted from now on stays readable in it: to end that, delete ${folder}/erasable`,
  ]);
}

export async function restore(options: { readonly config: string }, houses: Houses, terminal: Terminal): Promise<void> {
  const config = readChecked(options.config);
  await patiently(terminal, "going through the state", houses.acceptRolledBack({ config }));
  tell(terminal, {}, [
    "the state is taken as it is: tokens, invitations and KeyPackages of before are void, messages that waited are gone",
    "next: draw new invitations with tacet invite, repeat revocations and renewals made since the backup, tacet start",
  ]);
}
