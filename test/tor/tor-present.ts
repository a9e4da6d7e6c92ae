// Whether this machine has the programs a real network needs; a suite without them skips.
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { requireTor } from "../../tor/launch.ts";

export const torPresent = async (): Promise<boolean> => {
  try {
    await requireTor();
    await promisify(execFile)("tor-gencert", ["--version"]).catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") throw error;
    });
    return true;
  } catch {
    return false;
  }
};
