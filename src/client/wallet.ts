// The client's tokens: drawn in whole batches on a circuit of their own, taken one by one, durable before they are sent.
import { tokenChallenge } from "../../tokens/challenge.ts";
import type { TokenClass } from "../../tokens/classes.ts";
import { encodeInvitation } from "../../tokens/invitation.ts";
import type { PublicIssuerKey } from "../../tokens/keys.ts";
import { TOKEN_LENGTH } from "../../tokens/token.ts";
import { typeOfPublicKey, VOPRF } from "../../tokens/types.ts";
import { BATCH_SIZE, Wallet } from "../../tokens/wallet.ts";
import { Fault } from "../fault.ts";
import { TOKEN_SLOT_LENGTH } from "../wire/frame.ts";
import { operations, type OperationName } from "../wire/operations.ts";
import type { Account } from "./account.ts";
import { ISSUANCE } from "./circuits.ts";
import { ClientError } from "./errors.ts";
import { issuerKeys } from "./issuer-keys.ts";
import { Schedule } from "./schedule.ts";
import type { Session } from "./session.ts";
import type { ClientState } from "./state.ts";

const SECTION = "wallet";
/** What a client spends itself. */
const SPENT: readonly TokenClass[] = ["create", "discover", "connect", "deliver"];
/** Invitations that everybody asks for first; a house that allows fewer refuses, and fewer are asked for. */
const INVITATIONS = 5;
/** In `directory.registration`, from here on: accounts draw invitations. */
const BY_INVITATION = 1;

/** Seconds between a spent token and the next draw. */
const APART = 600;

export class Tokens {
  readonly #session: Session;
  readonly #schedule: Schedule;
  readonly #wallet: Wallet;
  readonly #issuers: { keys: readonly PublicIssuerKey[] };
  /** Since this process runs. */
  #spentAt = -Infinity;

  private constructor(session: Session, wallet: Wallet, issuers: { keys: readonly PublicIssuerKey[] }) {
    this.#session = session;
    this.#schedule = new Schedule(session.sections);
    this.#wallet = wallet;
    this.#issuers = issuers;
  }

  static async open(session: Session, state: ClientState): Promise<Tokens> {
    const issuers: { keys: readonly PublicIssuerKey[] } = { keys: [] };
    const storage = {
      load: () => state.load(SECTION),
      save: (bytes: Uint8Array) => state.save({ [SECTION]: bytes }),
    };
    const wallet = await Wallet.open({ storage, directory: () => issuers.keys, now: session.clock });
    const tokens = new Tokens(session, wallet, issuers);
    await tokens.#schedule.load();
    return tokens;
  }

  /** Tokens of a class that can be spent now. */
  count(tokenClass: TokenClass): number {
    return this.#wallet.count(tokenClass);
  }

  /**
   * Runs `use` with the tokens that `operation` costs, each in a slot of 354 locked bytes; they are gone from the saved
   * wallet by then and wiped after. Never put back: a token that may have been sent is not sent again but by the very
   * same request. ClientError `client/no-tokens`.
   */
  async spend<T>(operation: OperationName, use: (token: Buffer) => Promise<T>): Promise<T> {
    const { token: tokenClass, price } = operations[operation];
    if (tokenClass === "none") throw new ClientError("client/no-tokens");
    const { pool, clock } = this.#session;
    const arena = pool.arena();
    try {
      // Fewer than the price would be lost to a refusal.
      if (this.#wallet.count(tokenClass) < price) throw new ClientError("client/no-tokens");
      this.#spentAt = clock();
      const slots = arena.take(price * TOKEN_SLOT_LENGTH);
      for (let at = 0; at < slots.length; at += TOKEN_SLOT_LENGTH) {
        await this.#wallet.take(tokenClass, slots.subarray(at, at + TOKEN_SLOT_LENGTH)).catch(outOfTokens);
      }
      return await use(slots);
    } finally {
      arena.close();
    }
  }

  /** Takes an invitation out of the wallet, as text to hand to a person. ClientError `client/no-invitations`. */
  async invite(): Promise<string> {
    const arena = this.#session.pool.arena();
    try {
      if (this.#wallet.count("invite") === 0) throw new ClientError("client/no-invitations");
      return encodeInvitation(this.#session.onion, await this.#wallet.take("invite", arena.take(TOKEN_LENGTH)));
    } finally {
      arena.close();
    }
  }

  /** 1 more than the newest epoch of which this wallet has drawn or has been given. */
  get epochs(): number {
    return this.#schedule.drawnUntil;
  }

  /** Takes tokens out for another client of the user; undefined when there are not so many. */
  share(tokenClass: TokenClass, count: number, out: Buffer): Promise<Buffer | undefined> {
    return this.#wallet.count(tokenClass) < 2 * count
      ? Promise.resolve(undefined)
      : this.#wallet.share(tokenClass, count, out);
  }

  /** Takes up what another client of the user has shared. */
  receive(shared: Uint8Array): Promise<void> {
    return this.#wallet.receive(shared);
  }

  /** When tokens are drawn next. Unix seconds. ClientError `client/not-registered`. */
  get nextDraw(): number {
    return this.#schedule.next;
  }

  /** Chooses when to draw, once an account is there. */
  settle(): Promise<void> {
    return this.#schedule.choose(this.#session.clock());
  }

  /** Draws what is due; a newcomer's tokens, or what was interrupted, at once. Throws as the server refuses. */
  async draw(account: Account): Promise<void> {
    const { clock } = this.#session;
    // Signed for by an account: without one there is nothing to choose a moment for.
    if (!account.registered) throw new ClientError("client/not-registered");
    await this.#schedule.choose(clock());
    const epoch = this.#due(true);
    if (epoch !== undefined) await this.#draw(account, epoch);
  }

  /**
   * Draws what is due, but not soon after a token was spent: the two would stand side by side in the server's day. A
   * failure is made up for later; only what says that the server is another is thrown.
   */
  async refill(account: Account): Promise<void> {
    const { clock } = this.#session;
    await this.#schedule.choose(clock());
    const epoch = this.#due(false);
    if (epoch === undefined) return;
    await this.#draw(account, epoch).catch((error: unknown) => {
      if (!isRefusal(error) || error.code === "server/identity") throw error;
    });
  }

  #due(asked: boolean): number | undefined {
    const now = this.#session.clock();
    return this.#schedule.due(now, { asked, quiet: now - this.#spentAt >= APART });
  }

