import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { checkSocketPath, removeStaleSocket } from "../../src/http/socket-file.ts";

describe("http/socket-file", () => {
  let folder: string;
  let path: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "tacet-socket-"));
    path = join(folder, "s");
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it("takes the path of a unix socket and nothing else", () => {
    checkSocketPath(path);
    checkSocketPath(`/${"x".repeat(106)}`);
    for (const wrong of [80, "80", "s", "", "127.0.0.1:80", "\0abstract", "/a\0b", "/a/", `/${"x".repeat(107)}`, {}]) {
      assert.throws(() => checkSocketPath(wrong), { code: "http/socket-path" });
    }
  });

  it("removes a socket whose process was killed", async () => {
    const script = `require("node:net").createServer().listen(${JSON.stringify(path)}, () => console.log("up"))`;
    const child = spawn(process.execPath, ["-e", script], { stdio: ["ignore", "pipe", "inherit"] });
    await once(child.stdout, "data");
    child.kill("SIGKILL");
    await once(child, "exit");
    assert.ok(existsSync(path), "control: the file outlives its process");
    await removeStaleSocket(path);
    assert.deepEqual(readdirSync(folder), []);
  });

  it("never removes a live one", async () => {
    const server = createServer().listen({ path });
    await once(server, "listening");
    await assert.rejects(removeStaleSocket(path), { code: "http/socket-in-use" });
    const client = connect({ path });
    await once(client, "connect");
    client.destroy();
    await new Promise((resolve) => server.close(resolve));
  });

  it("never removes what is no socket, and needs nothing to be there", async () => {
    await removeStaleSocket(path);
    writeFileSync(path, "mine");
    await assert.rejects(removeStaleSocket(path), { code: "http/socket-path" });
    assert.ok(existsSync(path));
  });
});
