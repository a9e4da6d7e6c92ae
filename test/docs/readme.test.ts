// README.md against the project: its example runs, and every command, file and package it names is there.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { run } from "../../src/cli/program.ts";
import { randomBytes } from "../../src/crypto/random.ts";
import { tokenClasses } from "../../tokens/classes.ts";
import { person, texts, type Person } from "../client/people.ts";
import { startTestHouse, type TestHouse } from "../house.ts";
import { quoted, readDocument, root, tableRows } from "./markdown.ts";

const text = readDocument("README.md");
interface Package {
  readonly scripts: Readonly<Record<string, string>>;
  readonly exports: Readonly<Record<string, string>>;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
}
const project = JSON.parse(readDocument("package.json")) as Package;

/** What a text says to type, in quotes or indented: whole commands, up to a comment, a quote or the end of the line. */
const commandsOf = (from: string, program: "npm" | "npx tacet"): string[] =>
  [...from.matchAll(new RegExp(`(?:\`|^ {4})${program} ([^\`#\\n]*)`, "gm"))].map(([, rest]) => rest?.trim() ?? "");

/** npm commands that a text names and the project does not have, flags of its own scripts included. */
function unknownScripts(from: string): string[] {
  const help = new Map<string, string>();
  const helpOf = (script: string): string => {
    const file = /--import tsx (\S+\.ts)$/.exec(project.scripts[script] ?? "")?.[1] ?? "";
    const { stdout } = spawnSync(process.execPath, ["--import", "tsx", file, "--help"], {
      cwd: root,
      encoding: "utf8",
    });
    help.set(script, stdout);
    return stdout;
  };
  return commandsOf(from, "npm").filter((command) => {
    const [first = "", ...rest] = command.split(/\s+/);
    if (first === "install") return false;
    const script = first === "run" ? (rest.shift() ?? "") : first;
    if (!(script in project.scripts)) return true;
    const flags = rest.filter((word) => /^--\w/.test(word) && word !== "--help");
    return flags.some((flag) => !(help.get(script) ?? helpOf(script)).includes(flag));
  });
}

/** `tacet` commands that a text names and the program does not have. */
async function unknownCommands(from: string): Promise<string[]> {
  const printed: string[] = [];
  const print = (line: string) => void printed.push(line);
  const nothing = async () => assert.fail("no house is opened for help");
  const wrong: string[] = [];
  for (const command of commandsOf(from, "npx tacet")) {
    const words = command.split(/\s+/);
    printed.length = 0;
    await run([...words, "--help"], {
      houses: nothing,
      terminal: () => ({ json: false, out: print, err: print }),
      clock: () => 0,
    });
    const usage = `Usage: tacet ${words.filter((word) => !/^\d+$/.test(word)).join(" ")}`;
    if (!printed.join("\n").includes(usage)) wrong.push(command);
  }
  return wrong;
}

/** Paths that a text names, in quotes or as links, and that are not there. */
const missingFiles = (from: string): string[] =>
  [...quoted(from), ...[...from.matchAll(/\]\((?!https?:)([^)]+)\)/g)].map(([, path]) => path ?? "")].filter(
    (path) => /^[\w.-]+\/[\w./-]*$/.test(path) && !path.startsWith("tacet/") && !existsSync(join(root, path)),
  );

/** Files of the picture of the house: its lines name them without folder and ending. */
const missingParts = (picture: string): string[] =>
  [...picture.matchAll(/\b((?:http|services)\/\w+)/g)]
    .map(([, part]) => `src/${part ?? ""}.ts`)
    .filter((path) => !existsSync(join(root, path)));

const packagesIn = (from: string): string[] =>
  tableRows("README.md", from).flatMap(({ cells }) => quoted(cells["package"] ?? ""));

