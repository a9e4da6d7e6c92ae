// Builds .oxlintrc.json from the folder table and the house rules. Run it to write the file: npm run lint:write

import { writeFileSync } from "node:fs";
import { dirname, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { folders, type Folder } from "./folders.ts";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "../..");

// The deepest nesting below a folder of the table that the lint covers; lint.test.ts refuses deeper files.
export const depths = [0, 1] as const;

const importRule = (folder: Folder, depth: number) => {
  const from = depth === 0 ? folder.path : `${folder.path}/nested`;
  const here = (path: string) => {
    const way = relative(from, path);
    return way.startsWith("..") ? way : `./${way}`;
  };
  const isFile = (path: string) => path.endsWith(".ts");
  const allowed = [
    "./**",
    ...(depth === 0 ? [] : ["../*.ts"]),
    ...folder.house.map((path) => (isFile(path) ? here(path) : `${here(path)}/**`)),
    ...folder.packages.flatMap((name) => (name.endsWith("/*") ? [`${name.slice(0, -2)}/**`] : [name, `${name}/**`])),
    ...folder.node.map((name) => `node:${name}`),
  ];
  // A pattern without a slash also matches the end of a longer path: those longer paths are refused first.
  const bare = folder.packages.filter((name) => !name.includes("/"));
  const names = [...folder.house, ...folder.packages, ...folder.node.map((name) => `node:${name}`)];
  const message = `${folder.path} may import ${names.join(", ")}.`;
  return [
    "error",
    {
      patterns: [
        ...(bare.length === 0 ? [] : [{ regex: `/(${bare.join("|")})$`, message }]),
        // A path that turns back after it went somewhere would slip past the list above.
        { regex: "^\\./.*\\.\\.|[^./]/\\.\\.", message: "Import by the shortest path." },
        { group: ["**", ...allowed.map((pattern) => `!${pattern}`)], message },
      ],
    },
  ];
};

const property = (object: string | undefined, name: string, message: string) => ({
  ...(object === undefined ? {} : { object }),
  property: name,
  message,
});

const clock = "The clock is passed in.";
const chance = "Random bytes come from src/crypto/random.ts.";

const globalsRule = (timeless: boolean) => [
  "error",
  { name: "crypto", message: chance },
  ...(timeless ? ["Date", "performance"].map((name) => ({ name, message: clock })) : []),
];

const propertiesRule = (timeless: boolean, dice: boolean) => [
  "error",
  property("Math", "random", chance),
  property("globalThis", "crypto", chance),
  ...(dice ? [] : [property(undefined, "randombytes_buf", chance), property(undefined, "randomBytes", chance)]),
  ...(timeless
    ? [
        property("globalThis", "Date", clock),
        property("globalThis", "performance", clock),
        property("process", "hrtime", clock),
        property("process", "uptime", clock),
      ]
    : []),
];

const timeless = (path: string) => /^(src\/(services|store|mls|wire|crypto|memory)|tokens)(\/|$)/.test(path);

const sources = ["src/**/*.{ts,mjs}", "tor/**/*.{ts,mjs}", "tokens/**/*.{ts,mjs}"];

export const oxlintrc = () => ({
  plugins: ["typescript", "import", "oxc", "unicorn", "promise", "node"],
  categories: { correctness: "error" },
  ignorePatterns: ["node_modules/**"],
  rules: {
    eqeqeq: "error",
    "no-var": "error",
    "prefer-const": "error",
    "no-console": "off",
    "no-self-compare": "error",
    "no-throw-literal": "error",
    "no-unused-vars": "error",
    "import/no-cycle": "error",
    "import/no-self-import": "error",
    "import/no-default-export": "error",
    "typescript/ban-ts-comment": "error",
    "typescript/consistent-type-imports": ["error", { disallowTypeAnnotations: true }],
    "typescript/no-explicit-any": "error",
    "typescript/no-floating-promises": "error",
    "typescript/no-misused-promises": "error",
    "typescript/await-thenable": "error",
    "typescript/only-throw-error": "error",
    "typescript/prefer-promise-reject-errors": "error",
    // A promise returned from a try block outlives its `finally`, and with it the wiping done there.
    "typescript/return-await": ["error", "error-handling-correctness-only"],
    // Node's own static functions, handed about freely, need no `this`.
    "typescript/unbound-method": "off",
    "typescript/switch-exhaustiveness-check": "error",
    "typescript/no-unnecessary-type-assertion": "error",
  },
  overrides: [
    {
      files: sources,
      rules: {
        "no-console": "error",
        "no-restricted-globals": globalsRule(false),
        "no-restricted-properties": propertiesRule(false, false),
      },
    },
    ...folders
      .filter(({ path }) => timeless(path))
      .map(({ path }) => ({
        files: [`${path}/**/*.ts`],
        rules: {
          "no-restricted-globals": globalsRule(true),
          "no-restricted-properties": propertiesRule(true, /^src\/(crypto|memory)$/.test(path)),
        },
      })),
    ...folders.flatMap((folder) =>
      depths
        .filter((depth) => depth === 0 || folder.path !== "src/services")
        .map((depth) => ({
          files: [depth === 0 ? `${folder.path}/*.{ts,mjs}` : `${folder.path}/*/*.{ts,mjs}`],
          rules: { "no-restricted-imports": importRule(folder, depth) },
        })),
    ),
    { files: ["src/fault.ts"], rules: { "no-restricted-imports": ["error", { patterns: [{ group: ["**"] }] }] } },
    { files: ["src/cli/**"], rules: { "no-console": "off" } },
    // Tests touch memory only to see it fault, and name types of what they load late.
    {
      files: ["test/**/*.ts"],
      rules: {
        "no-unused-expressions": "off",
        "typescript/consistent-type-imports": ["error", { disallowTypeAnnotations: false }],
      },
    },
  ],
});

/** The file's text: a line per rule and per override, so that a change of the table reads well as a difference. */
export const oxlintrcText = (): string => {
  const { overrides, rules, ...rest } = oxlintrc();
  const lines = (entries: readonly string[]) => entries.map((entry) => `    ${entry}`).join(",\n");
  return [
    "{",
    ...Object.entries(rest).map(([key, value]) => `  ${JSON.stringify(key)}: ${JSON.stringify(value)},`),
    `  "rules": {\n${lines(Object.entries(rules).map(([key, value]) => `${JSON.stringify(key)}: ${JSON.stringify(value)}`))}\n  },`,
    `  "overrides": [\n${lines(overrides.map((override) => JSON.stringify(override)))}\n  ]`,
    "}\n",
  ].join("\n");
};

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(resolve(root, ".oxlintrc.json"), oxlintrcText());
