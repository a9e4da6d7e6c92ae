// The client as a developer thinks of it: register, draw tokens, find people, talk in groups, and `sync` for what came.
import type { Admission } from "./admission.ts";
import type { Contact, ContactRequest } from "./contacts.ts";
import { ClientError } from "./errors.ts";
import { eventKinds, type EventKind, type StoredEvent } from "./events.ts";
import { block, refuse, requestContact } from "./friends.ts";
import { change } from "./group-commit.ts";
import { Group } from "./group.ts";
import { beginGroup, type HeldGroup, type NewGroup } from "./groups.ts";
import { OwnAccount } from "./own-account.ts";
import type { Parts } from "./parts.ts";
import { profileOf, type Profile } from "./profile.ts";
import { register } from "./registration.ts";
import { safetyNumber } from "./safety-number.ts";
import type { ClientState } from "./state.ts";
import { readInbox, resume, workOnAccount } from "./sync.ts";
import { Turn } from "./turn.ts";

/** `from` and `name` are verified user names; undefined marks a member nobody has introduced. */
export type ClientEvent =
  | { readonly kind: "message"; readonly group: Group; readonly from: string | undefined; readonly text: string }
  | { readonly kind: "contactRequest" | "contactAdded" | "contactRefused" | "identityChanged"; readonly name: string }
  /** All of a contact's devices were lost, and the name taken back: compare the safety number, and ask anew. */
  | { readonly kind: "contactReset"; readonly name: string }
  /** A person has a device more or less; under the own name, the user has. One of the devices there were has said so. */
  | { readonly kind: "devicesChanged"; readonly name: string }
  | { readonly kind: "contactRenamed"; readonly name: string; readonly before: string }
  /** Some device has begun to delete the account: there is a day to cancel that. */
  | { readonly kind: "deletionBegun" }
  /** The account is gone, or this device was removed from it. */
  | { readonly kind: "accountEnded" }
  /** Only from members whose apps send such: nothing does by itself. */
  | {
      readonly kind: "presence" | "read";
      readonly group: Group;
      readonly from: string | undefined;
      readonly text: string;
    }
  | { readonly kind: "memberAdded" | "memberRemoved"; readonly group: Group; readonly name: string | undefined }
  | { readonly kind: "joinedGroup" | "removedFromGroup" | "leftGroup"; readonly group: Group }
  /** This client lost step with the group, has found it again (messages between may be missing), or gave up. */
  | { readonly kind: "groupDiverged" | "groupRecovered" | "groupLost"; readonly group: Group }
  /** The queue was full and the server dropped what came then: messages, or changes of groups. */
  | { readonly kind: "missedMessages" };

/** The longest that `sync` may be asked to wait. Seconds. */
export const WAIT_MAX = 25;

/** How often a client asks whether another of the user's has changed the account. Seconds. */
const LOOK_AGAIN = 3600;

/** Methods may be called at any time; those that change the client run one after the other. */
export class TacetClient {
  readonly #parts: Parts;
  readonly #state: ClientState;
  readonly #turn = new Turn();
  readonly #syncTurn = new Turn();
  readonly #facades = new Map<HeldGroup, Group>();
  readonly #ending = new AbortController();
  #closed = false;
  #lookedAt = -Infinity;

  /** The own account: recovery words, devices, name, profile, aliases, its end. */
  readonly account: OwnAccount;

