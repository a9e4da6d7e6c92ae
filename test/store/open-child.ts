// Another process that tries to open the store in argv[2]; prints the fault's code, or "opened".
import { Fault } from "../../src/fault.ts";
import { openStore } from "../../src/store/store.ts";
import { key } from "./harness.ts";

try {
  const store = await openStore({ dir: process.argv[2]!, masterKey: key() });
  await store.close();
  console.log("opened");
} catch (error) {
  console.log(error instanceof Fault ? error.code : String(error));
}