describe("docs/README.md", function () {
  this.timeout(60_000);

  it("names npm commands that there are", () => {
    assert.ok(commandsOf(text, "npm").length > 8);
    assert.deepEqual(unknownScripts(text), []);
    assert.deepEqual(unknownScripts("`npm run vanish`, `npm run demo -- --vanish`, `npm run demo -- --json`"), [
      "run vanish",
      "run demo -- --vanish",
    ]);
  });

  it("names tacet commands that there are", async () => {
    assert.ok(commandsOf(text, "npx tacet").length > 3);
    assert.deepEqual(await unknownCommands(text), []);
    assert.deepEqual(await unknownCommands("    npx tacet vanish # gone\n    npx tacet init"), ["vanish"]);
  });

  it("names files that there are", () => {
    assert.deepEqual(missingFiles(text), []);
    assert.deepEqual(missingFiles("`src/nowhere.ts` [x](src/nothing.md) `src/main.ts`"), [
      "src/nowhere.ts",
      "src/nothing.md",
    ]);
    const picture = text.slice(text.indexOf("## The house"), text.indexOf("## For an operator"));
    assert.deepEqual(missingParts(picture), []);
    assert.deepEqual(missingParts("http/nowhere, http/listen"), ["src/http/nowhere.ts"]);
  });

  it("has one line for each dependency and none without one", () => {
    const own = Object.keys({ ...project.dependencies, ...project.devDependencies });
    assert.deepEqual(packagesIn(text).toSorted(), own.toSorted());
    assert.deepEqual(packagesIn(`${text}\n\n| package | why |\n|---|---|\n| \`other\` | x |\n`).length, own.length + 1);
  });

  it("has one line for each token class", () => {
    const named = tableRows("README.md", text).flatMap(({ cells }) => quoted(cells["class"] ?? ""));
    assert.deepEqual(named, Object.keys(tokenClasses));
  });
});

describe("the client example of README.md", function () {
  this.timeout(60_000);
  let house: TestHouse;
  let someone: Person;
  let folder: string;

  before(async () => {
    house = await startTestHouse();
    someone = await person(house);
    folder = mkdtempSync(join(tmpdir(), "tacet-readme-"));
  });
  after(async () => {
    await someone.stop();
    await house.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  // As it stands there, but for the names of the package, which only resolve inside it, and for the transport.
  function example(): string {
    const [, code] = /<!-- client example:[^>]*-->\s*```ts\n(.*?)```/s.exec(text) ?? [];
    assert.ok(code !== undefined);
    const lines = code.trimEnd().split("\n");
    assert.ok(lines.length >= 10 && lines.length <= 20);
    const transport = lines.filter((line) => line.startsWith("const transport = "));
    assert.equal(transport.length, 1);
    const address = (path: string): string => pathToFileURL(join(root, path)).href;
    const direct = `const transport = socketTransport(${JSON.stringify(house.socketPath)}, onion);`;
    const runnable = lines
      .map((line) => (line === transport[0] ? direct : line))
      .join("\n")
      .replaceAll(
        /from "tacet(\/\w+)"/g,
        (_, entry: string) => `from "${address(project.exports[`.${entry}`] ?? "")}"`,
      );
    return `import { socketTransport } from "${address("tor/socket-transport.ts")}";\n${runnable}\n`;
  }

  it("takes a name, accepts who asks, and answers, also after it was stopped", async () => {
    const file = join(folder, "echo.mts");
    writeFileSync(file, example());
    writeFileSync(join(folder, "device.key"), randomBytes(32), { mode: 0o600 });
    assert.ok(existsSync(fileURLToPath(import.meta.resolve("tacet/client"))), "the package's own names resolve");
    const [invitation = "", own = ""] = house.invite(2);
    const start = () =>
      spawn(process.execPath, ["--import", import.meta.resolve("tsx"), file, house.onion, invitation], {
        cwd: folder,
        stdio: ["ignore", "inherit", "inherit"],
      });
    const stop = async (echo: ReturnType<typeof start>): Promise<void> => {
      const ended = new Promise((resolve) => echo.once("exit", resolve));
      assert.equal(echo.exitCode, null, "the example runs until it is stopped");
      echo.kill("SIGKILL");
      await ended;
    };

    const { client } = someone;
    await client.register(own, "someone");
    await client.drawTokens();
    await client.createInbox();
    const heard: string[] = [];
    const until = async (done: () => boolean): Promise<void> => {
      for (let i = 0; i < 20 && !done(); i++) heard.push(...texts(await client.sync({ wait: 2 })));
      assert.ok(done());
    };

    const first = start();
    try {
      for (let i = 0; ; i++) {
        await new Promise((resolve) => setTimeout(resolve, 500));
        assert.equal(first.exitCode, null, "the example runs until it is stopped");
        const asked = await client.requestContact("echo").then(
          () => true,
          (error: unknown) => (error as { code?: string }).code !== "contact/unknown-name" || i > 40,
        );
        if (asked) break;
      }
      await until(() => client.groups().length === 1 && client.contacts().length === 1);
      await someone.group.send("is anybody there?");
      await until(() => heard.includes("echo: you said: is anybody there?"));
    } finally {
      await stop(first);
    }

    const second = start();
    try {
      await someone.group.send("and now?");
      await until(() => heard.includes("echo: you said: and now?"));
    } finally {
      await stop(second);
    }
    assert.ok(!readFileSync(file, "utf8").includes("9050"));
  });
});
