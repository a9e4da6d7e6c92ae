import assert from "node:assert/strict";
import { DIRECTORY_PATH } from "../../src/wire/frame.ts";
import { decode } from "../../src/wire/codec.ts";
import { directory, splitSigned } from "../../src/wire/documents.ts";
import { verify } from "../../src/crypto/sign.ts";
import { startTestHouse } from "../house.ts";

describe("the house", () => {
  it("[2.1] publishes one signed directory, the same for everybody, also after a restart", async () => {
    const house = await startTestHouse();
    try {
      const [a, b] = [house.transport(), house.transport()];
      const first = await a.get("x", DIRECTORY_PATH);
      const second = await b.get("y", DIRECTORY_PATH);
      assert.equal(first.status, 200);
      assert.deepEqual(first.body, second.body);
      const { body, signature } = splitSigned(first.body);
      const document = decode(directory, body);
      assert.ok(verify(signature, "directory", document.directoryKey, body));
      assert.equal(document.issuers.length, 5);
      assert.equal(document.envelopeKeys.length, 1);
      await house.restart();
      const third = decode(directory, splitSigned((await a.get("x", DIRECTORY_PATH)).body).body);
      for (const key of ["domain", "directoryKey", "rootKey", "intermediate"] as const) {
        assert.deepEqual(third[key], document[key]);
      }
      assert.deepEqual(third.issuers, document.issuers);
      assert.notDeepEqual(third.envelopeKeys, document.envelopeKeys);
      a.close();
      b.close();
    } finally {
      await house.stop();
    }
  });

  it("rotates envelope keys by the clock and keeps one overlap", async () => {
    const house = await startTestHouse({ rotationSeconds: 100 });
    try {
      const transport = house.transport();
      const read = async () => decode(directory, splitSigned((await transport.get("x", DIRECTORY_PATH)).body).body);
      const before = await read();
      await house.advance(101);
      const after = await read();
      assert.equal(after.envelopeKeys.length, 2);
      assert.deepEqual(after.envelopeKeys[1]?.publicKey, before.envelopeKeys[0]?.publicKey);
      await house.advance(201);
      assert.equal((await read()).envelopeKeys.length, 1);
      transport.close();
    } finally {
      await house.stop();
    }
  });
});