  constructor(parts: Parts, state: ClientState) {
    this.#parts = parts;
    this.#state = state;
    this.account = new OwnAccount(parts, (work) => this.#alone(work));
  }

  /** The own user name, or undefined before `register`. */
  get name(): string | undefined {
    const { account } = this.#parts;
    return account.registered ? account.identity.name : undefined;
  }

  /**
   * Takes `name` for an invitation (`tacet-invite:...`) or, where the server allows it, for work. Repeating it after an
   * interruption is safe, and does no work twice. Fault `account/name`, `account/taken`, `token/*`; ClientError
   * `server/identity` when the invitation is another server's, `client/needs-invitation`.
   */
  register(admission: Admission, name: string): Promise<void> {
    return this.#alone(async () => {
      const { session, account, tokens } = this.#parts;
      if (typeof admission === "string") await register(session, account, admission, name);
      else {
        const signal = AbortSignal.any([this.#ending.signal, ...(admission.signal ? [admission.signal] : [])]);
        await register(session, account, { ...admission, signal }, name);
      }
      await tokens.settle();
    });
  }

  /**
   * Draws tokens of every class: a newcomer's at once, later ones when their moment has come. `sync` does the same
   * later on: when a client draws must have nothing to do with what it spends, so running out is no reason.
   */
  drawTokens(): Promise<void> {
    return this.#alone(() => this.#parts.tokens.draw(this.#parts.account));
  }

  /** When `sync` draws tokens next, at the earliest: a random moment early in an epoch. Unix seconds. */
  nextDraw(): number {
    return this.#parts.tokens.nextDraw;
  }

  /**
   * An invitation for one person, which is gone from the wallet when this resolves; who used it cannot be known. A
   * server that lets its accounts invite gives each a few an epoch, with its tokens. ClientError `client/no-invitations`.
   */
  invite(): Promise<string> {
    return this.#alone(() => this.#parts.tokens.invite());
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
    return this.#alone(() => requestContact(this.#parts, name));
  }

  /** Requests that wait for `accept` or `refuse`. */
  contactRequests(): readonly ContactRequest[] {
    return this.#parts.contacts.requests;
  }

  /**
   * Makes the sender of a request a contact and resolves to the group of the two, who are both its admins. ClientError `contact/unknown`,
   * `contact/changed`, `contact/unverified`, `contact/limit`.
   */
  accept(request: ContactRequest): Promise<Group> {
    return this.#alone(async () => {
      const { account, contacts, people, keyPackages, aliases, tokens } = this.#parts;
      const waiting = contacts.request(request.identity);
      const claimed = await keyPackages.claim(waiting.devices[0]!, tokens);
      const held = await beginGroup(this.#parts);
      // The request becomes a contact in the same save as the commit that tells its sender so.
      await change(this.#parts, held, {
        add: [claimed],
        befriends: true,
        // The group is as much the one's as the other's.
        policy: ({ policy }) => ({ admins: [...policy.admins, claimed.introduction.pseudonym] }),
        entries: () => {
          contacts.accept(waiting);
          if (waiting.alias.length > 0) aliases.link(waiting.alias, account.identity, waiting.identity.userId);
          return [contacts.entry(), people.entry(), aliases.entry()];
        },
      });
      return this.#facade(held);
    });
  }

  /** Says no: the sender's client gets `contactRefused`, the server a request like any other. Costs a `connect` token. */
  refuse(request: ContactRequest): Promise<void> {
    return this.#alone(() => refuse(this.#parts, request));
  }

  /**
   * Nothing of this person comes through any more, without a word to it or to the server; all other contacts are told how
   * this client is reached from now on. A profile has to be set again. ClientError `contact/unknown`.
   */
  block(name: string): Promise<void> {
    return this.#alone(() => block(this.#parts, name));
  }

  unblock(name: string): Promise<void> {
    return this.#alone(async () => {
      const { contacts, session } = this.#parts;
      contacts.unblock(name);
      await session.sections.save(contacts.entry());
    });
  }

  blocked(): readonly string[] {
    return this.#parts.contacts.blocked;
  }

  /**
   * 60 digits that are the same on both sides unless somebody is between them: compare them on another way than through the
   * server. They change with either one's devices. ClientError `contact/unverified`.
   */
  safetyNumber(contact: Contact): string {
    const { people, account } = this.#parts;
    return safetyNumber(people, account.clientList, contact.identity.userId);
  }

  /** Remembers, here only, that the safety number was compared; a reset undoes it. */
  setVerified(contact: Contact, verified: boolean): Promise<void> {
    return this.#alone(async () => {
      const { contacts, session } = this.#parts;
      contacts.setVerified(contact.identity.userId, verified);
      await session.sections.save(contacts.entry());
    });
  }

  /** What a contact shows of itself, for a `discover` token; undefined when it shows nothing. ClientError `contact/unverified`. */
  profile(contact: Contact): Promise<Profile | undefined> {
    return this.#alone(() => profileOf(this.#parts, contact));
  }

  contacts(): readonly Contact[] {
    return this.#parts.contacts.all;
  }

  /**
   * Forgets a contact and the key its name was known by, so that whoever has the name now can be met anew: after an
   * `identityChanged` that the person has explained, on another way than through this server.
   */
  forget(name: string): Promise<void> {
    return this.#alone(async () => {
      const { contacts, people, session } = this.#parts;
      contacts.forget(name);
      await session.sections.save(contacts.entry(), people.entry());
    });
  }

  /**
   * A new group with these contacts, of which this client is the admin. More than 100 clients are added in several commits:
   * when this rejects, those of the ones before are members.
   */
  createGroup(contacts: readonly Contact[], options: NewGroup = {}): Promise<Group> {
    return this.#alone(async () => {
      const { keyPackages, tokens } = this.#parts;
      const add = [];
      for (const contact of contacts) add.push(...(await keyPackages.claimAll(contact, tokens)));
      const held = await beginGroup(this.#parts, options);
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
      const { session, account, inbox, events } = this.#parts;
      await this.#alone(async () => {
        await events.settle();
        const now = session.clock();
        const look = account.registered && now >= this.#lookedAt + LOOK_AGAIN;
        if (look) this.#lookedAt = now;
        await workOnAccount(this.#parts, look);
        await resume(this.#parts);
      });
      if (inbox.exists) await readInbox(this.#parts, wait, (work) => this.#alone(work));
      if (inbox.exists) await this.#alone(() => resume(this.#parts));
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
    this.#ending.abort(new ClientError("client/closed"));
    const { account, inbox, tokens } = this.#parts;
    await this.#turn.take(async () => {
      await tokens.close();
      account.close();
      inbox.close();
      await this.#state.close();
    });
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
    const about = Buffer.from(stored.name).toString("latin1");
    if (kind === "contactRequest" || kind === "contactAdded" || kind === "contactRefused")
      return [{ kind, name: about }];
    if (kind === "identityChanged" || kind === "contactReset" || kind === "devicesChanged")
      return [{ kind, name: about }];
    if (kind === "contactRenamed") return [{ kind, name: about, before: Buffer.from(stored.text).toString("latin1") }];
    if (kind === "missedMessages" || kind === "deletionBegun" || kind === "accountEnded") return [{ kind }];
    const held = this.#parts.groups.find(stored.groupId);
    if (held === undefined || kind === undefined) return [];
    const group = this.#facade(held);
    // Names are looked up now: an introduction may have come after what it explains.
    const name = group.nameOf(stored.leafKey);
    if (kind === "message" || kind === "presence" || kind === "read")
      return [{ kind, group, from: name, text: Buffer.from(stored.text).toString("utf8") }];
    if (kind === "memberAdded" || kind === "memberRemoved") return [{ kind, group, name }];
    return [{ kind, group }];
  }
}
