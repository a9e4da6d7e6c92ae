// The own account as an app sees it: recovery words, devices, name, profile, aliases, its end.
import { recoveryWords } from "../crypto/recovery-words.ts";
import { cancelDeletion, deleteAccount, rename } from "./account-change.ts";
import type { Alias } from "./aliases.ts";
import { devices, inviteDevice, removeDevice, type OwnDevice } from "./devices.ts";
import { ClientError } from "./errors.ts";
import type { Parts } from "./parts.ts";
import { setProfile, type Profile } from "./profile.ts";
import { reset } from "./reset.ts";
import type { Turn } from "./turn.ts";

type Alone = Turn["take"];

/** Every method that asks the server may be repeated after an interruption: it goes on with what was begun. */
export class OwnAccount {
  readonly #parts: Parts;
  readonly #alone: Alone;

  constructor(parts: Parts, alone: Alone) {
    this.#parts = parts;
    this.#alone = alone;
  }

  /**
   * The 24 words that bring the name back when every device is lost: show them, and let them be written down. Undefined
   * once `forgetRecoveryWords` was called, and on devices that did not register the name.
   */
  recoveryWords(): string | undefined {
    const { recovery } = this.#parts.account.record;
    return recovery.length === 0 ? undefined : recoveryWords(recovery);
  }

  /** The words have been noted: from now on nobody but the person has them. */
  forgetRecoveryWords(): Promise<void> {
    return this.#alone(() => this.#parts.account.change({ recovery: Buffer.alloc(0) }));
  }

  /**
   * Takes a name back on a new device that has nothing but the words: all other devices, contacts and groups are gone, and
   * the contacts told. Once in 30 days; tokens come with the next epoch if the lost device had drawn those of this one.
   * Fault `auth/signature` (not this name's words), `account/limit`; ClientError `account/words`, `client/registered`.
   */
  reset(words: string, name: string): Promise<void> {
    return this.#alone(async () => {
      const { session, account, tokens } = this.#parts;
      await reset(session, account, words, name);
      await tokens.settle();
    });
  }

  /** The user's devices, this one among them. */
  devices(): OwnDevice[] {
    return devices(this.#parts);
  }

  /**
   * A code by which a new device becomes one of the user's (`deviceCode` of `openClient`): good once and for an hour. It goes
   * from screen to screen, as whoever has it first is a device. `sync` here finishes what the new device begins.
   */
  inviteDevice(): Promise<string> {
    return this.#alone(() => inviteDevice(this.#parts));
  }

  /** Removes a device: the server refuses it from then on, contacts and groups learn of it. ClientError `account/unknown-device`. */
  removeDevice(device: OwnDevice): Promise<void> {
    return this.#alone(() => removeDevice(this.#parts, device.clientKey));
  }

  /**
   * Takes another name, once in 30 days; contacts are told in the groups, by the next `sync`. Fault `account/name`,
   * `account/taken`, `account/limit`.
   */
  rename(name: string): Promise<void> {
    return this.#alone(() => rename(this.#parts, name));
  }

  /**
   * Ends the account: at once with the recovery words, without them a day from now. Resolves to the moment in unix seconds,
   * 0 for at once. Fault `auth/signature` (other words).
   */
  delete(words?: string): Promise<number> {
    return this.#alone(() => deleteAccount(this.#parts, words));
  }

  /** When a deletion that is under way ends the account, in unix seconds; undefined when none is. */
  get endsAt(): number | undefined {
    const { endsAt } = this.#parts.account.record;
    return endsAt === 0 ? undefined : endsAt * 3600;
  }

  /** Calls the deletion off, whichever device began it. Fault `account/conflict`. */
  cancelDeletion(): Promise<void> {
    return this.#alone(() => cancelDeletion(this.#parts));
  }

  /** What contacts see of this user, sealed for them; undefined takes it away. ClientError `account/profile` (too long). */
  setProfile(profile: Profile | undefined): Promise<void> {
    return this.#alone(() => setProfile(this.#parts, profile));
  }

  aliases(): readonly Alias[] {
    return this.#parts.aliases.all;
  }

  /**
   * A further name, for 1 to 180 days, by which one can be asked and which leads nobody to this user. Requests to it come as
   * all others; accepting one tells who one is. Costs four `create` tokens. Fault `account/taken`, `account/limit`.
   */
  createAlias(name: string, days: number): Promise<void> {
    return this.#alone(() => {
      const { account, aliases, tokens } = this.#parts;
      if (!account.registered) throw new ClientError("client/not-registered");
      return aliases.create(name, days, tokens);
    });
  }

  /** ClientError `account/unknown-alias`. */
  deleteAlias(name: string): Promise<void> {
    return this.#alone(() => this.#parts.aliases.delete(name));
  }
}
