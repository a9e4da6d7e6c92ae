// One turn: a new turn key, every record that lives moved under it, and the old key forgotten (erasable.ts says why).
import { Fault } from "../fault.ts";
import { KEY_LENGTH } from "./driver.ts";
import type { Machinery } from "./transaction.ts";

// Records, and bytes of values, that are moved in one batch: others wait no longer for it than for one of their own.
const AT_ONCE = 256;
const BYTES_AT_ONCE = 256 << 10;

/**
 * Runs one turn, or ends the one that was interrupted. `quiet` resolves when all work that is under way now has ended:
 * it may still write what it sealed under the old key, or open what it read. `going` is false when the store closes:
 * Fault `store/closed` then, and the next turn goes on from the beginning.
 */
export async function turn(machinery: Machinery, quiet: () => Promise<void>, going: () => boolean): Promise<void> {
  const { turnKeys, sealing } = machinery;
  if (turnKeys.ids.length === 1) {
    turnKeys.begin();
    sealing.turn();
  }
  await quiet();
  await moveAll(machinery, going);
  await quiet();
  if (!going()) throw new Fault("store/closed");
  turnKeys.drop();
  sealing.turn();
}

async function moveAll({ driver, sealing, writer }: Machinery, going: () => boolean): Promise<void> {
  const end = Buffer.alloc(KEY_LENGTH + 1, 0xff);
  for (let from: Buffer | undefined = Buffer.alloc(0); from !== undefined;) {
    if (!going()) throw new Fault("store/closed");
    const start: Buffer = from;
    from = undefined;
    await writer.rewrite(async () => {
      const entries = await driver.range(start, end, AT_ONCE, BYTES_AT_ONCE);
      const last = entries.at(-1);
      if (last !== undefined) from = Buffer.concat([last.key, Buffer.of(0)]);
      return sealing.together(() =>
        entries.flatMap(({ key, value }) => {
          const moved = key.equals(writer.headKey) ? undefined : sealing.move(key, value);
          return moved === undefined ? [] : [{ key, value: moved }];
        }),
      );
    });
  }
}
