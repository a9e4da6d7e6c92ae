// The reading of the own queue to its end, item by item.
import { enterGroups } from "./group-join.ts";
import { missed, receiveItem } from "./group-receive.ts";
import { allOrNothing, type Parts } from "./parts.ts";

type Exclusive = (work: () => Promise<void>) => Promise<void>;

/** Waits for items up to `wait()` seconds before each page; `exclusive` gives the handling of a page its turn. */
export async function readQueue(parts: Parts, wait: () => number, exclusive: Exclusive): Promise<void> {
  const { inbox } = parts;
  while (
    await inbox.read(
      wait(),
      exclusive,
      (item) => receiveItem(parts, item),
      (began) => overflow(parts, began),
      // What comes behind a Welcome can be read only by who has entered.
      () => enterGroups(parts),
    )
  );
}

// Once an overflow: the mark stays up until something behind the gap was acknowledged.
const overflow = (parts: Parts, began: boolean): Promise<void> =>
  allOrNothing(parts, async () => {
    const { events, inbox, session, series } = parts;
    const gaps = began ? missed(parts) : [];
    if (began) series.drop();
    const entries = gaps.flatMap((gap) => gap.entries);
    await session.sections.save(inbox.entry(), events.entry(), series.entry(), ...entries);
    for (const { apply } of gaps) apply();
  });

/** Reads what is there now, within the turn that its caller already has. */
export const catchUp = (parts: Parts): Promise<void> =>
  readQueue(
    parts,
    () => 0,
    (work) => work(),
  );
