// The process in which histories run: of this tree, or of a copy with something broken in it.
import { runHistories } from "./run.ts";

const [seed, epochs, enough] = process.argv.slice(2).map(Number);
const told = await runHistories({
  seed: seed ?? 0,
  epochs: epochs ?? 0,
  enough: enough ?? 1,
  beat: () => void process.send?.("beat"),
});
process.send?.(told, undefined, undefined, () => process.exit(0));
if (process.send === undefined) console.log(JSON.stringify(told, undefined, 1));
