// The unix socket's file: only such a path, never a live one removed.
import { lstatSync, renameSync, linkSync, unlinkSync } from "node:fs";
import { connect } from "node:net";
import { dirname, isAbsolute, join } from "node:path";
import { Fault } from "../fault.ts";

/** sun_path of unix(7) takes 108 bytes with its final zero. */
export const SOCKET_PATH_MAX = 107;

/** Refuses whatever is not the absolute path of a unix socket: Fault `http/socket-path`. */
export function checkSocketPath(path: unknown): asserts path is string {
  const fits = typeof path === "string" && isAbsolute(path) && !path.includes("\0") && !path.endsWith("/");
  if (!fits || Buffer.byteLength(path) > SOCKET_PATH_MAX) throw new Fault("http/socket-path");
}

/** True when nobody accepts on the socket any more. Anything but a clear refusal counts as alive. */
const isDead = (path: string): Promise<boolean> =>
  new Promise((resolve) => {
    const probe = connect({ path });
    const settle = (dead: boolean): void => {
      probe.destroy();
      resolve(dead);
    };
    probe.once("connect", () => settle(false));
    probe.once("error", (error: NodeJS.ErrnoException) => settle(error.code === "ECONNREFUSED"));
    probe.setTimeout(2_000, () => settle(false));
  });

/**
 * Clears the path for listening. A socket that nobody listens on is removed; it is first moved aside and tried again
 * there, so that one which came alive in between is put back. Faults `http/socket-in-use`, `http/socket-path`.
 */
export async function removeStaleSocket(path: string): Promise<void> {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return;
  if (!found.isSocket()) throw new Fault("http/socket-path");
  if (!(await isDead(path))) throw new Fault("http/socket-in-use");
  const aside = join(dirname(path), `.${process.pid}`);
  checkSocketPath(aside);
  renameSync(path, aside);
  if (await isDead(aside)) {
    unlinkSync(aside);
    return;
  }
  linkSync(aside, path);
  unlinkSync(aside);
  throw new Fault("http/socket-in-use");
}
