// The torrc of the house, read by tor itself. Nothing is started: tor only checks the file.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { Fault } from "../../src/fault.ts";
import { quoted, systemTorrc, torFiles, unixSocket, type TorrcOptions } from "../../tor/torrc.ts";
import { torPresent } from "./tor-present.ts";

const options: TorrcOptions = { dataDir: "/x", ownerPid: 1, socks: false, extra: [] };

describe("torrc", () => {
  it("opens no TCP port, with and without SOCKS", () => {
    for (const socks of [false, true]) {
      const ports = systemTorrc({ ...options, socks })
        .split("\n")
        .filter((line) => /port/i.test(line.split(" ")[0] ?? ""));
      assert.equal(ports.length, 2);
      for (const line of ports) assert.match(line, /^(ControlPort "unix:|SocksPort (0$|"unix:))/);
    }
  });

  it("refuses paths that no torrc or socket address can hold", () => {
    for (const path of ["/a\nSocksPort 9050", "/a\rb", "/a\0b"])
      assert.throws(() => quoted(path), new Fault("tor/path"));
    assert.doesNotThrow(() => unixSocket(`/${"a".repeat(106)}`));
    assert.throws(() => unixSocket(`/${"a".repeat(107)}`), new Fault("tor/path"));
    assert.throws(() => unixSocket(`/${"é".repeat(54)}`), new Fault("tor/path"));
    assert.throws(() => systemTorrc({ ...options, dataDir: `/${"a".repeat(100)}` }), new Fault("tor/path"));
  });

  describe("checked by tor", () => {
    let dir: string;
    before(async function () {
      if (!(await torPresent())) this.skip(); // reason: no tor >= 0.4.8 on this machine
      dir = await mkdtemp(join(tmpdir(), "tacet-torrc-"));
    });
    after(async () => {
      if (dir) await rm(dir, { recursive: true });
    });

    const verify = async (text: string): Promise<string> => {
      const file = join(dir, "torrc");
      await writeFile(file, text);
      const args = ["--verify-config", "-f", file, "--defaults-torrc", "/dev/null"];
      return (await promisify(execFile)("tor", args)).stdout;
    };

    it("is valid, also in a directory with a space, a # and a quote in its name", async () => {
      for (const name of ["plain", 'my "house" \\ #1']) {
        const dataDir = join(dir, name);
        await mkdir(dataDir, { mode: 0o700 });
        for (const socks of [false, true]) {
          const text = systemTorrc({ ...options, dataDir, socks, ownerPid: process.pid });
          assert.match(await verify(text), /Configuration was valid/);
        }
      }
    });

    it("would be found invalid with one wrong line", async () => {
      const text = systemTorrc({ ...options, dataDir: join(dir, "plain"), extra: ["NoSuchOption 1"] });
      await assert.rejects(verify(text));
    });
  });

  it("names the files others need", () => {
    assert.equal(torFiles("/a").controlSocket, "/a/control.sock");
    assert.equal(torFiles("/a").cookieFile, "/a/control_auth_cookie");
  });
});
