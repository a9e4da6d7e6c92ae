// Makes the keys of a private network's directory authority, so that its DirAuthority line is known before it runs.
import { spawn } from "node:child_process";
import { createHash, generateKeyPair } from "node:crypto";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { Fault } from "../src/fault.ts";

export interface AuthorityKeys {
  /** SHA-1 of the relay identity, upper-case hexadecimal. */
  readonly fingerprint: string;
  /** SHA-1 of the long-term authority identity, upper-case hexadecimal. */
  readonly v3Identity: string;
}

/** The relay identity of the authority: RSA-1024, as dir-spec still wants it. It guards nothing outside loopback. */
const relayIdentity = async (folder: string): Promise<string> => {
  const pair = await promisify(generateKeyPair)("rsa", { modulusLength: 1024, publicExponent: 65537 });
  const pem = pair.privateKey.export({ type: "pkcs1", format: "pem" });
  await writeFile(join(folder, "secret_id_key"), pem, { mode: 0o600 });
  const der = pair.publicKey.export({ type: "pkcs1", format: "der" });
  return createHash("sha1").update(der).digest("hex").toUpperCase();
};

/** Authority identity, signing key and certificate. tor-gencert wants a terminal unless it is given a descriptor. */
const authorityCertificate = async (folder: string, directory: string): Promise<string> => {
  const file = (name: string): string => join(folder, `authority_${name}`);
  const lines = ["--create-identity-key", "-m", "24", "-a", directory, "--passphrase-fd", "0"];
  const paths = ["-i", file("identity_key"), "-s", file("signing_key"), "-c", file("certificate")];
  const child = spawn("tor-gencert", [...lines, ...paths], { stdio: ["pipe", "ignore", "ignore"] });
  child.stdin.on("error", () => undefined);
  child.stdin.end("private network\n");
  const [code] = await once(child, "exit").catch(() => {
    throw new Fault("tor/missing");
  });
  if (code !== 0) throw new Fault("tor/start");
  const found = /^fingerprint ([0-9A-F]{40})$/m.exec(await readFile(file("certificate"), "utf8"))?.[1];
  if (found === undefined) throw new Fault("tor/start");
  return found;
};

/** Writes all keys into `folder` (the authority's DataDirectory/keys). `directory` is its DirPort as "address:port". */
export const writeAuthorityKeys = async (folder: string, directory: string): Promise<AuthorityKeys> => {
  const [fingerprint, v3Identity] = await Promise.all([relayIdentity(folder), authorityCertificate(folder, directory)]);
  return { fingerprint, v3Identity };
};
