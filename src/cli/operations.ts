// `tacet operations`: all that can be asked of a house, by whom, for which token, in which sizes, within which limits.
import { operations, type OperationName } from "../wire/operations.ts";
import { seen } from "./seen.ts";
import type { Terminal } from "./terminal.ts";

/** One row of the table as it is printed. */
export interface OperationRow {
  readonly name: OperationName;
  readonly number: number;
  readonly service: string;
  readonly caller: string;
  /** The class of token, or `none`. */
  readonly token: string;
  /** Tokens. */
  readonly price: number;
  /** Size classes. */
  readonly request: string;
  readonly reply: string;
  readonly limits: Readonly<Record<string, number>>;
  /** What the house sees of it. */
  readonly sees: string;
}

export const operationRows = (): OperationRow[] =>
  (Object.keys(operations) as OperationName[]).map((name) => {
    const { number, service, caller, token, price, size, limits } = operations[name];
    return { name, number, service, caller, token, price, ...size, limits, sees: seen[name] };
  });

export function printOperations(terminal: Terminal): void {
  const rows = operationRows();
  if (terminal.json) return terminal.out(JSON.stringify({ operations: rows }));
  for (const { name, caller, token, price, request, reply, limits, sees } of rows) {
    const cost = price === 0 ? "no token" : `${price} ${token}`;
    terminal.out(`${name.padEnd(27)}${caller.padEnd(11)}${cost.padEnd(12)}${request}/${reply}`);
    terminal.out(`    sees: ${sees}`);
    const counts = Object.entries(limits).map(([what, count]) => `${what} ${count}`);
    terminal.out(`    limits: ${counts.join(", ")}`);
  }
}
