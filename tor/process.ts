// Starts one tor process, knows when it ended, reaches its control socket and ends it again.
import { spawn } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { Fault } from "../src/fault.ts";
import { ControlClient } from "./control.ts";

/** How long `stop` waits after SIGTERM before SIGKILL, in milliseconds. */
const patience = 700;

/** A running tor. It was started by this process and by nothing else, so ending it by id is safe. */
export interface TorProcess {
  readonly pid: number;
  /** Settles when the process has ended and was reaped: from then on its id is free. */
  readonly exited: Promise<void>;
  readonly running: () => boolean;
  readonly signal: (name: NodeJS.Signals) => void;
  /** SIGTERM, then SIGKILL after 700 ms; resolves when the process is gone. */
  readonly stop: () => Promise<void>;
}

/**
 * Runs tor on exactly one torrc (the system's defaults are not read), silent except for what that torrc logs.
 * Fault tor/missing when there is no such program.
 */
export const spawnTor = (torBin: string, torrcFile: string): Promise<TorProcess> =>
  new Promise((resolve, reject) => {
    const child = spawn(torBin, ["-f", torrcFile, "--defaults-torrc", "/dev/null", "--quiet"], { stdio: "ignore" });
    let running = true;
    const exited = new Promise<void>((done) => {
      child.once("exit", () => {
        running = false;
        done();
      });
    });
    const signal = (name: NodeJS.Signals): void => {
      if (running) child.kill(name);
    };
    const stop = async (): Promise<void> => {
      signal("SIGTERM");
      const timer = setTimeout(() => signal("SIGKILL"), patience);
      await exited;
      clearTimeout(timer);
    };
    child.once("error", () => reject(new Fault("tor/missing")));
    child.once("spawn", () => {
      const { pid } = child;
      if (pid === undefined) reject(new Fault("tor/missing"));
      else resolve({ pid, exited, running: () => running, signal, stop });
    });
  });

/** Asks `ready` every 50 ms until it holds. Faults: tor/timeout, and tor/start when one of the tors has ended. */
export const until = async (
  ready: () => boolean | Promise<boolean>,
  tors: Iterable<TorProcess>,
  deadline: number,
): Promise<void> => {
  for (;;) {
    for (const tor of tors) if (!tor.running()) throw new Fault("tor/start");
    if (await ready()) return;
    if (performance.now() > deadline) throw new Fault("tor/timeout");
    await sleep(50);
  }
};

/**
 * The control connection of a tor that was just started. The answering process must be that very tor: in a data
 * directory that another one holds, the socket and cookie found there belong to the other one.
 */
export const awaitControl = async (
  tor: TorProcess,
  files: { controlSocket: string; cookieFile: string },
  deadline: number,
): Promise<ControlClient> => {
  let control: ControlClient | undefined;
  await until(
    async () => {
      try {
        const candidate = await ControlClient.connect(files.controlSocket, { cookieFile: files.cookieFile });
        if ((await candidate.getInfo("process/pid")) === String(tor.pid)) control = candidate;
        else candidate.close();
      } catch {
        // Not listening yet, or a cookie of an earlier run that tor is about to replace.
      }
      return control !== undefined;
    },
    [tor],
    deadline,
  );
  if (!control) throw new Fault("tor/timeout");
  return control;
};
