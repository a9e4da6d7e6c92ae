// An optional check: clients of circl, a Go library, draw from this house and spend here. Needs a Go toolchain and, once,
// its module proxy; without them it is left out.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { createInterface } from "node:readline";
import { tokenChallenge } from "../../tokens/challenge.ts";
import { mediaTypes } from "../../tokens/request.ts";
import { BLIND_RSA, VOPRF } from "../../tokens/types.ts";
import { discover, newcomer, plain, requestTokens } from "../http/foreign-client.ts";
import { startTestHouse, type TestHouse } from "../house.ts";

const SOURCE = new URL("./go", import.meta.url).pathname;
const BUILD_MS = 60_000;
const RUN_MS = 10_000;

const findGo = (): string | undefined =>
  [...(process.env["PATH"] ?? "").split(delimiter), "/usr/local/go/bin"]
    .map((folder) => join(folder, "go"))
    .find((path) => existsSync(path));

/** Builds the client into `folder`; gives the reason where that cannot be. */
function build(folder: string): string | undefined {
  const go = findGo();
  if (go === undefined) return "no Go toolchain here";
  const env = { ...process.env, GOTOOLCHAIN: "local", GOFLAGS: "-mod=readonly", CGO_ENABLED: "0" };
  const args = ["build", "-o", join(folder, "client"), "."];
  const { status } = spawnSync(go, args, { cwd: SOURCE, env, timeout: BUILD_MS, stdio: "ignore" });
  return status === 0 ? undefined : "Go could not fetch and build circl within a minute";
}

describe("[12] clients of circl (Go)", function () {
  this.timeout(BUILD_MS + 30_000);
  let house: TestHouse;
  let folder: string;
  let reason: string | undefined;

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "tacet-go-"));
    reason = build(folder);
    house = await startTestHouse({ policy: { types: [VOPRF, BLIND_RSA] } });
  });
  after(async () => {
    await house.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  /** Runs one client through an exchange with the house; its tokens. */
  const draw = async (form: "amortized" | "single", type: number, count: number): Promise<Buffer[]> => {
    const directory = await plain(house, "GET /.well-known/private-token-issuer-directory");
    const keys = (JSON.parse(directory.body.toString()) as { "token-keys": Record<string, string | number>[] })[
      "token-keys"
    ];
    const listed = keys.find((key) => key["token-type"] === type && key["tacet-class"] === "discover");
    const key = Buffer.from(String(listed?.["token-key"]), "base64url");
    const challenge = tokenChallenge(house.onion, type === VOPRF ? VOPRF : BLIND_RSA);
    const child = spawn(join(folder, "client"), [form, String(count)], {
      stdio: ["pipe", "pipe", "inherit"],
      timeout: RUN_MS,
    });
    const ended = new Promise((resolve) => child.once("close", resolve));
    const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
    const next = async (): Promise<Buffer> => Buffer.from(String((await lines.next()).value), "hex");
    child.stdin.write(`${key.toString("hex")}\n${challenge.toString("hex")}\n`);
    const account = await newcomer(house, `gopher.${form}`);
    const { body, status } = await requestTokens(house, account, mediaTypes[form].request, await next());
    assert.equal(status, 200);
    child.stdin.end(`${body.toString("hex")}\n`);
    const tokens: Buffer[] = [];
    for (let i = 0; i < count; i++) tokens.push(await next());
    assert.equal(await ended, 0);
    return tokens;
  };

  for (const [form, type, count] of [
    ["amortized", VOPRF, 5],
    ["single", BLIND_RSA, 1],
  ] as const) {
    it(`draw ${count} of type ${type} and spend them`, async function () {
      if (reason !== undefined) {
        this.test!.title += ` [${reason}]`;
        this.skip(); // the reason is in the title: no Go, or no way to its modules
      }
      for (const token of await draw(form, type, count)) {
        const authorization = `PrivateToken token="${token.toString("base64url")}"`;
        assert.equal((await discover(house, authorization)).code, "ok");
        assert.equal((await discover(house, authorization)).code, "token/spent");
      }
    });
  }
});
