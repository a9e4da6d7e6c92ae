// Controls: copies of this tree with one thing broken, whose histories must find it: the library as published, and houses
// and members that leave a rule out.
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { copyStock } from "../../mls/stock.ts";
import type { Kind } from "./finding.ts";

export interface Control {
  readonly name: string;
  /** One of these must be found. */
  readonly expected: readonly Kind[];
  /** With the library as published. */
  readonly published?: boolean;
  /** Found soon: also for the short form. */
  readonly quick?: boolean;
  /** In a file of the copy, a text and what comes in its place. */
  readonly change: readonly (readonly [file: string, from: string, to: string])[];
}

const library = "node_modules/ts-mls/dist/src/";

export const controls: readonly Control[] = [
  {
    name: "the library as published",
    quick: true,
    expected: ["forks", "failed_joins"],
    published: true,
    // It writes and reads some things in forms of its own, with which no group could be founded here, and lacks what we
    // ask it for beyond RFC 9420. With that much given, what is wrong with its trees and secrets remains.
    change: [
      [
        "src/mls/policy.ts",
        'import { encodeExternalSenders } from "ts-mls/externalSender.js";',
        'import { encodeExternalSender } from "ts-mls/externalSender.js";\nconst encodeExternalSenders = ([one]) => encodeExternalSender(one);',
      ],
      ["src/mls/policy.ts", "const SENDER_KEY = 2;", "const SENDER_KEY = 1;"],
      [
        `${library}createCommit.js`,
        'extensionType: "external_pub", extensionData: externalPub }',
        'extensionType: "external_pub", extensionData: Buffer.concat([Buffer.of(32), externalPub]) }',
      ],
      [`${library}createCommit.js`, "(externalPub.extensionData, cs)", "(externalPub.extensionData.subarray(1), cs)"],
      [`${library}createCommit.js`, "= res.needsUpdatePath\n", "= true\n"],
      [
        `${library}processMessages.js`,
        "consumed: result.consumed,",
        "consumed: result.consumed, senderLeafIndex: result.content.content.sender.leafIndex, aad: result.content.content.authenticatedData,",
      ],
    ],
  },
  {
    name: "a house without the roles",
    expected: ["wrongly_accepted"],
    change: [["src/mls/policy.ts", "  allowed(isAdmin || removesByValue.length === 0);\n", ""]],
  },
  {
    name: "a house that takes a second commit of an epoch",
    quick: true,
    expected: ["wrongly_accepted", "forks"],
    change: [
      ["src/services/delivery/in-epoch.ts", "await openGroup(call, member)", "await openEpoch(call, member)"],
      ["src/services/delivery/in-epoch.ts", "import { authenticate, openGroup,", "import { authenticate, openEpoch,"],
    ],
  },
  {
    name: "a house that changes a member's role for the asking",
    expected: ["wrongly_accepted"],
    change: [
      [
        "src/mls/policy.ts",
        "  if (!isAdmin) allowed(forced !== policyBefore && samePolicy(policyChange, forced));\n",
        "",
      ],
    ],
  },
  {
    name: "a house that lets credentials change hands",
    expected: ["wrongly_accepted"],
    change: [["src/mls/validation-commit.ts", "  allowed(sameBytes(pseudonymOf(leaf), pseudonymOf(old)));\n", ""]],
  },
  {
    name: "a house that does not look who signed",
    expected: ["wrongly_accepted"],
    change: [
      ["src/services/dispatch.ts", "if (!verify(signature,", "if (signature.length === 0 && !verify(signature,"],
    ],
  },
  {
    name: "a house that keeps no receipts",
    expected: ["wrongly_refused", "unread"],
    change: [["src/services/dispatch.ts", "if (earlier !== undefined) return earlier;\n", "void earlier;\n"]],
  },
  {
    name: "a house that tells the next key to the removed",
    quick: true,
    expected: ["overheard"],
    change: [
      ["src/services/delivery/ladder.ts", "recovery ?? next.groupKey", "next.groupKey"],
      ["src/services/delivery/ladder.ts", "recovery === undefined ? NEXT_KEY : SEALED_KEYS", "NEXT_KEY"],
    ],
  },
  {
    name: "a house that forgets one of the queues",
    expected: ["forks", "unread"],
    change: [["src/services/delivery/next-epoch.ts", "...others, own]", "...others.slice(1), own]"]],
  },
  {
    name: "a house where half of the votes are enough",
    expected: ["unrecovered"],
    change: [["src/services/delivery/reset.ts", "<= countOf(votes.voters)", "< countOf(votes.voters)"]],
  },
];

const root = resolve(import.meta.dirname, "../../..");
/** All that histories run on. */
const parts = ["package.json", "src", "tokens", "test/fuzz", "test/mls", "test/services", "test/dump-store.ts"];
const without = /node_modules|\.test\.ts$/;

/** The copy's folder; undefined where the library as published cannot be made. The caller removes it. */
export function brokenTree({ change, published = false }: Control): string | undefined {
  const copy = mkdtempSync(join(tmpdir(), "broken-"));
  for (const part of parts) {
    mkdirSync(dirname(join(copy, part)), { recursive: true });
    cpSync(join(root, part), join(copy, part), {
      recursive: true,
      filter: (source) => !without.test(source.slice(root.length)),
    });
  }
  const modules = join(root, "node_modules");
  if (!published) {
    symlinkSync(modules, join(copy, "node_modules"));
  } else {
    if (!copyStock(copy)) {
      rmSync(copy, { recursive: true, force: true });
      return undefined;
    }
    const there = readdirSync(join(copy, "node_modules"));
    for (const name of readdirSync(modules).filter((one) => !there.includes(one))) {
      symlinkSync(join(modules, name), join(copy, "node_modules", name));
    }
  }
  for (const [file, from, to] of change) {
    edit(join(copy, file), (text) => {
      if (!text.includes(from)) throw new Error(`${file} does not hold: ${from}`);
      return text.replaceAll(from, () => to);
    });
  }
  return copy;
}

const edit = (path: string, change: (text: string) => string): void =>
  writeFileSync(path, change(readFileSync(path, "utf8")));
