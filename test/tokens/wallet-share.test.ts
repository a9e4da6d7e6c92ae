import assert from "node:assert/strict";
import { lockedAlloc } from "../../src/memory/locked.ts";
import { tokenChallenge } from "../../tokens/challenge.ts";
import { issueBatch } from "../../tokens/issuer.ts";
import { Wallet } from "../../tokens/wallet.ts";
import { allocate, makeSetting, NOW, ORIGIN, type Setting } from "./setting.ts";

describe("tokens/wallet, shared with another of the same user", () => {
  let setting: Setting;
  before(async () => {
    setting = await makeSetting();
    setting.clock.now = NOW;
  });

  const open = async (state: { bytes: Buffer | undefined } = { bytes: undefined }): Promise<Wallet> =>
    Wallet.open({
      storage: {
        load: () => state.bytes && Buffer.from(state.bytes),
        save: (bytes) => void (state.bytes = Buffer.from(bytes)),
      },
      directory: () => setting.keys.all,
      now: () => setting.clock.now,
    });
  async function drawn(wallet: Wallet, size: number): Promise<void> {
    const { publicKey } = setting.keys.current("deliver", NOW);
    const pending = await wallet.requestBatch(publicKey, tokenChallenge(ORIGIN), size);
    const now = setting.clock.now;
    await wallet.finalize(pending, await issueBatch(setting.keys, pending.request, { maxBatch: 100, now, allocate }));
  }
  const all = async (wallet: Wallet): Promise<string[]> => {
    const tokens: string[] = [];
    while (wallet.count("deliver") > 0)
      tokens.push(Buffer.from(await wallet.take("deliver", lockedAlloc(354))).toString("hex"));
    return tokens;
  };

  it("each token is in one wallet, and good there, also when a share comes twice", async () => {
    const [one, other] = [await open(), await open()];
    await drawn(one, 10);
    const shared = (await one.share("deliver", 4, lockedAlloc(2000)))!;
    assert.equal(one.count("deliver"), 6);
    await other.receive(Buffer.from(shared));
    await other.receive(Buffer.from(shared));
    assert.equal(other.count("deliver"), 4);
    const more = (await one.share("deliver", 2, lockedAlloc(2000)))!;
    await other.receive(Buffer.from(more));
    assert.equal(other.count("deliver"), 6);
    const tokens = [...(await all(one)), ...(await all(other))];
    assert.equal(new Set(tokens).size, 10);
    for (const token of tokens) setting.redeemer.check(Buffer.from(token, "hex"), "deliver", Buffer.alloc(32));
  });

  it("are gone from the saved state before they are handed over; too many, and too little room, take none", async () => {
    const state: { bytes: Buffer | undefined } = { bytes: undefined };
    const wallet = await open(state);
    await drawn(wallet, 5);
    assert.equal(await wallet.share("deliver", 6, lockedAlloc(2000)), undefined);
    assert.equal(await wallet.share("deliver", 5, lockedAlloc(100)), undefined);
    assert.equal(wallet.count("deliver"), 5);
    await wallet.share("deliver", 3, lockedAlloc(2000));
    assert.equal((await open(state)).count("deliver"), 2);
    await assert.rejects(wallet.receive(Buffer.alloc(9, 1)), { code: "store/corrupt" });
  });
});
