// Clients that go on asking while others' requests should be forgotten: what the process must work on in that time.
import { randomBytes } from "../../src/crypto/random.ts";
import { sign } from "../../src/crypto/sign.ts";
import type { Canary } from "../memory/canary.ts";
import { rawHouse, type AskedHouse } from "../raw-account.ts";
import type { TestQueue } from "../services/queue/test-queue.ts";

/** Requests under way at any time. */
export const IN_FLIGHT = 4;

export interface Load {
  /** Each named after its request. */
  readonly canaries: Canary[];
  /** Requests answered so far. */
  readonly count: () => number;
  /** Lets what is under way fail. */
  stop(): void;
}

/** Half are served (`queue` is read), half are refused (a lookup with a token of nobody's). */
export async function startLoad(house: AskedHouse, queue: TestQueue): Promise<Load> {
  const canaries: Canary[] = [];
  const clients = await Promise.all(Array.from({ length: IN_FLIGHT }, () => rawHouse(house)));
  const { queueId, owner } = queue;
  let answered = 0;
  let serial = 0;
  let going = true;
  const work = async ({ ask }: (typeof clients)[number]): Promise<void> => {
    while (going) {
      const kind = `load ${serial++}`;
      const note = (bytes: Uint8Array): void => void canaries.push({ kind, bytes: Buffer.from(bytes) });
      const [requestId, name, token] = [randomBytes(16), randomBytes(24), randomBytes(354)];
      note(requestId);
      if (serial % 2 === 0) {
        const signer = (...parts: Uint8Array[]): Uint8Array => {
          const signature = sign(Buffer.alloc(64), "request", owner.secretKey, ...parts);
          note(signature);
          return signature;
        };
        await ask({ operation: "qs.read", request: { queueId, acknowledge: 0, wait: 0 }, requestId, signer });
      } else {
        note(name);
        note(token);
        await ask({ operation: "as.discover", request: { name }, requestId, token });
      }
      answered++;
    }
  };
  for (const client of clients) void work(client).catch(() => undefined);
  return {
    canaries,
    count: () => answered,
    stop() {
      going = false;
      for (const client of clients) client.close();
    },
  };
}
