// Writes the commented configuration file from the table.
import { stringify } from "smol-toml";
import * as v from "valibot";
import { sections } from "./schema.ts";

/** What a new file is given; everything else stays commented out with its default. */
export interface ConfigValues {
  readonly dataDir: string;
  readonly keyPath: string;
}

const WIDTH = 100;

function comment(text: string): string {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const line = lines.at(-1);
    if (line === undefined || line.length + word.length >= WIDTH) lines.push(`# ${word}`);
    else lines[lines.length - 1] = `${line} ${word}`;
  }
  return lines.join("\n");
}

/** A valid configuration: `parseConfig` reads it back. */
export function exampleConfig({ dataDir, keyPath }: ConfigValues): string {
  const given: Readonly<Record<string, string>> = {
    data_dir: dataDir,
    "key.source": "file",
    "key.path": keyPath,
  };
  const shown: Readonly<Record<string, string | number>> = {
    socket: `${dataDir}/http.sock`,
    "store.apart_dir": `${dataDir}/state`,
    "tor.control_socket": "/run/tor/control",
    "tor.cookie_file": "/run/tor/control.authcookie",
    "tor.socks_socket": "/run/tor/socks",
    "tor.socks_port": 9050,
  };
  const blocks = Object.entries(sections).map(([section, keys]) => {
    const rows = Object.entries(keys as Record<string, v.GenericSchema>).map(([key, schema]) => {
      const name = section === "" ? key : `${section}.${key}`;
      const wrapped = schema as v.GenericSchema & { readonly wrapped?: v.GenericSchema; readonly default?: unknown };
      const about = comment(v.getDescription(wrapped.wrapped ?? schema) ?? "");
      const value = given[name] ?? wrapped.default ?? shown[name];
      const line = stringify({ [key]: value }).trim();
      return `${about}\n${given[name] === undefined ? "# " : ""}${line}`;
    });
    return (section === "" ? "" : `[${section}]\n`) + rows.join("\n");
  });
  return `${blocks.join("\n\n")}\n`;
}
