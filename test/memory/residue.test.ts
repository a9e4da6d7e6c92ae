import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { hardened } from "../../src/hardening/launch.ts";
import { ask, httpHead } from "../http/envelope-client.ts";
import { cannotRead, scanProcess } from "./process-memory.ts";
import { sendForeign, sendTraffic, type Target } from "./residue-traffic.ts";
import { describeHits } from "./hits.ts";
import { Scanner } from "./scanner.ts";

const PLAIN = 100;
const ROUNDS = 4;
const WAIT_MS = 2_000;
/** A process of ours is never smaller: less means that its memory was not read. */
const LEAST_BYTES = 20 << 20;

describe("memory/residue", () => {
  let folder: string;
  let child: ChildProcess | undefined;

  const startServer = async (mode: "clean" | "leaky" | "collecting"): Promise<Target & { pid: number }> => {
    const socketPath = join(folder, mode);
    const script = fileURLToPath(new URL("residue-server.ts", import.meta.url));
    const command = hardened(["--import", "tsx", script, socketPath, mode]);
    child = spawn(...command, { stdio: ["ignore", "ignore", "inherit", "ipc"] });
    const [said] = (await Promise.race([once(child, "message"), once(child, "exit")])) as [unknown];
    const { serverKey } = (said ?? {}) as { serverKey?: string };
    assert.ok(serverKey !== undefined, "the server started");
    const directory = await ask(socketPath, httpHead(0, [], "GET /.well-known/tacet/directory HTTP/1.1"));
    assert.ok(directory !== undefined && child.pid !== undefined);
    return { socketPath, publicKey: directory.body, domain: Buffer.from(serverKey, "hex"), pid: child.pid };
  };

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "tacet-residue-"));
  });
  afterEach(async () => {
    if (child !== undefined && child.exitCode === null && child.signalCode === null) {
      const gone = once(child, "exit");
      child.kill("SIGKILL");
      await gone;
    }
    child = undefined;
    rmSync(folder, { recursive: true, force: true });
  });

  it("two seconds after its last request a server holds nothing of any", async function () {
    this.timeout(120_000);
    const server = await startServer("clean");
    const reason = cannotRead(server.pid);
    if (reason !== undefined) {
      this.test!.title += ` [${reason}]`;
      this.skip(); // the reason is in the title: this process may not read that memory
    }
    const traffic = await sendTraffic(server, PLAIN, ROUNDS);
    assert.equal(traffic.answered, PLAIN);
    await pause(WAIT_MS);
    process.kill(server.pid, "SIGSTOP"); // before the scanner is built, which takes a while
    // the ciphertext too: until its envelope key is destroyed it is as good as the plaintext to who takes the memory
    const scanner = new Scanner([...traffic.canaries, ...traffic.wire]);
    const bytes = scanProcess(server.pid, scanner);
    assert.ok(bytes > LEAST_BYTES, `only ${bytes} bytes were read`);
    assert.deepEqual(describeHits(scanner.hits), []);
  });

  it("control: one id kept as a string and one copied message are found", async function () {
    this.timeout(60_000);
    const server = await startServer("leaky");
    const reason = cannotRead(server.pid);
    if (reason !== undefined) {
      this.test!.title += ` [${reason}]`;
      this.skip(); // the reason is in the title: this process may not read that memory
    }
    const traffic = await sendTraffic(server, 8, 0);
    assert.equal(traffic.answered, 8);
    await pause(WAIT_MS);
    process.kill(server.pid, "SIGSTOP");
    const scanner = new Scanner(traffic.canaries);
    scanProcess(server.pid, scanner);
    const found = new Set(scanner.hits.map(({ kind, form }) => `${kind} ${form}`));
    assert.ok(found.has("groupId hex"), [...found].join(", "));
    assert.ok(found.has("message raw"), [...found].join(", "));
    assert.ok(!scanner.hits.some(({ kind }) => kind === "groupKey" || kind === "signature"));
  });

  it("a collection takes most tokens of foreign clients, which come as text and cannot be wiped", async function () {
    this.timeout(60_000);
    const left = { clean: 0, collecting: 0 };
    for (const mode of ["clean", "collecting"] as const) {
      const server = await startServer(mode);
      const reason = cannotRead(server.pid);
      if (reason !== undefined) {
        this.test!.title += ` [${reason}]`;
        this.skip(); // the reason is in the title: this process may not read that memory
      }
      const tokens = await sendForeign(server, 40);
      await pause(1.5 * WAIT_MS);
      process.kill(server.pid, "SIGSTOP");
      const scanner = new Scanner(tokens);
      scanProcess(server.pid, scanner);
      child?.kill("SIGKILL");
      left[mode] = new Set(scanner.hits.map(({ kind }) => kind)).size;
    }
    // V8 promises no clearing of what a string was moved from, so that a few may stay.
    assert.ok(left.clean > 30, `control: without a collection they stay (${left.clean} of 40)`);
    assert.ok(left.collecting < left.clean / 2, `${left.collecting} of 40 stayed`);
  });
});
