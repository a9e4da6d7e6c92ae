// `tacet init`: makes a new house, and nothing where anything is.
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { parseConfig } from "../config/config.ts";
import { exampleConfig } from "../config/example.ts";
import type { Houses } from "./houses.ts";
import { exits, patiently, Refusal, tell, type Terminal } from "./terminal.ts";

export interface InitOptions {
  /** The configuration file to be written. */
  readonly config: string;
  readonly dataDir: string;
  readonly invitations: number;
}

const isFree = (folder: string): boolean => !existsSync(folder) || readdirSync(folder).length === 0;

/** Writes the configuration (mode 0600), lets the house be made, prints its address, its root key's place, invitations. */
export async function init(
  options: InitOptions,
  houses: Houses,
  terminal: Terminal,
  clock: () => number,
): Promise<void> {
  const configPath = resolve(options.config);
  const dataDir = resolve(options.dataDir);
  const keyPath = join(dirname(configPath), "tacet.key");
  for (const path of [configPath, keyPath]) {
    if (existsSync(path)) throw new Refusal(`${path} is there already: nothing was changed, choose another --config`);
  }
  if (!isFree(dataDir)) throw new Refusal(`${dataDir} is not empty: nothing was changed, choose another --data-dir`);
  if (!existsSync(dirname(configPath))) throw new Refusal(`${dirname(configPath)} is not there: make it first`);
  const text = exampleConfig({ dataDir, keyPath });
  const config = parseConfig(text);
  try {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 });
    writeFileSync(configPath, text, { flag: "wx", mode: 0o600 });
  } catch {
    throw new Refusal(`${configPath} or ${dataDir} cannot be written: check owner and mode`, exits.failed);
  }
  let made: { onion: string; rootKeyPath: string };
  try {
    made = await patiently(terminal, "making the house", houses.createHouse({ config }));
  } catch (error) {
    // so that the same command can be given again; what the house may have begun is not ours to remove
    rmSync(configPath, { force: true });
    throw error;
  }
  const invitations = await invitationsOf(options.invitations, houses, config, terminal, clock);
  const { onion, rootKeyPath } = made;
  tell(terminal, { onion, config: configPath, root_key: rootKeyPath, invitations }, [
    `onion address:  ${onion}`,
    `configuration:  ${configPath}`,
    `master key:     ${keyPath} (back it up apart from ${dataDir})`,
    `root key:       ${rootKeyPath} (move it to a machine without network: it signs the house's credentials)`,
    ...invitations.map((invitation) => `invitation:     ${invitation}`),
    "next:           tacet start",
  ]);
}

/** Opens the stopped house for as long as it takes to draw invitations. */
export async function invitationsOf(
  count: number,
  houses: Houses,
  config: ReturnType<typeof parseConfig>,
  terminal: Terminal,
  clock: () => number,
): Promise<string[]> {
  if (count === 0) return [];
  const house = await patiently(terminal, "opening the house", houses.openHouse({ config, clock }));
  try {
    return await house.invite(count);
  } finally {
    await house.stop();
  }
}
