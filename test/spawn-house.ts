// Starts test/house-process.ts on fresh or kept files, and stops or kills it.
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { hardened } from "../src/hardening/launch.ts";
import { createIdentity } from "../src/house/identity.ts";
import { ArenaPool } from "../src/memory/arena.ts";
import { createKeyFile, loadKeyFile } from "../src/store/master-key.ts";
import { createStore, openStore } from "../src/store/store.ts";
import { socketTransport } from "../tor/socket-transport.ts";

export interface SpawnedHouse {
  readonly onion: string;
  readonly pid: number;
  readonly dataDir: string;
  readonly socketPath: string;
  transport(): ReturnType<typeof socketTransport>;
  /** Invitations that this start has printed. */
  invite(): string[];
  now(): number;
  /** kill -9, then nothing more. */
  kill(): Promise<void>;
  /** SIGTERM. */
  term(): Promise<void>;
  /** Starts again on the same files; after `kill` or `term`. */
  start(): Promise<void>;
  /** Ends it and removes its files. */
  remove(): Promise<void>;
}

const entry = fileURLToPath(new URL("./house-process.ts", import.meta.url));

export interface SpawnOptions {
  readonly nodeFlags?: readonly string[];
  /** Without what `tacet start` does for its process: to see what that buys. */
  readonly bare?: boolean;
  /** The program, in place of house-process.ts. */
  readonly program?: string;
}

/** The house runs in an environment as `tacet start` makes it. */
export async function spawnHouse({
  nodeFlags = [],
  bare = false,
  program = entry,
}: SpawnOptions = {}): Promise<SpawnedHouse> {
  const dir = await mkdtemp(join(tmpdir(), "tacet-proc-"));
  const [dataDir, keyFile, socketPath] = [join(dir, "data"), join(dir, "master.key"), join(dir, "house.sock")];
  await createKeyFile(keyFile);
  const masterKey = await loadKeyFile(keyFile);
  await createStore({ dir: dataDir, masterKey });
  const store = await openStore({ dir: dataDir, masterKey, reserveBytes: 0 });
  await createIdentity(store, new ArenaPool([[16384, 4]]), Date.now() / 1000, async () => undefined);
  await store.close();
  masterKey.destroy();

  let child: ChildProcess;
  let onion = "";
  let invitations: string[] = [];
  const start = async (): Promise<void> => {
    const args = [...nodeFlags, "--import", "tsx", program, dataDir, keyFile, socketPath];
    const [command, words] = bare ? [process.execPath, args] : hardened(args);
    child = spawn(command, words, { stdio: ["ignore", "pipe", "inherit"] });
    let printed = "";
    await new Promise<void>((resolve, reject) => {
      child.once("exit", (code) => reject(new Error(`house ended with ${code}`)));
      child.stdout?.on("data", (part: Buffer) => {
        printed += part.toString();
        if (printed.includes("\n")) resolve();
      });
    });
    [, onion = "", ...invitations] = printed.trim().split(" ");
  };
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, "exit");
    child.kill(signal);
    await exited;
  };
  await start();
  return {
    get onion() {
      return onion;
    },
    get pid() {
      return child.pid ?? 0;
    },
    dataDir,
    socketPath,
    transport: () => socketTransport(socketPath, onion),
    invite: () => invitations.splice(0, 1),
    now: () => Math.floor(Date.now() / 1000),
    kill: () => end("SIGKILL"),
    term: () => end("SIGTERM"),
    start,
    async remove() {
      await end("SIGKILL");
      await rm(dir, { recursive: true, force: true });
    },
  };
}
