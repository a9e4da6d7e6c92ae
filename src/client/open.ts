// Opens a client: its state from disk, its parts on top of it.
import { randomBelow } from "../crypto/random.ts";
import { ArenaPool } from "../memory/arena.ts";
import { Account } from "./account.ts";
import { Aliases } from "./aliases.ts";
import { Blocklist } from "./blocklist.ts";
import { makeCall } from "./call.ts";
import { TacetClient } from "./client.ts";
import { Connects } from "./connects.ts";
import { Contacts } from "./contacts.ts";
import { join } from "./devices.ts";
import { DirectorySource } from "./directory.ts";
import { EventLog } from "./events.ts";
import { Groups } from "./groups.ts";
import { Inbox } from "./inbox.ts";
import { ItemSeries } from "./item-series.ts";
import { KeyPackages } from "./key-packages.ts";
import { domainOf } from "./onion.ts";
import type { Parts } from "./parts.ts";
import { People } from "./people.ts";
import { Sections } from "./sections.ts";
import { openState, type ClientState } from "./state.ts";
import type { Transport } from "./transport.ts";
import { Tokens } from "./wallet.ts";

export interface OpenClientOptions {
  readonly transport: Transport;
  /** The server's v3 onion address: what the user trusts. */
  readonly onion: string;
  /** A directory of this client's own; made when missing. */
  readonly statePath: string;
  /** 32 secret bytes, kept by the app (a key file, a keychain, a passphrase's derivation); copied, not kept. */
  readonly deviceKey: Uint8Array;
  /**
   * The text of `account.inviteDevice` on another device of the user: this client becomes one of them. Opening again with
   * the same code goes on with what was interrupted; it is not needed once `name` is there.
   */
  readonly deviceCode?: string;
  /** Unix seconds; the system's clock when left out. */
  readonly clock?: () => number;
  /** A random whole number below the given one, for waits in seconds: tests give their own. */
  readonly delay?: (seconds: number) => number;
}

/** Request plaintexts and opened replies: a few calls at a time, and one whole save of the state. */
export const TIERS = [
  [16 << 10, 32],
  [64 << 10, 12],
  [1 << 20, 2],
  [2 << 20, 2],
] as const;

/**
 * Opens a client on its state, or begins a new one. One client per state directory. Nothing is asked of the server yet,
 * unless there is a device code. ClientError `state/*`, `server/identity` (not an onion address), `account/code`.
 */
export async function openClient(options: OpenClientOptions): Promise<TacetClient> {
  const { parts, state } = await openParts(options);
  const client = new TacetClient(parts, state);
  const { deviceCode } = options;
  if (deviceCode === undefined || parts.account.registered) return client;
  try {
    await join(parts.session, parts.account, deviceCode);
    await parts.tokens.settle();
    return client;
  } catch (error) {
    await client.close();
    throw error;
  }
}

/** The parts of a client, loaded from its state. */
export async function openParts(options: OpenClientOptions): Promise<{ parts: Parts; state: ClientState }> {
  const { transport, onion, statePath, deviceKey } = options;
  const clock = options.clock ?? (() => Math.floor(Date.now() / 1000));
  const domain = domainOf(onion);
  const state = await openState(statePath, deviceKey);
  try {
    const pool = new ArenaPool(TIERS);
    const sections = new Sections(state, pool);
    const directory = new DirectorySource({ transport, state, domain, clock });
    const call = makeCall({ transport, directory, pool, clock });
    const delay = options.delay ?? randomBelow;
    const session = { call, transport, directory, sections, pool, onion, domain, clock, delay };
    const tokens = await Tokens.open(session, state);
    const account = new Account(session);
    const people = new People(session, account);
    // In this order: contacts are people.
    const loaded = {
      account,
      people,
      inbox: new Inbox(session, account),
      blocklist: new Blocklist(session),
      series: new ItemSeries(session),
      keyPackages: new KeyPackages(session),
      contacts: new Contacts(session, people),
      connects: new Connects(session),
      aliases: new Aliases(session),
      groups: new Groups(session),
      events: new EventLog(session),
    };
    for (const part of Object.values(loaded)) await part.load();
    return { parts: { session, tokens, ...loaded }, state };
  } catch (error) {
    await state.close();
    throw error;
  }
}
