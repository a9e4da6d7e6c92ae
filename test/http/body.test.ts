import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { Upload, UploadEnded } from "../../src/http/body.ts";
import { httpHead, RawConnection } from "./envelope-client.ts";

const BIG = 4 << 20;

describe("http/body", () => {
  let folder: string;
  let server: Server;
  let connection: RawConnection;
  let request: IncomingMessage;
  let upload: Upload;
  /** Every chunk the stream was given, as the very memory it lies in. */
  let chunks: Buffer[];

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), "tacet-body-"));
    chunks = [];
    const arrived = new Promise<void>((resolve) => {
      server = createServer({ highWaterMark: 16 << 10 }, (req) => {
        const push = req.push.bind(req);
        req.push = (chunk: Buffer | null, ...rest) => {
          if (chunk !== null) chunks.push(chunk);
          return push(chunk, ...rest);
        };
        request = req;
        upload = new Upload(req);
        resolve();
      });
    });
    server.listen({ path: join(folder, "s") });
    await once(server, "listening");
    connection = new RawConnection(join(folder, "s"));
    connection.write(httpHead(BIG));
    await arrived;
  });
  afterEach(async () => {
    connection.end();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    rmSync(folder, { recursive: true });
  });
  const clean = () => chunks.every((chunk) => chunk.every((byte) => byte === 0));

  it("reads no further than it is asked to", async () => {
    connection.write(Buffer.alloc(BIG, 7));
    const target = Buffer.alloc(248);
    await upload.fill(target);
    assert.ok(target.every((byte) => byte === 7));
    await pause(100);
    const read = request.socket.bytesRead;
    assert.ok(read < 200 << 10, `${read} bytes read`);
    assert.equal(upload.length, BIG);
    await upload.fill(Buffer.alloc(BIG - 248));
    assert.ok(request.socket.bytesRead >= BIG, "control: all of it is read once it is asked for");
    assert.ok(chunks.length > 1 && clean());
  });

  it("wipes what was read ahead when the client goes away", async () => {
    connection.write(Buffer.alloc(300 << 10, 7));
    await upload.fill(Buffer.alloc(248));
    await pause(50);
    assert.ok(chunks.length > 1 && !clean(), "control: the rest lies unread in its chunks");
    const waiting = upload.fill(Buffer.alloc(BIG - 248));
    connection.end();
    await assert.rejects(waiting, UploadEnded);
    await pause(10);
    assert.ok(clean());
  });

  it("wipes what nobody asked for", async () => {
    connection.write(Buffer.alloc(300 << 10, 7));
    await pause(50);
    assert.ok(!clean());
    request.socket.destroy(); // what every limit of time does
    await connection.closed;
    await pause(10);
    assert.ok(clean());
    await assert.rejects(upload.fill(Buffer.alloc(1)), UploadEnded);
    assert.equal(await upload.drain(1), true);
  });

  it("drains to a bound", async () => {
    connection.write(Buffer.alloc(BIG, 7));
    assert.equal(await upload.drain(1 << 20), false);
    assert.ok(request.socket.bytesRead < BIG);
  });
});
