// Plants one violation of each kind in a tree of the project's form and sees the linter catch exactly those.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative, resolve } from "node:path";
import { folders, type Folder } from "./folders.ts";
import { oxlintrcText } from "./oxlintrc.ts";

interface Diagnostic {
  readonly code: string;
  readonly filename: string;
  readonly labels: readonly { readonly span: { readonly line: number } }[];
}

const root = resolve(import.meta.dirname, "../..");
const sources = ["src", "tor", "tokens", "test"];

/** Lints a tree made of the given files and the project's own settings. */
const lint = (files: ReadonlyMap<string, string>): Diagnostic[] => {
  const tree = mkdtempSync(join(tmpdir(), "tacet-lint-"));
  try {
    for (const name of sources) mkdirSync(join(tree, name));
    for (const name of [".oxlintrc.json", ...sources.map((folder) => `${folder}/tsconfig.json`)])
      copyFileSync(join(root, name), join(tree, name));
    symlinkSync(join(root, "node_modules"), join(tree, "node_modules"));
    for (const [path, text] of files) {
      mkdirSync(dirname(join(tree, path)), { recursive: true });
      writeFileSync(join(tree, path), text);
    }
    const args = ["--type-aware", "--format", "json", ...sources];
    const { stdout } = spawnSync(join(root, "node_modules/.bin/oxlint"), args, { cwd: tree, encoding: "utf8" });
    return (JSON.parse(stdout) as { diagnostics: Diagnostic[] }).diagnostics;
  } finally {
    rmSync(tree, { recursive: true });
  }
};

const linesOf = (found: readonly Diagnostic[], path: string, rule: string): number[] => [
  ...new Set(
    found
      .filter(({ code, filename }) => filename === path && code.endsWith(`(${rule})`))
      .map(({ labels }) => labels[0]?.span.line ?? 0),
  ),
];

/** Everything a file could import: each folder, each installed package, and the Node modules that are doors. */
const everyImport = (from: string): { specifier: string; allowed: (folder: Folder) => boolean }[] => {
  const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as Record<string, object>;
  const packages = Object.keys({ ...manifest["dependencies"], ...manifest["devDependencies"] });
  const way = (path: string): string => {
    const short = relative(dirname(from), path);
    return short.startsWith(".") ? short : `./${short}`;
  };
  const within = (folder: string, path: string) => path === folder || path.startsWith(`${folder}/`);
  return [
    ...folders.map(({ path }) => ({
      specifier: way(`${path}/some.ts`),
      allowed: (folder: Folder) =>
        within(folder.path, path) ||
        folder.house.some((own) => within(own, path)) ||
        (path === "src/services" && folder.house.includes("src/services/*.ts")),
    })),
    ...["src/fault.ts", "src/main.ts"].map((path) => ({
      specifier: way(path),
      allowed: (folder: Folder) => folder.house.includes(path),
    })),
    ...packages.map((name) => ({
      specifier: name,
      allowed: ({ packages: may }: Folder) =>
        may.some((own) => own === name || (own.endsWith("/*") && name.startsWith(own.slice(0, -1)))),
    })),
    ...["crypto", "http", "https", "http2", "net", "tls", "dgram", "dns", "child_process", "fs", "vm", "module"].map(
      (name) => ({ specifier: `node:${name}`, allowed: ({ node }: Folder) => node.includes(name) }),
    ),
  ];
};

