import assert from "node:assert/strict";
import { randomBytes } from "../../src/crypto/random.ts";
import { remember } from "../../src/house/external.ts";
import { EXTERNAL_KEY_EPOCHS } from "../../tokens/external.ts";

const key = () => ({ publicKey: randomBytes(342), notBefore: 7 });

describe("house/external", () => {
  it("remembers when a key was first seen for as long as it is listed or could be taken", () => {
    const [old, young] = [key(), key()];
    let known = remember([], [old], 700);
    assert.deepEqual(known, [{ ...old, firstSeen: 700, listed: 1 }]);
    known = remember(known, [young, old], 702);
    assert.deepEqual(known, [
      { ...young, firstSeen: 702, listed: 1 },
      { ...old, firstSeen: 700, listed: 1 },
    ]);
    known = remember(known, [young], 700 + EXTERNAL_KEY_EPOCHS);
    assert.deepEqual(known[1], { ...old, firstSeen: 700, listed: 0 });
    assert.deepEqual(remember(known, [old], 700 + EXTERNAL_KEY_EPOCHS)[0], { ...old, firstSeen: 700, listed: 1 });
    known = remember(known, [young], 701 + EXTERNAL_KEY_EPOCHS);
    assert.deepEqual(known, [{ ...young, firstSeen: 702, listed: 1 }]);
    assert.equal(remember(known, [young], 800)[0]?.firstSeen, 702);
  });

  it("takes what an issuer says of a key it knows, but not its age", () => {
    const one = key();
    const known = remember([], [one], 700);
    assert.deepEqual(remember(known, [{ ...one, notBefore: 9 }], 701), [
      { ...one, notBefore: 9, firstSeen: 700, listed: 1 },
    ]);
  });

  it("does not follow an issuer that changes its keys all the time", () => {
    let known = remember([], [], 700);
    const eight = () => Array.from({ length: 8 }, key);
    for (let i = 0; i < 3; i++) known = remember(known, eight(), 700);
    assert.equal(known.length, 24);
    assert.throws(() => remember(known, eight(), 700), { code: "wire/malformed" });
    assert.equal(remember(known, eight(), 704).length, 8);
  });
});
