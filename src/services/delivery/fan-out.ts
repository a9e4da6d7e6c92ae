// What goes to members' queues: an MLS message with its kind, once for all who get it.
import { encode } from "../../wire/codec.ts";
import { itemKinds, queueItem } from "../../wire/documents.ts";
import type { Call, Delivery, DeliverySigner, DeliveryToQueue } from "../ports.ts";

/** What the operations of the delivery service work with. */
export interface Delivering {
  readonly queue: DeliveryToQueue;
  readonly signer: DeliverySigner;
}

export function delivery(
  call: Call,
  kind: keyof typeof itemKinds,
  message: Uint8Array,
  handles: readonly Uint8Array[],
): Delivery {
  const item = encode(queueItem, { kind: itemKinds[kind], message }, (size) => call.arena.take(size));
  return { handles, item };
}
