// What the process that runs the tests tells the process that counts them.

export type Outcome = "passed" | "failed" | "skipped";

export type Message =
  | { readonly at: "begin"; readonly file: string; readonly title: string }
  | {
      readonly at: "result";
      readonly file: string;
      readonly title: string;
      readonly outcome: Outcome;
      readonly problem?: string;
    }
  /** All tests have run; the process should now end by itself. */
  | { readonly at: "end" }
  /** The process did not end by itself: what keeps it, and the files after which such things were left. */
  | { readonly at: "stays"; readonly kept: readonly string[]; readonly suspects: readonly string[] };