describe("lint", function () {
  this.timeout(60_000);

  it("uses the configuration that the folder table gives", () => {
    assert.equal(readFileSync(join(root, ".oxlintrc.json"), "utf8"), oxlintrcText(), "type: npm run lint:write");
  });

  it("has every source file under the table", () => {
    for (const top of ["src", "tokens", "tor"])
      for (const entry of readdirSync(join(root, top), { recursive: true, encoding: "utf8" })) {
        const path = `${top}/${entry}`;
        if (!path.endsWith(".ts") || path === "src/main.ts" || path === "src/fault.ts") continue;
        const depths = folders
          .filter((folder) => path.startsWith(`${folder.path}/`))
          .map((folder) => relative(folder.path, path).split("/").length);
        assert.ok(Math.min(...depths) <= 2, `${path} is in no folder of the table, or too deep in one`);
      }
  });

  it("refuses each import that the table does not allow, and no other", () => {
    const files = new Map<string, string>();
    const places = folders.flatMap((folder) => [
      { folder, path: `${folder.path}/planted.ts` },
      ...(folder.path === "src/services" ? [] : [{ folder, path: `${folder.path}/inner/planted.ts` }]),
    ]);
    for (const { path } of places)
      files.set(
        path,
        everyImport(path)
          .map(({ specifier }) => `import "${specifier}";\n`)
          .join(""),
      );
    const found = lint(files);
    for (const { folder, path } of places) {
      const refused = everyImport(path).flatMap(({ allowed }, index) => (allowed(folder) ? [] : [index + 1]));
      assert.ok(refused.length > 0);
      assert.deepEqual(
        linesOf(found, path, "no-restricted-imports").toSorted((a, b) => a - b),
        refused,
        path,
      );
    }
  });

  it("sees through other ways to import", () => {
    const ways = [
      'export * from "../crypto/seal.ts";',
      'import type { Seal } from "../crypto/seal.ts"; export type S = Seal;',
      'export const seal = await import("../crypto/seal.ts");',
      'import "./../crypto/seal.ts";',
      'import "../memory/../crypto/seal.ts";',
      'import "@noble/hashes/sha2.js";',
    ];
    const path = "src/wire/planted.ts";
    const found = linesOf(lint(new Map([[path, ways.join("\n")]])), path, "no-restricted-imports");
    assert.deepEqual(
      found.toSorted((a, b) => a - b),
      [1, 2, 3, 4, 5, 6],
    );
  });

  // Each row: rule, file, code the rule must catch, code of the same kind it must let pass.
  const rows: readonly (readonly [rule: string, path: string, bad: string, good: string])[] = [
    ["no-console", "src/http/a.ts", "console.log(1);", "export const a = 1;"],
    ["no-console", "tor/a.ts", "console.log(1);", "export const a = 1;"],
    [
      "no-restricted-globals",
      "src/services/queue/a.ts",
      "export const a = Date.now();",
      "export const a = (now: number) => now;",
    ],
    ["no-restricted-globals", "src/store/a.ts", "export const a = new Date();", "export const a = 1;"],
    ["no-restricted-globals", "src/mls/a.ts", "export const a = performance.now();", "export const a = 1;"],
    ["no-restricted-properties", "tokens/a.ts", "export const a = globalThis.Date.now();", "export const a = 1;"],
    [
      "no-restricted-properties",
      "src/services/auth/a.ts",
      "export const a = Math.random();",
      "export const a = Math.min(1, 2);",
    ],
    [
      "no-restricted-properties",
      "src/store/h.ts",
      "export const a = process.hrtime.bigint();",
      "export const a = process.pid;",
    ],
    ["no-restricted-globals", "src/client/a.ts", "export const a = crypto.randomUUID();", "export const a = 1;"],
    [
      "no-restricted-properties",
      "src/store/b.ts",
      "export const a = (sodium: { randombytes_buf: (b: Buffer) => void }, b: Buffer): void => sodium.randombytes_buf(b);",
      "export const a = (sodium: { memzero: (b: Buffer) => void }, b: Buffer): void => sodium.memzero(b);",
    ],
    ...sources.map((folder): readonly [string, string, string, string] => [
      "no-floating-promises",
      folder === "src" ? "src/http/f.ts" : `${folder}/f.ts`,
      "const f = async (): Promise<Buffer> => Buffer.alloc(1);\nexport const g = (): void => { f(); };",
      "const f = async (): Promise<Buffer> => Buffer.alloc(1);\nexport const g = async (): Promise<void> => { await f(); };",
    ]),
    [
      "no-misused-promises",
      "src/http/m.ts",
      "export const g = (f: () => Promise<number>): number => (f() ? 1 : 2);",
      "export const g = async (f: () => Promise<number>): Promise<number> => ((await f()) ? 1 : 2);",
    ],
    [
      "await-thenable",
      "src/http/t.ts",
      "export const g = async (): Promise<number> => await 1;",
      "export const g = async (f: Promise<number>): Promise<number> => await f;",
    ],
    [
      "return-await",
      "src/http/r.ts",
      "export const g = async (f: Promise<number>, wipe: () => void): Promise<number> => { try { return f; } finally { wipe(); } };",
      "export const g = async (f: Promise<number>, wipe: () => void): Promise<number> => { try { return await f; } finally { wipe(); } };",
    ],
    [
      "no-explicit-any",
      "src/wire/y.ts",
      "export const a = (b: any): unknown => b;",
      "export const a = (b: number): unknown => b;",
    ],
    [
      "consistent-type-imports",
      "src/wire/i.ts",
      'export type A = import("./y.ts").B;',
      'import type { B } from "./y.ts";\nexport type A = B;',
    ],
    ["no-default-export", "src/wire/d.ts", "export default 1;", "export const a = 1;"],
  ];
  const bad = new Map(rows.map(([, path, text]) => [path, text]));
  const good = new Map(rows.map(([, path, , text]) => [path, text]));
  bad.set("src/wire/cycle.ts", 'import { b } from "./back.ts";\nexport const a = (): number => b();');
  bad.set("src/wire/back.ts", 'import { a } from "./cycle.ts";\nexport const b = (): number => a();');

  it("catches each planted mistake", () => {
    const found = lint(bad);
    for (const [rule, path, text] of rows)
      // A path may be planted once only, or the later text would hide the earlier.
      if (bad.get(path) === text) assert.ok(linesOf(found, path, rule).length > 0, `${rule} in ${path}`);
      else assert.fail(`${path} is planted twice`);
    for (const path of ["src/wire/cycle.ts", "src/wire/back.ts"])
      assert.ok(linesOf(found, path, "no-cycle").length > 0, "import cycle");
  });

  it("lets the sound form of each pass", () => {
    const found = lint(good);
    assert.deepEqual(
      found.map(({ code, filename }) => `${filename}: ${code}`),
      [],
    );
  });
});
