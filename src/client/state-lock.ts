// One process at a time on a client's state: two would send under one MLS key or spend one token twice.
import { mkdirSync, openSync, readFileSync, rmSync, writeSync, closeSync } from "node:fs";
import { join } from "node:path";
import { ClientError } from "./errors.ts";

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
};

const held = new Set<string>();

/** Takes the directory, made with mode 0700 where it is missing; the returned function gives it back. */
export function lockDirectory(directory: string): () => void {
  const path = join(directory, "lock");
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  for (let attempt = 0; ; attempt++) {
    try {
      const file = openSync(path, "wx", 0o600);
      writeSync(file, String(process.pid));
      closeSync(file);
      break;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
      // A lock whose process is gone was left by a crash. Our own pid in a lock we do not hold is such a process's too.
      const pid = Number(readFileSync(path, "utf8"));
      if (attempt > 0 || held.has(path) || (pid !== process.pid && isAlive(pid))) {
        throw new ClientError("state/in-use");
      }
      rmSync(path);
    }
  }
  held.add(path);
  return () => {
    if (held.delete(path)) rmSync(path, { force: true });
  };
}
