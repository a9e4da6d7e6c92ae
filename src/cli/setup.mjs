#!/usr/bin/env node
// Makes a fresh machine ready: npm packages from the lock file, tor from Debian. Silent when there is nothing to do.

import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { accessSync, constants, existsSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { nodeProblem, packagesStale, parseArguments, parseVersion, torStep } from "./setup-plan.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url));
const help = `Usage: node src/cli/setup.mjs [--check] [--without-tor]

Makes this machine ready: checks Node, installs the npm packages of the lock file and, as root on Debian, tor.

  --check        install nothing, only say what is missing
  --without-tor  do not look for tor

Exit: 0 ready, 1 an installation failed, 2 unknown argument, 3 something is missing and its line was printed.`;

/** @param {number} code @param {string} line @returns {never} */
const stop = (code, line) => {
  console.error(line);
  process.exit(code);
};

/** npm tells its trouble first, apt-get last. @param {string} text */
const brief = (text) => {
  const lines = text.trim().split("\n");
  return (lines.length <= 24 ? lines : [...lines.slice(0, 12), "...", ...lines.slice(-12)]).join("\n");
};

/**
 * Runs a command quietly; after two seconds says what it waits for, and again every fifteen.
 * @param {string} what @param {string} command @param {readonly string[]} args @param {NodeJS.ProcessEnv} [env]
 * @returns {Promise<void>}
 */
const run = (what, command, args, env = process.env) =>
  new Promise((done, failed) => {
    const began = Date.now();
    const child = spawn(command, args, { cwd: root, env, stdio: ["ignore", "pipe", "pipe"] });
    let said = "";
    const keep = (/** @type {Buffer} */ part) => (said += part.toString());
    child.stdout.on("data", keep);
    child.stderr.on("data", keep);
    const tell = () => console.error(`${what} (${Math.round((Date.now() - began) / 1000)} s)`);
    const first = setTimeout(tell, 2_000);
    const again = setInterval(tell, 15_000);
    const end = (/** @type {Error | undefined} */ problem) => {
      clearTimeout(first);
      clearInterval(again);
      if (problem === undefined) done();
      else failed(new Error(`${problem.message}\n${brief(said)}`));
    };
    child.on("error", end);
    child.on("close", (code) => end(code === 0 ? undefined : new Error(`${what}: failed`)));
  });

/** @param {string} name @returns {string | undefined} where a program is; Debian's user path leaves the sbin folders out */
const find = (name) =>
  [...(process.env["PATH"] ?? "").split(delimiter), "/usr/sbin", "/usr/local/sbin", "/sbin"]
    .filter((folder) => folder !== "")
    .map((folder) => join(folder, name))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });

/** @param {string} path @returns {import("./setup-plan.mjs").LockFile | undefined} */
const readLock = (path) => (existsSync(path) ? JSON.parse(readFileSync(path, "utf8")) : undefined);

const stalePackages = () =>
  packagesStale(
    readLock(join(root, "package-lock.json")) ?? {},
    readLock(join(root, "node_modules/.package-lock.json")),
  );

const patches = join(root, "src/mls/patches");
const patchPackage = ["node_modules/patch-package/index.js", "--patch-dir", "src/mls/patches", "--error-on-fail"];

// `npm ci` refuses a lock file that leaves out a package for a system npm could not look up when it was written, though
// nothing of it is wanted here. `npm install --no-save` takes what the lock file says, and what it laid down is checked.
const installPackages = async () => {
  // npm gives its own path to what it starts; without it, the one on the path.
  const npm = process.env["npm_execpath"];
  const args = ["install", "--no-save", "--include=dev", "--no-audit", "--no-fund"];
  const [command, all] = npm === undefined ? ["npm", args] : [process.execPath, [npm, ...args]];
  await run("Installing npm packages", command, all);
  if (stalePackages()) throw new Error("Installing npm packages: npm laid down something else than the lock file says");
};

/** Packages as locked, and our patches to them applied; a digest of both, left beside them, makes the next look short. */
const packages = async (/** @type {boolean} */ check) => {
  const digest = createHash("sha256").update(readFileSync(join(root, "package-lock.json")));
  for (const name of readdirSync(patches).toSorted()) digest.update(name).update(readFileSync(join(patches, name)));
  const state = digest.digest("hex");
  const mark = join(root, "node_modules/.tacet-setup");
  const stale = stalePackages();
  if (!stale && existsSync(mark) && readFileSync(mark, "utf8") === state) return;
  if (check) {
    if (stale) stop(3, "npm packages are missing or not those of the lock file, type: npm install");
    return;
  }
  if (stale) await installPackages();
  try {
    await run("Patching npm packages", process.execPath, patchPackage);
  } catch {
    // An older patch is in the way: begin again from the published packages.
    rmSync(join(root, "node_modules"), { recursive: true, force: true });
    await installPackages();
    await run("Patching npm packages", process.execPath, patchPackage);
  }
  writeFileSync(mark, state);
};

const findTor = () => {
  const tor = find("tor");
  const said = tor === undefined ? undefined : spawnSync(tor, ["--version"], { encoding: "utf8" }).stdout;
  return { version: said ? parseVersion(said) : undefined, gencert: find("tor-gencert") !== undefined };
};

/** Installs Debian's tor without letting it start: the system's tor service is not ours to run. */
const installTor = async () => {
  const policy = "/usr/sbin/policy-rc.d";
  const ours = !existsSync(policy);
  const remove = () => ours && rmSync(policy, { force: true });
  process.on("exit", remove);
  // Were we to leave before apt-get does, the service would start after all: its end is waited for.
  const signals = /** @type {const} */ (["SIGINT", "SIGTERM", "SIGHUP"]);
  const stay = () => {};
  for (const signal of signals) process.on(signal, stay);
  // invoke-rc.d(8), deb-systemd-invoke(1): 101 forbids every start.
  if (ours) writeFileSync(policy, "#!/bin/sh\nexit 101\n", { mode: 0o755 });
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive", LC_ALL: "C", RUNLEVEL: "1" };
  const wait = ["-o", "DPkg::Lock::Timeout=120"];
  try {
    await run("Reading Debian's package lists", "apt-get", [...wait, "update"], env);
    await run("Installing tor", "apt-get", [...wait, "install", "-y", "--no-install-recommends", "tor"], env);
  } finally {
    remove();
    process.off("exit", remove);
    for (const signal of signals) process.off(signal, stay);
  }
};

const tor = async (/** @type {boolean} */ check) => {
  const may = { root: process.getuid?.() === 0, apt: find("apt-get") !== undefined, check };
  let step = torStep(findTor(), { ...may, tried: false });
  if (step.do === "install") {
    await installTor();
    step = torStep(findTor(), { ...may, tried: true });
  }
  if (step.do === "say") stop(3, step.line);
};

const main = async () => {
  const options = parseArguments(process.argv.slice(2));
  if (options === undefined) return stop(2, `Unknown argument.\n${help}`);
  if (options.help) return console.log(help);
  const old = nodeProblem(process.version);
  if (old !== undefined) stop(3, old);
  await packages(options.check);
  if (!options.withoutTor) await tor(options.check);
};

try {
  await main();
} catch (problem) {
  stop(1, problem instanceof Error ? problem.message : "Setup failed.");
}
