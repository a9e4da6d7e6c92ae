// What is wrong with a configuration, in one line that says what to do next.

/** `message` names the key and the way out; it never repeats a value. Printed by the command line only. */
export class ConfigProblem extends Error {
  constructor(message: string) {
    super(message);
    this.name = "ConfigProblem";
  }
}
