// What setup decides, apart from doing it: is Node new enough, are the packages those of the lock file, is tor there.
// Plain JavaScript without dependencies: it runs before anything is installed.

/**
 * @typedef {{ version?: string, integrity?: string, optional?: boolean, link?: boolean }} LockedPackage
 * @typedef {{ packages?: Record<string, LockedPackage> }} LockFile
 * @typedef {{ check: boolean, withoutTor: boolean, help: boolean }} Options
 * @typedef {{ version: readonly number[] | undefined, gencert: boolean }} FoundTor
 * @typedef {{ do: "nothing" } | { do: "install" } | { do: "say", line: string }} TorStep
 */

export const nodeNeeded = Object.freeze([20, 19]);
/** Proof-of-work defence for onion services came with 0.4.8. */
export const torNeeded = Object.freeze([0, 4, 8]);

/** @param {string} text @returns {readonly number[] | undefined} the first dotted number in a text */
export const parseVersion = (text) => /\d+(?:\.\d+)+/.exec(text)?.[0].split(".").map(Number);

/** @param {readonly number[]} found @param {readonly number[]} needed */
export const atLeast = (found, needed) => {
  for (const [place, least] of needed.entries()) {
    const have = found[place] ?? 0;
    if (have !== least) return have > least;
  }
  return true;
};

/** @param {string} version as `process.version` gives it @returns {string | undefined} the one line to print */
export const nodeProblem = (version) =>
  atLeast(parseVersion(version) ?? [0], nodeNeeded)
    ? undefined
    : `Node ${nodeNeeded.join(".")} or newer is needed, this is ${version}: install a newer Node and type the command again.`;

/**
 * Whether node_modules is what the lock file says: npm keeps its own record of what it laid down. An optional package
 * may be absent, because npm leaves out what is made for another system.
 * @param {LockFile} lock package-lock.json
 * @param {LockFile | undefined} installed node_modules/.package-lock.json, undefined when there is none
 */
export const packagesStale = (lock, installed) => {
  const wanted = lock.packages ?? {};
  const present = installed?.packages;
  if (present === undefined) return true;
  const missing = Object.entries(wanted).some(([path, entry]) => {
    if (path === "") return false;
    const have = present[path];
    if (have === undefined) return entry.optional !== true;
    return have.version !== entry.version || have.integrity !== entry.integrity;
  });
  return missing || Object.keys(present).some((path) => !(path in wanted));
};

const toType = "apt-get update && apt-get install -y --no-install-recommends tor";

/**
 * @param {FoundTor} found
 * @param {{ root: boolean, apt: boolean, check: boolean, tried: boolean }} may `check`: nothing may be installed, and
 *   tor-gencert (which only the private network needs) is not asked for; `tried`: an installation has already run
 * @returns {TorStep}
 */
export const torStep = (found, { root, apt, check, tried }) => {
  const old = found.version !== undefined && !atLeast(found.version, torNeeded);
  if (found.version !== undefined && !old && (found.gencert || check)) return { do: "nothing" };
  if (root && apt && !check && !tried) return { do: "install" };
  const what =
    found.version === undefined
      ? "tor is missing"
      : old
        ? `tor ${found.version.join(".")} is too old (${torNeeded.join(".")} or newer is needed)`
        : "tor-gencert is missing";
  if (!apt) return { do: "say", line: `${what}: install tor ${torNeeded.join(".")} or newer from your system.` };
  if (tried) return { do: "say", line: `${what} after installing: this system's package archive has no newer one.` };
  return { do: "say", line: `${what}, type: ${root ? toType : toType.replaceAll("apt-get", "sudo apt-get")}` };
};

/** @param {readonly string[]} args @returns {Options | undefined} undefined when an argument is not known */
export const parseArguments = (args) => {
  const known = ["--check", "--without-tor", "--help"];
  if (args.some((argument) => !known.includes(argument))) return undefined;
  return {
    check: args.includes("--check"),
    withoutTor: args.includes("--without-tor"),
    help: args.includes("--help"),
  };
};
