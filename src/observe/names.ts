// The closed list of what the house says about itself. A name and nothing else: no line carries data.

/** Every event, with the sentence that is printed for it. */
export const events = {
  start: "starting",
  ready: "ready: reachable through its onion service",
  stop: "stopped",
  "request-crashed": "a request ended in an internal error: its client was told so, nothing of it was kept",
  "scrub-failed": "a memory scrub did not finish and is repeated",
  "memory-swappable":
    "the system locks less memory than requests may fill, they could be swapped out: raise memlock, see ulimit -l",
  "freed-memory-kept": "freed memory is not overwritten: see tacet check",
  "late-binding": "libraries are bound late and may save registers: see tacet check",
  "no-collection": "nothing is collected when the house gets quiet: see tacet check",
  "core-dumps-on": "a crash may write memory to disk: see tacet check",
  "debugger-open": "a debugger is or can be opened: see tacet check",
  "options-added": "somebody added options for the runtime, which may write out memory: see tacet check",
  "prototypes-open": "the prototype of all objects can be reached by its name: see tacet check",
  "connections-full": "the limit of connections is reached: new ones are turned away",
  "listener-failed": "the listening socket failed",
  "store-reopened": "the store was closed and reopened after a write error",
  "store-failed": "the store stopped: writes are refused",
  "rollback-accepted": "the state was set back and taken as it is: tokens, key packages and ratchets of then are void",
  "upkeep-failed": "keys, expiry or erasure could not be brought up to date: tried again soon",
  "issuer-failed": "an external issuer's directory could not be had: its known keys stay, it is asked again in minutes",
  "tor-lost": "tor is gone: trying to reach it again",
  "tor-back": "tor is back: onion service published again",
} as const;

export type EventName = keyof typeof events;
