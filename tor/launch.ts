// Runs the system's tor for the homeserver: finds it, checks its version, writes its torrc, starts and stops it.
import { execFile } from "node:child_process";
import { chmod, mkdir, writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import { promisify } from "node:util";
import { Fault } from "../src/fault.ts";
import { awaitControl, spawnTor } from "./process.ts";
import { systemTorrc, torFiles } from "./torrc.ts";

/** The first version with proof-of-work defences for onion services. */
const oldest = [0, 4, 8] as const;
const startTimeout = 30_000;

export interface SystemTor {
  readonly pid: number;
  readonly controlSocket: string;
  readonly cookieFile: string;
  /** Only there when `socks` was asked for. */
  readonly socksSocket: string | undefined;
  /** Settles when tor has ended, by `stop` or by itself. */
  readonly exited: Promise<void>;
  readonly stop: () => Promise<void>;
}

export interface LaunchOptions {
  readonly dataDir: string;
  /** A name looked up in PATH, or a path; "tor" if not given. */
  readonly torBin?: string;
  readonly socks?: boolean;
  readonly extra?: readonly string[];
}

/** True when `tor --version` printed at least 0.4.8. */
export const recentEnough = (printed: string): boolean => {
  const found = /^Tor version (\d+)\.(\d+)\.(\d+)/m.exec(printed)?.slice(1).map(Number);
  if (!found) return false;
  for (const [i, wanted] of oldest.entries()) {
    const have = found[i] ?? 0;
    if (have !== wanted) return have > wanted;
  }
  return true;
};

/** Faults: tor/missing when the program cannot be run, tor/too-old below 0.4.8. */
export const requireTor = async (torBin = "tor"): Promise<void> => {
  const printed = await promisify(execFile)(torBin, ["--version"], { timeout: 10_000 }).catch(() => {
    throw new Fault("tor/missing");
  });
  if (!recentEnough(printed.stdout)) throw new Fault("tor/too-old");
};

/**
 * Starts tor in `dataDir` (made with mode 0700 if it is not there) and resolves when its control socket answers; the
 * way into the network is not awaited (bootstrap.ts does that).
 * Faults: those of `requireTor`, tor/path, tor/start (tor ended at once: its log says why), tor/timeout.
 */
export const launchSystemTor = async (options: LaunchOptions): Promise<SystemTor> => {
  const { torBin = "tor", socks = false, extra = [] } = options;
  await requireTor(torBin);
  const dataDir = resolve(options.dataDir);
  const files = torFiles(dataDir);
  const torrc = systemTorrc({ dataDir, ownerPid: process.pid, socks, extra });
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  await chmod(dataDir, 0o700);
  await writeFile(files.torrc, torrc, { mode: 0o600 });
  const tor = await spawnTor(torBin, files.torrc);
  try {
    (await awaitControl(tor, files, performance.now() + startTimeout)).close();
  } catch (error) {
    await tor.stop();
    throw error;
  }
  const { controlSocket, cookieFile, socksSocket } = files;
  const { pid, exited, stop } = tor;
  return { pid, controlSocket, cookieFile, socksSocket: socks ? socksSocket : undefined, exited, stop };
};
