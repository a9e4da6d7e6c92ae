import assert from "node:assert/strict";
import { EnvelopeKeys } from "../../src/http/envelope-keys.ts";

describe("http/envelope-keys", () => {
  it("keeps the previous key for one interval and destroys it then", () => {
    const keys = new EnvelopeKeys({ rotationSeconds: 100 });
    keys.rotate(1000);
    const [first] = keys.published();
    assert.deepEqual([keys.isDue(1099), keys.isDue(1100), first?.notAfter], [false, true, 1200]);
    keys.rotate(1100);
    assert.equal(keys.published().length, 2);
    assert.notDeepEqual(keys.published()[0]?.publicKey, first?.publicKey);
    assert.deepEqual(keys.published()[1]?.publicKey, first?.publicKey);
    keys.expire(1199);
    assert.equal(keys.published().length, 2);
    keys.rotate(1200);
    assert.equal(keys.published().length, 2);
    assert.ok(keys.published().every(({ publicKey }) => !publicKey.equals(first?.publicKey ?? Buffer.alloc(0))));
    keys.destroy();
    assert.deepEqual(keys.published(), []);
  });
});
