// The reading of the own queue to its end, item by item.
import { receiveItem } from "./group-receive.ts";
import type { Parts } from "./parts.ts";

type Exclusive = (work: () => Promise<void>) => Promise<void>;

/** Waits for items up to `wait()` seconds before each page; `exclusive` gives the handling of a page its turn. */
export async function readQueue(parts: Parts, wait: () => number, exclusive: Exclusive): Promise<void> {
  while (await parts.inbox.read(wait(), exclusive, (item) => receiveItem(parts, item)));
}

/** Reads what is there now, within the turn that its caller already has. */
export const catchUp = (parts: Parts): Promise<void> =>
  readQueue(
    parts,
    () => 0,
    (work) => work(),
  );
