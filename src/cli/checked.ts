// A configuration as the commands read it: with the onion addresses in it checked to the last character.
import { parseOnionAddress } from "../../tor/onion-address.ts";
import { readConfig, type Config } from "../config/config.ts";
import { ConfigProblem } from "../config/problem.ts";

const isAddress = (onion: string): boolean => {
  try {
    parseOnionAddress(onion);
    return true;
  } catch {
    return false;
  }
};

/** As `readConfig`. */
export function readChecked(path: string): Config {
  const config = readConfig(path);
  const bad = config.externalIssuers.findIndex(({ onion }) => !isAddress(onion));
  if (bad < 0) return config;
  throw new ConfigProblem(`${path}: external_issuers.${bad}.onion: is mistyped, copy the address anew`);
}
