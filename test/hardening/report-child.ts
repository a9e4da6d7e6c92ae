// Says which measures hold in a process started in whatever way, and what a house would say of it at its start.
import { measures, tellMissing } from "../../src/hardening/measures.ts";
import { makeObserver } from "../../src/observe/observer.ts";

const lines: string[] = [];
tellMissing(makeObserver((line) => lines.push(line)));
const held = Object.fromEntries(measures.map(({ name, holds }) => [name, holds()]));
process.stdout.write(JSON.stringify({ pid: process.pid, held, lines }));
