import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { parseConfig, readConfig } from "../../src/config/config.ts";
import { exampleConfig } from "../../src/config/example.ts";
import { ConfigProblem } from "../../src/config/problem.ts";

const least = 'data_dir = "/var/lib/tacet"\n[key]\nsource = "file"\npath = "/etc/tacet/master.key"\n';

describe("config", () => {
  it("fills in what is left out", () => {
    assert.deepEqual(parseConfig(least), {
      dataDir: "/var/lib/tacet",
      socket: "/var/lib/tacet/http.sock",
      key: { source: "file", path: "/etc/tacet/master.key" },
      tor: { mode: "launch", pow: true },
      limits: { connections: 640, headerSeconds: 20, requestSeconds: 90, replySeconds: 60, idleSeconds: 90 },
      tokens: { batch: 100, types: ["0x0005"] },
      registration: {
        mode: "closed",
        invitationsPerEpoch: 5,
        work: { minEffort: 4, maxEffort: 14, perHour: 20 },
      },
      store: { reserveMb: 64, apartDir: "/var/lib/tacet/state" },
      envelope: { rotationSeconds: 600 },
      externalIssuers: [],
    });
  });

  const issuer = (letter: string): string =>
    `[[external_issuers]]\nonion = "${letter.repeat(56)}.onion"\nclass = "deliver"\ndaily_budget = 10\n`;

  it("reads external issuers, and how they are reached by a tor that already runs", () => {
    const onions = ["a", "b"].map((letter) => `${letter.repeat(56)}.onion`);
    const both = `${least}${issuer("a")}${issuer("b").replace("deliver", "create").replace("10", "11")}`;
    assert.deepEqual(parseConfig(both).externalIssuers, [
      { onion: onions[0], class: "deliver", dailyBudget: 10 },
      { onion: onions[1], class: "create", dailyBudget: 11 },
    ]);
    const control = `${both}[tor]\nmode = "control"\ncontrol_socket = "/run/tor/control"\n`;
    const socksOf = (text: string) => ({ socks: undefined, ...parseConfig(text).tor }).socks;
    assert.deepEqual(socksOf(`${control}socks_socket = "/s"\n`), { socksPath: "/s" });
    assert.deepEqual(socksOf(`${control}socks_port = 9050\n`), { socksHost: "127.0.0.1", socksPort: 9050 });
    assert.throws(() => parseConfig(control), /^ConfigProblem: tor\.socks_socket: missing, add it/);
  });

  it("refuses what is no external issuer", () => {
    for (const [text, message] of [
      [issuer("A"), /^external_issuers\.0\.onion: must be 56 characters/],
      [issuer("a").replace("deliver", "invite"), /^external_issuers\.0\.class: must be one of "create"/],
      [issuer("a").replace("10", "0"), /^external_issuers\.0\.daily_budget: .*from 1 to/],
      [
        issuer("a").replace("onion =", "address ="),
        /^external_issuers\.0\.address: unknown key.*daily_budget, onion\)$/,
      ],
      [issuer("a").replace(/^class.*\n/m, ""), /^external_issuers\.0\.class: missing/],
      [issuer("a") + issuer("b") + issuer("a"), /^external_issuers: must name each issuer once/],
      ["abcdefghi".split("").map(issuer).join(""), /^external_issuers: must be at most 8/],
    ] as const) {
      assert.throws(() => parseConfig(least + text), { name: "ConfigProblem", message });
    }
    assert.equal(parseConfig(least + "abcdefgh".split("").map(issuer).join("")).externalIssuers.length, 8);
    for (const [text, message] of [
      ['external_issuers = "a"\n', /^external_issuers: must be a list of tables, write \[\[external_issuers\]\]/],
      ["external_issuers = [3]\n", /^external_issuers\.0: must be a table, write \[\[external_issuers\]\]/],
    ] as const) {
      assert.throws(() => parseConfig(text + least), { name: "ConfigProblem", message });
    }
  });

  it("reads a tor that already runs", () => {
    const text = `${least}[tor]\nmode = "control"\ncontrol_socket = "/run/tor/control"\npow = false\n`;
    assert.deepEqual(parseConfig(text).tor, {
      mode: "control",
      pow: false,
      controlSocket: "/run/tor/control",
      cookieFile: undefined,
      socks: undefined,
    });
  });

  for (const [title, text, message] of [
    ["open registration", `${least}[registration]\nmode = "open"\n`, /^registration\.mode: must be one of "closed"/],
    [
      "efforts the wrong way round",
      `${least}[registration]\nwork_min_effort = 9\nwork_max_effort = 8\n`,
      /^registration\.work_min_effort: is above work_max_effort/,
    ],
    [
      "a currency that is not the house's own",
      `${least}[tokens]\ntypes = ["0x0002"]\n`,
      /^tokens\.types: must begin with/,
    ],
    ["a key nobody knows", `wrong = 1\n${least}`, /^wrong: unknown key, remove it .*known: data_dir, envelope/],
    [
      "a key nobody knows in a section",
      `${least}[limits]\nconections = 3\n`,
      /^limits\.conections: unknown .*\bconnections/,
    ],
    ["a section nobody knows", `${least}[net]\nport = 80\n`, /^net: unknown key/],
    ["a missing folder", least.slice(least.indexOf("[key]")), /^data_dir: missing, add it/],
    ["a missing section", 'data_dir = "/x"\n', /^key: missing, add it/],
    ["a missing key file", 'data_dir = "/x"\n[key]\nsource = "file"\n', /^key\.path: missing, add it/],
    ["a relative folder", least.replace("/var", "var"), /^data_dir: must be an absolute path, begin it with \//],
    ["a number for a path", least.replace('"/var/lib/tacet"', "3"), /^data_dir: must be a path in quotes/],
    ["a value for a section", `limits = 3\n${least}`, /^limits: must be a table/],
    ["an unknown source", least.replace('"file"', '"env"'), /^key\.source: must be one of "file", "passphrase_file"/],
    ["too many connections", `${least}[limits]\nconnections = 5000\n`, /^limits\.connections: .*from 1 to 700/],
    ["headers slower than requests", `${least}[limits]\nrequest_seconds = 5\n`, /^limits\.header_seconds: is longer/],
    ["half a second", `${least}[envelope]\nrotation_seconds = 60.5\n`, /^envelope\.rotation_seconds: .*whole number/],
    ["a word for a switch", `${least}[tor]\npow = "yes"\n`, /^tor\.pow: must be true or false/],
    ["a long socket", `socket = "/${"x".repeat(107)}"\n${least}`, /^socket: .*below 108 bytes/],
    [
      "a folder too deep for its socket",
      least.replace("tacet", "t".repeat(100)),
      /^socket: .*add socket with a shorter/,
    ],
    ["control without a socket", `${least}[tor]\nmode = "control"\n`, /^tor\.control_socket: missing/],
    ["a SOCKS port without control", `${least}[tor]\nsocks_port = 9050\n`, /^tor\.socks_port: goes with tor\.mode/],
    [
      "two ways to the same SOCKS listener",
      `${least}[tor]\nmode = "control"\ncontrol_socket = "/c"\nsocks_port = 1\nsocks_socket = "/s"\n`,
      /^tor\.socks_port: goes without/,
    ],
    ["a cookie without control", `${least}[tor]\ncookie_file = "/c"\n`, /^tor\.cookie_file: goes with/],
    ["what is not TOML", `${least}[tor\n`, /^line 5, column \d+: not TOML, correct the line$/],
  ] as const) {
    it(`refuses ${title}`, () => {
      assert.throws(
        () => parseConfig(text),
        (error) => error instanceof ConfigProblem && message.test(error.message),
        message.source,
      );
    });
  }

  it("never repeats a value", () => {
    const secret = "hunter2-hunter2";
    for (const text of [
      `${least}[tor]\nmode = "${secret}"\n`,
      least.replace("/var/lib/tacet", secret),
      least.replace("[key]", `${secret} = [key`),
    ]) {
      assert.throws(
        () => parseConfig(text),
        (error) => error instanceof ConfigProblem && !error.message.includes(secret),
      );
    }
  });

  it("gives a problem or a configuration for any text", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        try {
          parseConfig(`${least}${text}`);
        } catch (error) {
          assert.ok(error instanceof ConfigProblem, String(error));
        }
      }),
    );
  });

  it("says which file, and what to do when it is not there", () => {
    const folder = mkdtempSync(join(tmpdir(), "tacet-config-"));
    try {
      const path = join(folder, "tacet.toml");
      assert.throws(() => readConfig(path), { message: /tacet init/ });
      assert.throws(() => readConfig(folder), { message: /cannot be read/ });
      writeFileSync(path, "x = 1\n");
      assert.throws(
        () => readConfig(path),
        (error) => (error as Error).message.startsWith(`${path}: `),
      );
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe("config/example", () => {
  const example = exampleConfig({ dataDir: "/srv/house", keyPath: "/srv/key" });

  it("is a configuration, and stays one when every comment is taken off a key", () => {
    assert.equal(parseConfig(example).dataDir, "/srv/house");
    const uncommented = example
      .replace(/^# (\w+ = )/gm, "$1")
      .replace('mode = "launch"', 'mode = "control"')
      .replace(/^socks_port = .*\n/m, ""); // there beside socks_socket
    const { tor, ...all } = parseConfig(uncommented);
    const { tor: defaultTor, ...defaults } = parseConfig(example);
    assert.deepEqual(all, defaults);
    assert.equal(tor.mode, "control");
    assert.equal(tor.pow, defaultTor.pow);
  });

  it("explains every key in sentences", () => {
    const lines = example.split("\n");
    for (const [i, line] of lines.entries()) {
      if (!/^(# )?\w+ = /.test(line)) continue;
      assert.match(lines[i - 1] ?? "", /^# .*\.$/, line);
    }
    assert.ok(lines.every((line) => line.length <= 102));
  });
});
