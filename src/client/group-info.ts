// What the house tells about an epoch, piece by piece: the tree to who was added, everything to who has its key.
import { decode } from "../wire/codec.ts";
import { joinInfo } from "../wire/documents.ts";
import { ClientError } from "./errors.ts";
import type { HeldGroup } from "./groups.ts";
import { question } from "./group-request.ts";
import type { Parts } from "./parts.ts";

/** Bytes of a tree of 1,000 members with all that comes with it, and room to spare. */
const INFO_MAX = 1 << 20;

/** Adds the next piece to what is there; ClientError `server/answer` for one that does not fit to it. */
export function grown(soFar: Uint8Array, { total, chunk }: { total: number; chunk: Uint8Array }): Buffer {
  const length = soFar.length + chunk.length;
  if (total > INFO_MAX || length > total || chunk.length === 0) throw new ClientError("server/answer");
  const whole = Buffer.alloc(length);
  whole.set(soFar);
  whole.set(chunk, soFar.length);
  return whole;
}

export interface EpochInfo {
  readonly epoch: number;
  readonly groupInfo: Uint8Array;
  readonly tree: Uint8Array;
  readonly proposals: readonly Uint8Array[];
}

/** The epoch that `groupKey` is of, which must be the current one. Fault `group/unavailable`. */
export async function readEpoch(parts: Parts, held: HeldGroup, groupKey: Uint8Array): Promise<EpochInfo> {
  const { groupId } = held.state;
  let whole: Buffer = Buffer.alloc(0);
  for (;;) {
    const request = { groupId, groupKey, offset: whole.length };
    const { epoch, total } = await question(parts, held, "ds.joinInfo", request, (reply) => {
      whole = grown(whole, reply);
      return { epoch: reply.epoch, total: reply.total };
    });
    if (whole.length === total) return { epoch, ...decode(joinInfo, whole) };
  }
}
