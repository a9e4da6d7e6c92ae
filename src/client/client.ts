// The client as a developer thinks of it: register, draw tokens, find people, talk in groups, and `sync` for what came.
import { ArenaPool } from "../memory/arena.ts";
import { lockedAlloc, wipe } from "../memory/locked.ts";
import { decodeInvitation } from "../../tokens/invitation.ts";
import { Fault } from "../fault.ts";
import { TOKEN_LENGTH } from "../wire/frame.ts";
import { Account } from "./account.ts";
import { makeCall } from "./call.ts";
import { Contacts, type Contact } from "./contacts.ts";
import { DirectorySource } from "./directory.ts";
import { ClientError } from "./errors.ts";
import { EventLog, eventKinds, type EventKind, type StoredEvent } from "./events.ts";
import { change } from "./group-commit.ts";
import { flush } from "./group-outbox.ts";
import { receiveItem } from "./group-receive.ts";
import { Group } from "./group.ts";
import { beginGroup, Groups, type HeldGroup } from "./groups.ts";
import { Inbox } from "./inbox.ts";
import { KeyPackages } from "./key-packages.ts";
import { domainOf } from "./onion.ts";
import { allOrNothing, type Parts } from "./parts.ts";
import { Sections } from "./sections.ts";
import { openState, type ClientState } from "./state.ts";
import type { Transport } from "./transport.ts";
import { Turn } from "./turn.ts";
import { Tokens } from "./wallet.ts";

export interface OpenClientOptions {
  readonly transport: Transport;
  /** The server's v3 onion address: what the user trusts. */
  readonly onion: string;
  /** A directory of this client's own; made when missing. */
  readonly statePath: string;
  /** 32 secret bytes, kept by the app (a key file, a keychain, a passphrase's derivation); copied, not kept. */
  readonly deviceKey: Uint8Array;
  /** Unix seconds; the system's clock when left out. */
  readonly clock?: () => number;
}

/** `from` and `name` are verified user names; undefined marks a member nobody has introduced. */
export type ClientEvent =
  | { readonly kind: "message"; readonly group: Group; readonly from: string | undefined; readonly text: string }
  | { readonly kind: "contactRequest" | "contactAdded"; readonly name: string }
  | { readonly kind: "memberAdded" | "memberRemoved"; readonly group: Group; readonly name: string | undefined }
  | { readonly kind: "joinedGroup" | "removedFromGroup"; readonly group: Group };

/** The longest that `sync` may be asked to wait. Seconds. */
export const WAIT_MAX = 25;

/** Request plaintexts and opened replies: a few calls at a time, and one whole save of the state. */
const TIERS = [
  [16 << 10, 32],
  [64 << 10, 12],
  [1 << 20, 2],
] as const;

/**
 * Opens a client on its state, or begins a new one. One client per state directory. Nothing is asked of the server yet.
 * ClientError `state/*`, `server/identity` (not an onion address).
 */
export async function openClient(options: OpenClientOptions): Promise<TacetClient> {
  const { transport, onion, statePath, deviceKey } = options;
  const clock = options.clock ?? (() => Math.floor(Date.now() / 1000));
  const domain = domainOf(onion);
  const state = await openState(statePath, deviceKey);
  try {
    const pool = new ArenaPool(TIERS);
    const sections = new Sections(state, pool);
    const directory = new DirectorySource({ transport, state, domain, clock });
    const call = makeCall({ transport, directory, pool, clock });
    const session = { call, transport, directory, sections, pool, onion, domain, clock };
    const parts: Parts = {
      session,
      account: new Account(session),
      tokens: await Tokens.open(session, state),
      inbox: new Inbox(session),
      keyPackages: new KeyPackages(session),
      contacts: new Contacts(session),
      groups: new Groups(session),
      events: new EventLog(session),
    };
    const { account, inbox, keyPackages, contacts, groups, events } = parts;
    for (const part of [account, inbox, keyPackages, contacts, groups, events]) await part.load();
    return new TacetClient(parts, state);
  } catch (error) {
    await state.close();
    throw error;
  }
}