  async #draw(account: Account, epoch: number): Promise<void> {
    const { clock } = this.#session;
    await this.#schedule.begin(clock());
    try {
      await this.#drawAll(account, epoch);
    } catch (error) {
      if (isRefusal(error)) await this.#schedule.failed(clock());
      throw error;
    }
    await this.#schedule.drawn(epoch);
  }

  // Everybody draws whole batches of every class, so that what one draws says nothing of what one does. An interrupted
  // draw goes on with the same requests.
  async #drawAll(account: Account, epoch: number): Promise<void> {
    const server = await this.#session.directory.refresh();
    this.#issuers.keys = issuerKeys(server);
    for (const tokenClass of server.registration >= BY_INVITATION ? [...SPENT, "invite" as const] : SPENT) {
      const key = this.#issuers.keys.find(
        (k) => k.class === tokenClass && k.epoch === epoch && typeOfPublicKey(k.publicKey) === VOPRF,
      );
      if (key === undefined) throw new Fault("token/unknown-key");
      if (this.#wallet.drawn(key.publicKey)) continue;
      if (tokenClass === "invite") await this.#drawInvitations(account, key.publicKey).catch(hasAnother);
      else await this.#drawBatch(account, key.publicKey, BATCH_SIZE);
    }
  }

  // What a house allows is the same for all its accounts, so is the size that each ends up with.
  async #drawInvitations(account: Account, publicKey: Uint8Array): Promise<void> {
    for (let size = INVITATIONS; size > 0; size--) {
      try {
        return await this.#drawBatch(account, publicKey, size);
      } catch (error) {
        if (!(error instanceof Fault && error.code === "token/allowance")) throw error;
      }
    }
  }

  async #drawBatch(account: Account, publicKey: Uint8Array, size: number): Promise<void> {
    const { call, onion } = this.#session;
    const pending = await this.#wallet.requestBatch(publicKey, tokenChallenge(onion, VOPRF), size);
    const request = { ...account.ids, tokenRequest: pending.request };
    const ask = { operation: "as.issueTokens", circuit: ISSUANCE, request, signer: account.signRequest } as const;
    try {
      await call(ask, ({ tokenResponse }) => this.#wallet.finalize(pending, tokenResponse));
    } catch (error) {
      // Of an allowance of fewer than this many nothing was issued.
      if (size < BATCH_SIZE && error instanceof Fault && error.code === "token/allowance") {
        await this.#wallet.abandon(pending);
      }
      throw error;
    }
  }

  close(): Promise<void> {
    return this.#wallet.close();
  }
}

// Another client of the user has drawn them.
function hasAnother(error: unknown): void {
  if (!(error instanceof Fault && error.code === "token/conflict")) throw error;
}

const isRefusal = (error: unknown): error is ClientError | Fault =>
  error instanceof ClientError || error instanceof Fault;

function outOfTokens(error: unknown): never {
  throw error instanceof Fault && error.code === "token/required" ? new ClientError("client/no-tokens") : error;
}
