// A copy of ts-mls as published: node_modules' one with our patch taken out again, for tests that must fail on it.
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const modules = resolve(import.meta.dirname, "../../node_modules");
const patchFile = resolve(import.meta.dirname, "../../src/mls/patches/ts-mls+1.6.4.patch");

/** The modules of the library that the tests use, typed by the patched copy. */
export async function loadLibrary(directory: string) {
  const load = <T>(module: string): Promise<T> =>
    import(pathToFileURL(join(directory, "dist/src", module)).href) as Promise<T>;
  return {
    directory,
    mls: await load<typeof import("ts-mls")>("index.js"),
    clientState: await load<typeof import("ts-mls/clientState.js")>("clientState.js"),
    optional: await load<typeof import("ts-mls/codec/optional.js")>("codec/optional.js"),
    number: await load<typeof import("ts-mls/codec/number.js")>("codec/number.js"),
    credential: await load<typeof import("ts-mls/credential.js")>("credential.js"),
    framedContent: await load<typeof import("ts-mls/framedContent.js")>("framedContent.js"),
    keySchedule: await load<typeof import("ts-mls/keySchedule.js")>("keySchedule.js"),
    parentHash: await load<typeof import("ts-mls/parentHash.js")>("parentHash.js"),
    pathSecrets: await load<typeof import("ts-mls/pathSecrets.js")>("pathSecrets.js"),
    processMessages: await load<typeof import("ts-mls/processMessages.js")>("processMessages.js"),
    protect: await load<typeof import("ts-mls/messageProtectionPublic.js")>("messageProtectionPublic.js"),
    publicMessage: await load<typeof import("ts-mls/publicMessage.js")>("publicMessage.js"),
    treeHash: await load<typeof import("ts-mls/treeHash.js")>("treeHash.js"),
  };
}
export type Library = Awaited<ReturnType<typeof loadLibrary>>;

export const loadPatched = (): Promise<Library> => loadLibrary(join(modules, "ts-mls"));

/** Writes the copy to `root`/node_modules/ts-mls, and what it imports beside it; false where neither `patch` nor `git` can be run. */
export function copyStock(root: string): boolean {
  mkdirSync(join(root, "node_modules"));
  cpSync(join(modules, "ts-mls"), join(root, "node_modules/ts-mls"), { recursive: true });
  for (const name of ["@hpke", "@noble"]) symlinkSync(join(modules, name), join(root, "node_modules", name));
  const input = readFileSync(patchFile);
  for (const [tool, args] of [
    ["patch", ["-R", "-p1", "-s"]],
    ["git", ["apply", "-R", "-p1"]],
  ] as const) {
    try {
      execFileSync(tool, args, { cwd: root, input, stdio: ["pipe", "ignore", "pipe"] });
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
  }
  return false;
}

/** Makes the copy in a temporary directory; undefined where `copyStock` cannot. `remove` deletes it. */
export async function loadStock(): Promise<{ library: Library; remove(): void } | undefined> {
  const root = mkdtempSync(join(tmpdir(), "stock-"));
  const remove = (): void => rmSync(root, { recursive: true, force: true });
  try {
    if (copyStock(root)) return { library: await loadLibrary(join(root, "node_modules/ts-mls")), remove };
  } catch (error) {
    remove();
    throw error;
  }
  remove();
  return undefined;
}