/** Methods may be called at any time; those that change the client run one after the other. */
export class TacetClient {
  readonly #parts: Parts;
  readonly #state: ClientState;
  readonly #turn = new Turn();
  readonly #syncTurn = new Turn();
  readonly #facades = new Map<HeldGroup, Group>();
  #closed = false;

  constructor(parts: Parts, state: ClientState) {
    this.#parts = parts;
    this.#state = state;
  }

  /** The own user name, or undefined before `register`. */
  get name(): string | undefined {
    const { account } = this.#parts;
    return account.registered ? account.identity.name : undefined;
  }

  /**
   * Takes `name` for an invitation (`tacet-invite:...`). Repeating it after an interruption is safe. Fault
   * `account/name`, `account/taken`, `token/*`; ClientError `server/identity` when the invitation is another server's.
   */
  register(invitation: string, name: string): Promise<void> {
    return this.#alone(async () => {
      const { account, session } = this.#parts;
      const token = lockedAlloc(TOKEN_LENGTH);
      try {
        if (decodeInvitation(token, invitation) !== session.onion) throw new ClientError("server/identity");
        await account.register(token, name);
      } finally {
        wipe(token);
      }
    });
  }

  /** Draws this epoch's tokens of every class, once per epoch; the rest of the time it does nothing. */
  drawTokens(): Promise<void> {
    return this.#alone(() => this.#parts.tokens.draw(this.#parts.account));
  }

  /** Creates the queue under a pseudonym of its own and publishes KeyPackages in it, for contacts only. */
  createInbox(): Promise<void> {
    return this.#alone(async () => {
      const { account, inbox, keyPackages, tokens } = this.#parts;
      await inbox.create(tokens);
      await keyPackages.publish(account, inbox);
    });
  }

  /** Finds `name` and asks to be its contact. `contactAdded` comes through `sync` when it accepts. */
  requestContact(name: string): Promise<void> {
    return this.#alone(() => {
      const { contacts, account, inbox, tokens } = this.#parts;
      return contacts.ask(name, account, inbox, tokens);
    });
  }

  /** Requests that wait for `accept`. */
  contactRequests(): readonly Contact[] {
    return this.#parts.contacts.requests;
  }

  /** Makes the sender of a request a contact and resolves to the group of the two. */
  accept(request: Contact): Promise<Group> {
    return this.#alone(async () => {
      const { contacts, keyPackages, tokens } = this.#parts;
      const { friendship, identity, name } = contacts.request(request.name);
      const claimed = await keyPackages.claim(friendship, identity.clientKey, tokens);
      const held = await beginGroup(this.#parts);
      // The request becomes a contact in the same save as the commit that tells its sender so.
      await change(this.#parts, held, {
        add: [claimed],
        befriends: true,
        entries: () => {
          contacts.accept({ friendship, identity, name });
          return [contacts.entry()];
        },
      });
      return this.#facade(held);
    });
  }

  contacts(): readonly Contact[] {
    return this.#parts.contacts.all;
  }

  /** A new group with these contacts. */
  createGroup(...contacts: readonly Contact[]): Promise<Group> {
    return this.#alone(async () => {
      const { keyPackages, tokens } = this.#parts;
      const add = [];
      for (const { friendship, identity } of contacts) {
        add.push(await keyPackages.claim(friendship, identity.clientKey, tokens));
      }
      const held = await beginGroup(this.#parts);
      await change(this.#parts, held, { add });
      return this.#facade(held);
    });
  }

  /** The groups this client is a member of. */
  groups(): Group[] {
    return this.#parts.groups.all.map((held) => this.#facade(held)).filter((group) => group.active);
  }

  /**
   * Sends what is waiting, reads what has come, and resolves to what happened since the last `sync`, in order. With
   * nothing there it waits up to `wait` seconds (at most 25). What it returned is forgotten by the next call: an event
   * is given again when the client was stopped before that.
   */
  sync(options: { readonly wait?: number } = {}): Promise<ClientEvent[]> {
    const wait = Math.min(options.wait ?? 0, WAIT_MAX);
    return this.#syncTurn.take(async () => {
      const { account, inbox, events } = this.#parts;
      await this.#alone(async () => {
        await events.settle();
        if (account.registered) await this.#readOffers();
        await this.#resume();
      });
      if (inbox.exists) await this.#readQueue(wait);
      return this.#alone(async () => events.give().flatMap((event) => this.#eventOf(event)));
    });
  }

  /**
   * Everything that some service knows this client by, by kind: to search a server's files for. The ids of one client
   * together are what the services must never see together: keep the list on the client's own machine.
   */
  identifiers(): { readonly what: string; readonly bytes: Uint8Array }[] {
    const { account, inbox, groups } = this.#parts;
    const { userId, clientId } = account.ids;
    return [
      { what: "user id", bytes: userId },
      { what: "client id", bytes: clientId },
      ...(inbox.exists ? [{ what: "queue id", bytes: inbox.queueId }] : []),
      ...groups.all.flatMap(({ state: { mls } }) =>
        mls === undefined
          ? []
          : [
              { what: "group id", bytes: mls.groupId },
              ...mls.members().flatMap(({ pseudonym, signaturePublicKey, handle }) => [
                { what: "pseudonym", bytes: pseudonym },
                { what: "leaf key", bytes: signaturePublicKey },
                { what: "queue handle", bytes: handle },
              ]),
            ],
      ),
    ];
  }

  /** Ends the client; what is under way fails or is finished first. The transport stays the app's. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    const { account, inbox, tokens } = this.#parts;
    await this.#turn.take(async () => {
      await tokens.close();
      account.close();
      inbox.close();
      await this.#state.close();
    });
  }

  async #readOffers(): Promise<void> {
    const { account, contacts, events, session } = this.#parts;
    for (let empty = false; !empty;) {
      empty = await allOrNothing(this.#parts, async () => {
        const page = await account.readOffers();
        for (const offer of page.offers) contacts.receive(offer, events);
        if (!page.empty) await session.sections.save(account.entry(), contacts.entry(), events.entry());
        return page.empty;
      });
    }
  }

  // Goes on with what an interruption left. What cannot be sent now must not keep what has come from being read.
  async #resume(): Promise<void> {
    for (const held of this.#parts.groups.all) {
      if (held.state.mls === undefined) continue;
      try {
        await flush(this.#parts, held);
      } catch (error) {
        if (!(error instanceof ClientError || error instanceof Fault)) throw error;
        if (error.code.startsWith("server/")) throw error;
      }
    }
  }

  async #readQueue(wait: number): Promise<void> {
    const { account, inbox, keyPackages, events } = this.#parts;
    const heldBefore = keyPackages.held;
    for (let more = true; more;) {
      const answer = await inbox.read(
        events.waiting ? 0 : wait,
        (work) => this.#alone(work),
        (item) => receiveItem(this.#parts, item),
      );
      more = answer.more;
    }
    // One was used up by a Welcome: publish fresh ones, so that none has to be used twice.
    if (keyPackages.held < heldBefore) await this.#alone(() => keyPackages.publish(account, inbox));
  }

  #alone<T>(work: () => Promise<T>): Promise<T> {
    return this.#turn.take(() => {
      if (this.#closed) throw new ClientError("client/closed");
      return work();
    });
  }

  #facade(held: HeldGroup): Group {
    let group = this.#facades.get(held);
    if (group === undefined) this.#facades.set(held, (group = new Group(this.#parts, held, this.#turn)));
    return group;
  }

  #eventOf(stored: StoredEvent): ClientEvent[] {
    const kind = (Object.keys(eventKinds) as EventKind[]).find((name) => eventKinds[name] === stored.kind);
    if (kind === "contactRequest" || kind === "contactAdded") {
      return [{ kind, name: Buffer.from(stored.name).toString("latin1") }];
    }
    const held = this.#parts.groups.find(stored.groupId);
    if (held === undefined || kind === undefined) return [];
    const group = this.#facade(held);
    // Names are looked up now: an introduction may have come after what it explains.
    const name = group.nameOf(stored.leafKey);
    if (kind === "message") return [{ kind, group, from: name, text: Buffer.from(stored.text).toString("utf8") }];
    if (kind === "memberAdded" || kind === "memberRemoved") return [{ kind, group, name }];
    return [{ kind, group }];
  }
}
