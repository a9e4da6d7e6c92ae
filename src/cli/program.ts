// The command line: its commands, their options and their help.
import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { exampleConfig } from "../config/example.ts";
import { audit } from "./audit.ts";
import { backUp, restore } from "./backup.ts";
import { check } from "./check.ts";
import { readChecked } from "./checked.ts";
import type { Houses } from "./houses.ts";
import { init } from "./init.ts";
import { invite } from "./invite.ts";
import { printOperations } from "./operations.ts";
import { start, stopSignal } from "./start.ts";
import { exits, report, tell, type Terminal } from "./terminal.ts";

export interface ProgramOptions {
  readonly houses: () => Promise<Houses>;
  readonly terminal: (json: boolean) => Terminal;
  /** Unix seconds. */
  readonly clock: () => number;
  /** Resolves when the process is asked to end; listens for signals from its first call on. */
  readonly stopped?: () => Promise<void>;
}

const upTo =
  (max: number) =>
  (text: string): number => {
    const count = Number(text);
    if (!/^\d+$/.test(text) || count > max) throw new InvalidArgumentError(`give a whole number up to ${max}.`);
    return count;
  };

const configOption = () => new Option("-c, --config <file>", "the house's configuration").default("tacet.toml");
const jsonOption = () => new Option("--json", "print one JSON object a line");
const codes = `
Exit: 0 done, 1 failed, 2 wrong arguments or configuration, 3 something is missing, 4 the house is in use.`;

/** Runs one command line (without node and script) and gives its exit code. */
export async function run(args: readonly string[], options: ProgramOptions): Promise<number> {
  const { houses, clock, stopped = stopSignal } = options;
  const terminal = options.terminal(args.includes("--json"));
  const program = new Command("tacet")
    .description("A messaging homeserver behind an onion service.")
    .exitOverride()
    .configureOutput({
      writeOut: (text) => terminal.out(text.trimEnd()),
      writeErr: (text) => terminal.err(text.trim()),
    })
    .addHelpText("after", codes);
  // each command inherits output and exit from the program only when it is made by it
  const command = (name: string, text: string): Command =>
    program.command(name).description(text).addOption(jsonOption()).addHelpText("after", codes);

  command("init", "Make a new house: configuration, master key, identity. Overwrites nothing.")
    .addOption(configOption())
    .option("--data-dir <folder>", "where its state will live", "tacet-data")
    .option("--invitations <number>", "invitations to draw", upTo(1000), 3)
    .action(async (given: { config: string; dataDir: string; invitations: number }) => {
      await init(given, await houses(), terminal, clock);
    });
  command("start", "Run the house until SIGINT or SIGTERM. Makes nothing that is not there.")
    .addOption(configOption())
    .action(async (given: { config: string }) => {
      const end = stopped();
      await start({ ...given, issuerOnly: false }, await houses(), terminal, clock, end);
    });
  command("issuer", "As start, but the house only registers accounts and issues them tokens.")
    .addOption(configOption())
    .action(async (given: { config: string }) => {
      const end = stopped();
      await start({ ...given, issuerOnly: true }, await houses(), terminal, clock, end);
    });
  command("invite", "Draw invitations, one a line. The house must be stopped.")
    .argument("[number]", "how many", upTo(1000), 1)
    .addOption(configOption())
    .action(async (count: number, given: { config: string }) => {
      await invite({ ...given, count }, await houses(), terminal, clock);
    });
  command(
    "backup",
    "Copy the house's state into an empty folder: what lives, nothing deleted. The house must be stopped.",
  )
    .argument("<folder>", "where the copy goes")
    .addOption(configOption())
    .action(async (folder: string, given: { config: string }) => {
      await backUp({ ...given, folder }, await houses(), terminal);
    });
  command(
    "restore",
    "Take the state as it is though it is older than it was. Voids all tokens and KeyPackages of then.",
  )
    .requiredOption("--accept-rollback", "say that you know it is older")
    .addOption(configOption())
    .action(async (given: { config: string }) => {
      await restore(given, await houses(), terminal);
    });
  let exit: number = exits.done;
  command(
    "check",
    "Say of each protection of the process, as `start` has it, what it buys and whether it holds.",
  ).action(() => {
    if (!check(terminal)) exit = exits.missing;
  });
  command(
    "operations",
    "Print all that can be asked of a house: by whom, for which token, in which sizes and limits.",
  ).action(() => printOperations(terminal));
  command(
    "audit",
    "Say what the house's files show to who has the disk and no key. Works on a copy, the house may run.",
  )
    .addOption(configOption())
    .action(async (given: { config: string }) => {
      if (!(await audit(given, await houses(), terminal))) exit = exits.failed;
    });
  const config = program.command("config").description("Show or check a configuration.");
  config
    .command("example")
    .description("Print a configuration with every key explained.")
    .addOption(jsonOption())
    .action(() => {
      const text = exampleConfig({ dataDir: "/var/lib/tacet", keyPath: "/etc/tacet/tacet.key" });
      tell(terminal, { config: text }, [text.trimEnd()]);
    });
  config
    .command("check")
    .description("Say whether a configuration can be used.")
    .addOption(configOption())
    .addOption(jsonOption())
    .action((given: { config: string }) => {
      readChecked(given.config);
      tell(terminal, {}, ["the configuration is good"]);
    });

  try {
    await program.parseAsync([...args], { from: "user" });
    return exit;
  } catch (error) {
    if (!(error instanceof CommanderError)) return report(terminal, error);
    // commander has printed its line or its help
    return error.exitCode === 0 ? exits.done : exits.usage;
  }
}
