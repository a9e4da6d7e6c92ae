// The `tacet` command as a process.
import { exposeCollector } from "./collector.ts";
import { ownTerminal } from "./terminal.ts";
import { run } from "./program.ts";

exposeCollector();
// Whoever reads only the first lines has seen enough.
process.stdout.on("error", (error: NodeJS.ErrnoException) => process.exit(error.code === "EPIPE" ? 0 : 1));
process.exitCode = await run(process.argv.slice(2), {
  // The house is loaded by the commands that need it: help and configuration must not wait for it.
  houses: () => import("../main.ts"),
  terminal: ownTerminal,
  clock: () => Date.now() / 1000,
});
