// A house as its configuration makes it, with stand-ins for tor: how it comes by the keys of another issuer.
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseConfig } from "../../src/config/config.ts";
import { createHouse, openHouse } from "../../src/main.ts";
import { makeObserver } from "../../src/observe/observer.ts";
import { socketTransport } from "../../tor/socket-transport.ts";
import { drawForeign, startIssuer } from "../external.ts";
import type { TestHouse } from "../house.ts";
import { rawHouse } from "../raw-account.ts";
import { standInControl, type StandInControl } from "../tor/stand-in-control.ts";
import { standInSocks, type StandInSocks } from "../tor/stand-in-socks.ts";

const now = (): number => Math.floor(Date.now() / 1000);

describe("[4.8] a house that names another issuer in its configuration", function () {
  this.timeout(30_000);
  let dir: string;
  let issuer: TestHouse;
  let control: StandInControl;
  let socks: StandInSocks;
  let onion: string;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), "tacet-named-"));
    issuer = await startIssuer();
    control = await standInControl((line) => {
      if (line.startsWith("GETINFO")) return "250-status/bootstrap-phase=NOTICE PROGRESS=100\r\n250 OK\r\n";
      if (!line.startsWith("ADD_ONION")) return "250 OK\r\n";
      const service = onion.slice(0, 56);
      const uploaded = ["UPLOAD", "UPLOADED"].map((action) => `650 HS_DESC ${action} ${service} UNKNOWN\r\n`);
      return `250-ServiceID=${service}\r\n250 OK\r\n${uploaded.join("")}`;
    });
    socks = await standInSocks({ target: issuer.socketPath });
  });
  afterEach(async () => {
    await Promise.all([issuer.stop(), control.close(), socks.close()]);
    await rm(dir, { recursive: true });
  });

  const configOf = (named: string) =>
    parseConfig(
      [
        `data_dir = "${join(dir, "data")}"`,
        `socket = "${join(dir, "s")}"`,
        `[key]\nsource = "file"\npath = "${join(dir, "key")}"`,
        `[tor]\nmode = "control"\ncontrol_socket = "${control.path}"\nsocks_socket = "${socks.path}"`,
        `[[external_issuers]]\nonion = "${named}"\nclass = "discover"\ndaily_budget = 1`,
      ].join("\n"),
    );

  it("asks it through tor once it is there, and takes its tokens", async () => {
    const config = configOf(issuer.onion);
    ({ onion } = await createHouse({ config }));
    const house = await openHouse({ config, observe: makeObserver(() => undefined) });
    try {
      assert.deepEqual(socks.destinations, []);
      await house.start();
      const transport = () => socketTransport(config.socket, onion);
      const raw = await rawHouse({ onion, transport, now, invite: () => [] });
      const tokens = await drawForeign(issuer, "discover", 2, { origin: onion });
      const spend = async (token: Buffer) =>
        (await raw.ask({ operation: "as.discover", request: { name: Buffer.from("nobody") }, token })).code;
      let code = await spend(tokens[0]!);
      for (let i = 0; i < 100 && code === "token/unknown-key"; i++) {
        await new Promise((resolve) => setTimeout(resolve, 20));
        code = await spend(tokens[0]!);
      }
      assert.equal(code, "ok");
      assert.equal(await spend(tokens[1]!), "token/budget");
      assert.deepEqual(socks.destinations, [`${issuer.onion}:80`]);
      raw.close();
    } finally {
      await house.stop();
    }
  });

  it("does not start when it names itself", async () => {
    ({ onion } = await createHouse({ config: configOf(issuer.onion) }));
    const house = await openHouse({ config: configOf(onion), observe: makeObserver(() => undefined) });
    try {
      await assert.rejects(house.start(), { name: "ConfigProblem", message: /^external_issuers: name this house/ });
    } finally {
      await house.stop();
    }
  });
});
