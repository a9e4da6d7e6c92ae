// The folder table: what each folder may import. The lint configuration is written from it, so the table is law.

/** One row: a folder (or file), and everything its code may import besides its own files. */
export interface Folder {
  /** Path from the project root, without a slash at the end. */
  readonly path: string;
  /** Other folders and files of the project, as paths from its root. */
  readonly house: readonly string[];
  /** npm packages; `@scope/*` stands for a whole scope. */
  readonly packages: readonly string[];
  /** Node's own modules, without the `node:` in front. */
  readonly node: readonly string[];
}

// Modules that reach neither network, disk, clock nor other processes.
const plain = ["assert/strict", "buffer", "events", "path", "url", "util"];
const files = [...plain, "fs", "fs/promises", "os"];
const timers = ["timers", "timers/promises"];

const serviceMay = {
  house: ["src/wire", "src/memory", "src/crypto", "src/mls", "src/store", "src/services/*.ts", "src/fault.ts"],
  packages: [],
  node: plain,
};

export const folders: readonly Folder[] = [
  { path: "src/memory", house: ["src/fault.ts"], packages: ["sodium-native"], node: plain },
  {
    path: "src/crypto",
    house: ["src/memory", "src/fault.ts"],
    packages: ["sodium-native", "libsodium-wrappers-sumo", "@noble/*", "@hpke/*", "@scure/bip39"],
    node: [...plain, "crypto"],
  },
  { path: "src/mls", house: ["src/crypto", "src/memory", "src/fault.ts"], packages: ["ts-mls"], node: plain },
  { path: "src/wire", house: ["src/memory", "src/fault.ts"], packages: [], node: plain },
  { path: "src/config", house: ["src/fault.ts"], packages: ["smol-toml", "valibot"], node: files },
  { path: "src/observe", house: ["src/fault.ts"], packages: [], node: [...plain, ...timers] },
  {
    path: "src/store",
    house: ["src/memory", "src/crypto", "src/fault.ts"],
    packages: ["level", "abstract-level"],
    node: [...files, ...timers],
  },
  { path: "src/services", ...serviceMay },
  { path: "src/services/auth", ...serviceMay },
  { path: "src/services/delivery", ...serviceMay },
  { path: "src/services/queue", ...serviceMay },
  {
    path: "src/house",
    house: [
      "src/wire",
      "src/memory",
      "src/crypto",
      "src/store",
      "src/services",
      "src/config",
      "src/observe",
      "tokens",
      "src/fault.ts",
    ],
    packages: [],
    node: [...files, ...timers],
  },
  {
    path: "src/http",
    house: ["src/wire", "src/memory", "src/crypto", "src/fault.ts", "src/observe", "tokens"],
    packages: ["koa"],
    node: [...files, ...timers, "http", "net", "stream"],
  },
  {
    path: "src/client",
    house: ["src/wire", "src/crypto", "src/mls", "src/memory", "src/fault.ts", "tokens"],
    packages: [],
    node: [...files, ...timers],
  },
  {
    path: "src/hardening",
    house: ["src/memory", "src/house/swap.ts", "src/observe"],
    packages: [],
    node: [...files, "inspector"],
  },
  {
    path: "src/admin",
    house: ["src/main.ts", "src/client", "src/config", "src/observe", "src/fault.ts", "tor", "tokens"],
    packages: [],
    node: [...files, ...timers],
  },
  {
    path: "src/cli",
    house: [
      "src/main.ts",
      "src/client",
      "src/wire",
      "src/config",
      "src/hardening",
      "src/observe",
      "src/admin",
      "src/fault.ts",
      "tor",
      "tokens",
    ],
    packages: ["commander", "tsx"],
    node: [...files, ...timers, "child_process", "crypto", "process", "readline", "readline/promises", "v8", "vm"],
  },
  {
    path: "tokens",
    house: ["src/crypto", "src/memory", "src/fault.ts"],
    packages: [],
    node: plain,
  },
  {
    path: "tor",
    house: ["src/fault.ts"],
    packages: ["socks-proxy-agent"],
    node: [...files, ...timers, "child_process", "crypto", "http", "net", "stream"],
  },
];
