// A person's client taken apart: what it is made of, for who wants to do what clients do not.
import { openParts } from "../../src/client/open.ts";
import type { Parts } from "../../src/client/parts.ts";
import type { TestHouse } from "../house.ts";
import type { Person } from "./people.ts";

/** Runs `work` on the parts of somebody's client, which is closed meanwhile. */
export async function apart(house: TestHouse, someone: Person, work: (parts: Parts) => Promise<void>): Promise<void> {
  await someone.client.close();
  const { transport, statePath, deviceKey } = someone;
  const options = { transport, statePath, deviceKey, onion: house.onion, clock: house.now, delay: () => 0 };
  const { parts, state } = await openParts(options);
  try {
    await work(parts);
  } finally {
    parts.account.close();
    parts.inbox.close();
    await parts.tokens.close();
    await state.close();
    await someone.restart();
  }
}
