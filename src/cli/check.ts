// `tacet check`: what protects this process, as the launcher and the system have made it. A house is started the same way.
import { measures } from "../hardening/measures.ts";
import type { Terminal } from "./terminal.ts";

/** Prints every measure; false when a required one does not hold. */
export function check(terminal: Terminal): boolean {
  const found = measures.map(({ name, required, buys, remedy, holds }) => ({
    name,
    required,
    holds: holds(),
    buys,
    remedy,
  }));
  const ok = found.every(({ holds, required }) => holds || !required);
  if (terminal.json) terminal.out(JSON.stringify({ ok, measures: found }));
  else {
    for (const { name, required, holds, buys, remedy } of found) {
      const state = holds ? "holds" : required ? "MISSING" : "not here";
      terminal.out(`${state.padEnd(9)} ${name.padEnd(14)} ${buys}`);
      if (!holds) terminal.out(`${" ".repeat(25)}to do: ${remedy}`);
    }
  }
  return ok;
}
