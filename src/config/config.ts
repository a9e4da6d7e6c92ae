// Reads and checks a configuration: what it does not know it refuses, and each refusal says what to do next.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse, TomlError } from "smol-toml";
import * as v from "valibot";
import { ConfigProblem } from "./problem.ts";
import { externalIssuer, fileSchema, sections } from "./schema.ts";

export type SocksListener =
  | { readonly socksPath: string }
  | { readonly socksHost: "127.0.0.1"; readonly socksPort: number };

export interface ExternalIssuer {
  /** Of the form of an onion address. */
  readonly onion: string;
  readonly class: "create" | "discover" | "connect" | "deliver";
  readonly dailyBudget: number;
}

export interface Config {
  /** Absolute, like every path here. */
  readonly dataDir: string;
  /** Below 108 bytes. */
  readonly socket: string;
  readonly key: { readonly source: "file" | "passphrase_file"; readonly path: string };
  readonly tor:
    | { readonly mode: "launch"; readonly pow: boolean }
    | {
        readonly mode: "control";
        readonly pow: boolean;
        readonly controlSocket: string;
        readonly cookieFile: string | undefined;
        /** There whenever external issuers are named. */
        readonly socks: SocksListener | undefined;
      };
  readonly limits: {
    readonly connections: number;
    readonly headerSeconds: number;
    readonly requestSeconds: number;
    readonly replySeconds: number;
    readonly idleSeconds: number;
  };
  readonly tokens: { readonly batch: number; readonly types: readonly ("0x0005" | "0x0002")[] };
  readonly registration: {
    readonly mode: "closed" | "invitation" | "proof_of_work";
    readonly invitationsPerEpoch: number;
    readonly work: { readonly minEffort: number; readonly maxEffort: number; readonly perHour: number };
  };
  readonly store: {
    readonly reserveMb: number;
    /** Where anchor and erasable keys lie; beside the database unless told otherwise. */
    readonly apartDir: string;
  };
  readonly envelope: { readonly rotationSeconds: number };
  /** No two of the same address. */
  readonly externalIssuers: readonly ExternalIssuer[];
}

type Issue = v.InferIssue<typeof fileSchema>;

const tables: Readonly<Record<string, object>> = { ...sections, external_issuers: externalIssuer };

const knownAt = (parents: readonly string[]): string =>
  Object.keys(parents[0] === undefined ? fileSchema.entries : (tables[parents[0]] ?? {}))
    .toSorted()
    .join(", ");

const isUnknown = (issue: Issue): boolean => issue.type === "strict_object" && issue.expected === "never";

function sentence(issue: Issue): string {
  const keys = issue.path?.map(({ key }) => String(key)) ?? [];
  const name = keys.join(".");
  if (isUnknown(issue)) {
    return `${name}: unknown key, remove it or correct its spelling (known: ${knownAt(keys.slice(0, -1))})`;
  }
  if (issue.input === undefined) {
    return `${name}: missing, add it (\`tacet config example\` shows every key)`;
  }
  if (issue.type === "strict_object") {
    const heading = keys.length === 1 ? `[${name}]` : `[[${keys[0]}]]`;
    return `${name}: must be a table, write ${heading} and its keys below it`;
  }
  return `${name}: ${issue.message}`;
}

/** The configuration of a TOML text. Throws ConfigProblem with the first thing that is wrong. */
export function parseConfig(text: string): Config {
  let raw: unknown;
  try {
    raw = parse(text);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    throw new ConfigProblem(`line ${error.line}, column ${error.column}: not TOML, correct the line`);
  }
  const checked = v.safeParse(fileSchema, raw);
  // a misspelt key is told before the one that is missing because of it
  if (!checked.success) throw new ConfigProblem(sentence(checked.issues.find(isUnknown) ?? checked.issues[0]));
  const { data_dir: dataDir, socket = join(dataDir, "http.sock"), key, tor, limits, ...rest } = checked.output;
  const externalIssuers = rest.external_issuers.map(({ daily_budget: dailyBudget, ...issuer }) => ({
    ...issuer,
    dailyBudget,
  }));
  if (Buffer.byteLength(socket) > 107) {
    throw new ConfigProblem("socket: data_dir/http.sock is longer than 107 bytes, add socket with a shorter path");
  }
  if (limits.header_seconds > limits.request_seconds) {
    throw new ConfigProblem("limits.header_seconds: is longer than limits.request_seconds, lower it");
  }
  return {
    dataDir,
    socket,
    key,
    tor: torOf(tor, externalIssuers.length > 0),
    limits: {
      connections: limits.connections,
      headerSeconds: limits.header_seconds,
      requestSeconds: limits.request_seconds,
      replySeconds: limits.reply_seconds,
      idleSeconds: limits.idle_seconds,
    },
    tokens: rest.tokens,
    registration: registrationOf(rest.registration),
    store: {
      reserveMb: rest.store.reserve_mb,
      apartDir: rest.store.apart_dir ?? join(dataDir, "state"),
    },
    envelope: { rotationSeconds: rest.envelope.rotation_seconds },
    externalIssuers,
  };
}

function registrationOf(given: v.InferOutput<typeof fileSchema>["registration"]): Config["registration"] {
  const { mode, invitations_per_epoch: invitationsPerEpoch } = given;
  const work = { minEffort: given.work_min_effort, maxEffort: given.work_max_effort, perHour: given.work_per_hour };
  if (work.minEffort > work.maxEffort) {
    throw new ConfigProblem("registration.work_min_effort: is above work_max_effort, lower one or raise the other");
  }
  return { mode, invitationsPerEpoch, work };
}

function torOf(tor: v.InferOutput<typeof fileSchema>["tor"], reachesOut: boolean): Config["tor"] {
  const { mode, pow, control_socket: controlSocket, cookie_file: cookieFile } = tor;
  const { socks_socket: socksPath, socks_port: socksPort } = tor;
  if (mode === "control") {
    if (controlSocket === undefined) {
      throw new ConfigProblem('tor.control_socket: missing, add it or set tor.mode = "launch"');
    }
    if (socksPath !== undefined && socksPort !== undefined) {
      throw new ConfigProblem("tor.socks_port: goes without tor.socks_socket only, remove one of them");
    }
    if (reachesOut && socksPath === undefined && socksPort === undefined) {
      throw new ConfigProblem("tor.socks_socket: missing, add it or tor.socks_port: external_issuers are asked by it");
    }
    const host = socksPort === undefined ? undefined : ({ socksHost: "127.0.0.1", socksPort } as const);
    return { mode, pow, controlSocket, cookieFile, socks: socksPath === undefined ? host : { socksPath } };
  }
  for (const name of ["control_socket", "cookie_file", "socks_socket", "socks_port"] as const) {
    if (tor[name] !== undefined) {
      throw new ConfigProblem(`tor.${name}: goes with tor.mode = "control" only, remove it or set that mode`);
    }
  }
  return { mode, pow };
}

/** The configuration in a file. Throws ConfigProblem, also when the file cannot be read. */
export function readConfig(path: string): Config {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === "ENOENT";
    throw new ConfigProblem(
      missing
        ? `${path} is not there, make a house with \`tacet init\` or name another file with --config`
        : `${path} cannot be read, check its owner and mode`,
    );
  }
  try {
    return parseConfig(text);
  } catch (error) {
    if (error instanceof ConfigProblem) throw new ConfigProblem(`${path}: ${error.message}`);
    throw error;
  }
}
