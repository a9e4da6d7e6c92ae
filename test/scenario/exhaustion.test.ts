// What connections that ask for much and finish nothing may take from the others.
import assert from "node:assert/strict";
import { connect, type Socket } from "node:net";
import { API_PATH, PREAMBLE_LENGTH } from "../../src/wire/frame.ts";
import { startTestHouse, type TestHouse } from "../house.ts";
import { rawAccount, rawHouse, type RawHouse } from "../raw-account.ts";
import { sealRequest } from "../raw-client.ts";
import { rawQueue, type RawQueue } from "../raw-group.ts";

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

describe("scenario: exhaustion", function () {
  this.timeout(60_000);
  let house: TestHouse;
  let raw: RawHouse;
  let queue: RawQueue;
  const sockets: Socket[] = [];
  before(async () => {
    house = await startTestHouse();
    raw = await rawHouse(house);
    queue = await rawQueue(raw, await (await rawAccount(house, raw, "mallory")).draw("create"));
  });
  afterEach(() => {
    for (const socket of sockets.splice(0)) socket.destroy();
  });
  after(async () => {
    raw.close();
    await house.stop();
  });

  /** Sends the first `bytes` of a request on a connection of its own. */
  const begin = async (body: Buffer, bytes = body.length): Promise<Socket> => {
    const socket = connect({ path: house.socketPath });
    socket.on("error", () => undefined);
    sockets.push(socket);
    const head = `POST ${API_PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n`;
    await new Promise((resolve) => socket.write(Buffer.concat([Buffer.from(head), body.subarray(0, bytes)]), resolve));
    return socket;
  };
  const read = (wait: number) => ({
    operation: "qs.read" as const,
    request: { queueId: queue.queueId, acknowledge: 0, wait },
    signer: queue.signer,
  });
  const until = async (holds: () => boolean): Promise<void> => {
    for (let i = 0; i < 100 && !holds(); i++) await pause(50);
    assert.ok(holds());
  };

  it("a reader that hangs up gives back what its wait held", async () => {
    const held = house.arenas.open;
    for (let i = 0; i < 20; i++) await begin(sealRequest(raw.to, { ...read(25), now: house.now() }).body);
    await until(() => house.arenas.open === held + 20); // control: they do wait
    for (const socket of sockets.splice(0)) socket.destroy();
    await until(() => house.arenas.open === held);
  });

  it("uploads without a token that are never finished leave room for others", async () => {
    const operation = "qs.publish" as const;
    const held = house.arenas.open;
    for (let i = 0; i < 400; i++) {
      const { body } = sealRequest(raw.to, { operation, request: Buffer.alloc(9), now: house.now() });
      await begin(body, PREAMBLE_LENGTH + 9);
    }
    await until(() => house.arenas.open === held + 400);
    assert.equal((await raw.ask(read(0))).code, "ok");
  });
});
