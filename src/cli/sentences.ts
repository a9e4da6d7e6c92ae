// What a fault means to an operator: one line, lower case, with what to do next.
import { torSentence } from "../../tor/sentences.ts";
import type { FaultCode } from "../fault.ts";

interface Sentence {
  readonly line: string;
  readonly exit: number;
}

const FAILED = 1;
const MISSING = 3;
const BUSY = 4;

const sentences: Partial<Record<FaultCode, Sentence>> = {
  "store/locked": { line: "the house is running or another command holds it: stop it and try again", exit: BUSY },
  "store/missing": { line: "there is no house here: make one with `tacet init`", exit: MISSING },
  "store/exists": {
    line: "there is a house here already: choose another --data-dir, nothing was changed",
    exit: FAILED,
  },
  "store/wrong-key": {
    line: "the master key is not this house's: check [key] in the configuration, nothing was changed",
    exit: MISSING,
  },
  "store/key-file": {
    line: "the file named in [key] is missing or no key: put the one back that `tacet init` made, nothing was changed",
    exit: MISSING,
  },
  "store/key-permissions": { line: "others may read the master key's file: type chmod 600 on it", exit: FAILED },
  "store/key-passphrase": { line: "the passphrase is not this key's: check [key], nothing was changed", exit: MISSING },
  "store/corrupt": {
    line: "the store is damaged: put the newest backup in its place, then type tacet restore --accept-rollback",
    exit: FAILED,
  },
  "store/rolled-back": {
    line: "the state is older than what this house had last, nothing was changed: find the newer state, or type tacet restore --accept-rollback",
    exit: FAILED,
  },
  "store/not-rolled-back": {
    line: "the state is the newest there was: nothing was changed, nothing is to accept",
    exit: FAILED,
  },
  "store/erased": {
    line: "the erasable keys do not open this state, they are missing or the state is older than a deletion: put a backup with its own file erasable in its place",
    exit: FAILED,
  },
  "store/write": { line: "the disk does not take writes: free space or check it, then start again", exit: FAILED },
  "server/full": { line: "the disk is below the reserve: free space or lower store.reserve_mb", exit: FAILED },
  "store/closed": { line: "the house was being stopped: start it again", exit: FAILED },
  "http/socket-path": {
    line: "the socket cannot be made: check that its folder is there, yours, and holds no other file of that name",
    exit: FAILED,
  },
  "http/socket-in-use": { line: "somebody listens on the socket: stop the other house or change `socket`", exit: BUSY },
  "memory/exhausted": { line: "no locked memory left: raise the limit of locked memory (ulimit -l)", exit: FAILED },
};

/** The line and the exit code for any fault. */
export function sayFault(code: FaultCode): Sentence {
  const own = sentences[code];
  if (own !== undefined) return own;
  const tor = torSentence(code);
  if (tor === undefined) return { line: `failed with ${code}: try again, and report it if it stays`, exit: FAILED };
  const line = `${tor.charAt(0).toLowerCase()}${tor.slice(1)}`.replace(/\.$/, "");
  return { line, exit: code === "tor/missing" || code === "tor/too-old" ? MISSING : FAILED };
}
