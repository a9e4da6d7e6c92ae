// The demo's house: `tacet init` and `tacet start` as an operator would give them, in a process of its own.
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { hardened } from "../../hardening/launch.ts";

export interface HouseProcess {
  readonly onion: string;
  readonly pid: number;
  readonly invitations: readonly string[];
  /** Where its database lies. */
  readonly databaseDir: string;
  readonly alive: () => boolean;
  /** SIGTERM; resolves to the tokens it has redeemed. */
  readonly stop: () => Promise<number>;
}

const executable = fileURLToPath(new URL("../tacet.mjs", import.meta.url));

const command = (args: readonly string[]): ChildProcess =>
  spawn(...hardened([executable, ...args, "--json"]), { stdio: ["ignore", "pipe", "pipe"] });

/** The JSON lines a command prints, in order; throws with its last words when it ends before the next one. */
function answers(child: ChildProcess): () => Promise<Record<string, unknown>> {
  let said = "";
  child.stderr?.on("data", (part: Buffer) => (said = (said + part.toString()).slice(-2000)));
  if (child.stdout === null) throw new Error("no output");
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return async () => {
    const next = await lines.next();
    if (next.done === true) throw new Error(`the house ended: ${said.trim()}`);
    const object = JSON.parse(next.value) as Record<string, unknown>;
    if (object["ok"] !== true) throw new Error(`the house said: ${String(object["say"])}`);
    return object;
  };
}

/** Makes a house under `dir` and starts it on the tor behind `controlSocket`. */
export async function startHouse(options: {
  readonly dir: string;
  readonly controlSocket: string;
  readonly cookieFile: string;
  readonly invitations: number;
}): Promise<HouseProcess> {
  const { dir, controlSocket, cookieFile, invitations } = options;
  const [initial, dataDir] = [join(dir, "init.toml"), join(dir, "data")];
  const init = command(["init", "--config", initial, "--data-dir", dataDir, "--invitations", String(invitations)]);
  const made = await answers(init)();

  // JSON strings are TOML strings.
  const text = (value: string): string => JSON.stringify(value);
  const config = join(dir, "tacet.toml");
  await writeFile(
    config,
    [
      `data_dir = ${text(dataDir)}`,
      `socket = ${text(join(dir, "house.sock"))}`,
      `[key]\nsource = "file"\npath = ${text(join(dir, "tacet.key"))}`,
      `[tor]\nmode = "control"\ncontrol_socket = ${text(controlSocket)}\ncookie_file = ${text(cookieFile)}`,
    ].join("\n"),
    { mode: 0o600 },
  );
  const child = command(["start", "--config", config]);
  const next = answers(child);
  const alive = (): boolean => child.exitCode === null && child.signalCode === null;
  const exited = once(child, "exit");
  const end = async (): Promise<void> => {
    if (!alive()) return;
    child.kill("SIGTERM");
    const timer = setTimeout(() => child.kill("SIGKILL"), 20_000);
    await exited;
    clearTimeout(timer);
  };
  try {
    await next();
  } catch (error) {
    await end();
    throw error;
  }
  return {
    onion: String(made["onion"]),
    pid: child.pid ?? 0,
    invitations: made["invitations"] as string[],
    databaseDir: join(dataDir, "state"),
    alive,
    async stop() {
      if (!alive()) throw new Error("the house ended by itself");
      child.kill("SIGTERM");
      const totals = await next();
      await end();
      return Number(totals["redeemed"]);
    },
  };
}
