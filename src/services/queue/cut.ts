// Cuts what is longer than an item into parts, each an item of its own.
import type { Arena } from "../../memory/arena.ts";
import { encode } from "../../wire/codec.ts";
import { ITEM_MAX, ITEM_PART_MAX, itemKinds, itemPart, queueItem } from "../../wire/documents.ts";

/** The items that take `item`'s place in a queue: itself, or its parts in their order. */
export function cut(arena: Arena, item: Uint8Array): readonly Uint8Array[] {
  if (item.length <= ITEM_MAX) return [item];
  const count = Math.ceil(item.length / ITEM_PART_MAX);
  return Array.from({ length: count }, (_, index) => {
    const bytes = item.subarray(index * ITEM_PART_MAX, (index + 1) * ITEM_PART_MAX);
    const message = encode(itemPart, { index, count, bytes }, (size) => arena.take(size));
    return encode(queueItem, { kind: itemKinds.part, message }, (size) => arena.take(size));
  });
}
