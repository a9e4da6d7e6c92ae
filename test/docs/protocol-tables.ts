// The tables of PROTOCOL.md that say what the code says: lengths, operations and refusals.
import { faults } from "../../src/fault.ts";
import { replyLength, requestLength, sizes, type SizeClass } from "../../src/wire/frame.ts";
import { operations } from "../../src/wire/operations.ts";
import { writeTable } from "./markdown.ts";

// Faults from here on never leave the process (src/services/dispatch.ts).
const FIRST_LOCAL = faults["memory/exhausted"].number;

type Shown<T> = Readonly<Record<string, T>>;
type Operations = Shown<{
  number: number;
  caller: string;
  token: string;
  size: { request: string; reply: string };
  limits: Shown<number>;
}>;

// packagesPerToken -> packages per token
const inWords = (name: string): string => name.replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);

export function operationTable(all: Operations = operations): string {
  const rows = Object.entries(all).map(([name, { number, caller, token, size, limits }]) => [
    String(number),
    `\`${name}\``,
    caller,
    token === "none" ? "none" : `\`${token}\``,
    size.request,
    size.reply,
    Object.entries(limits)
      .map(([what, limit]) => `${inWords(what)} ${limit}`)
      .join(", "),
  ]);
  return writeTable([["number", "operation", "caller", "token", "request", "reply", "limits"], ...rows]);
}

const grouped = (bytes: number): string => bytes.toLocaleString("en");

/** Bytes of each size class: the body's plaintext, the whole request, the whole reply. */
export function lengthTable(all: Shown<number> = sizes): string {
  const rows = Object.entries(all).map(([name, plaintext]) => {
    const size = name as SizeClass;
    return [name, grouped(plaintext), grouped(requestLength(size)), grouped(replyLength(size))];
  });
  return writeTable([["size class", "plaintext", "request", "reply"], ...rows]);
}

/** Without `envelope/unknown-key`: where it is met there is no key to seal a reply with. */
export function refusalTable(all: Shown<{ number: number; status: number }> = faults): string {
  const rows = Object.entries(all)
    .filter(([code, { number }]) => number < FIRST_LOCAL && code !== "envelope/unknown-key")
    .map(([code, { number, status }]) => [String(number), `\`${code}\``, status === 401 ? "401" : "200"]);
  return writeTable([["number", "code", "status"], ...rows]);
}
