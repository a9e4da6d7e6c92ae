// What a history can find, counted by kind; the history ends with the first and another begins.
import { Fault } from "../../../src/fault.ts";

export const kinds = [
  /** Honest members, or they and the house, are not of one mind about the group. */
  "forks",
  /** Who was added, or came in or back by an external commit, is not in. */
  "failed_joins",
  /** The house, or a member, took what was planted to be refused. */
  "wrongly_accepted",
  /** An honest request was refused, or could not even be made. */
  "wrongly_refused",
  /** A message did not reach a member, or another one did. */
  "unread",
  /** Somebody who is no member read something, or came to a key. */
  "overheard",
  /** After a commit that nobody can follow, the members did not get back into step. */
  "unrecovered",
  /** Something other than a refusal came out. */
  "errors",
] as const;
export type Kind = (typeof kinds)[number];

export class Finding extends Error {
  readonly kind: Kind;
  constructor(kind: Kind, detail: string) {
    super(detail);
    this.kind = kind;
  }
}

const told = (error: unknown): string =>
  error instanceof Fault ? error.code : error instanceof Error ? (error.stack ?? error.message) : String(error);

export function must(holds: boolean, kind: Kind, detail: string): asserts holds {
  if (!holds) throw new Finding(kind, detail);
}

/** The value of honest work, which cannot fail. */
export async function honest<T>(kind: Kind, detail: string, work: () => Promise<T> | T): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof Finding) throw error;
    throw new Finding(kind, `${detail}: ${told(error)}`);
  }
}

/** Whether `work` is refused with a Fault of the groups', as it must be; anything else it may throw is a finding. */
export async function refuses(detail: string, work: () => Promise<unknown>): Promise<boolean> {
  try {
    await work();
    return false;
  } catch (error) {
    if (error instanceof Fault && error.code.startsWith("group/")) return true;
    throw new Finding("wrongly_accepted", `${detail}: no refusal but ${told(error)}`);
  }
}
