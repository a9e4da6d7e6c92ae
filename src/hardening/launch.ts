// The command line that starts a script of ours hardened.
import { fileURLToPath } from "node:url";

const script = fileURLToPath(new URL("./harden.sh", import.meta.url));

/** What to spawn instead of this Node with `args`; the process is then that Node, with the same pid. */
export const hardened = (args: readonly string[]): [command: string, args: string[]] => [
  "/bin/sh",
  [script, process.execPath, ...args],
];
