// Two kinds of request asked in turns over one connection: whether the time of one reply tells which kind it was.
import { connect, type Socket } from "node:net";
import { once } from "node:events";

/** Pairs that are asked first and do not count. */
export const WARM = 10;

/** A whole request of HTTP, made before its time is taken. */
export type MakeRequest = (round: number) => Promise<Buffer>;

export interface Timing {
  readonly samples: number;
  /** Medians, microseconds. */
  readonly median_us: readonly [number, number];
  /** 0: a guess by the time of one reply is right as often as a coin; 1: always. |2 AUC - 1| of Mann and Whitney. */
  readonly advantage: number;
  /** By how many standard deviations the rank sum is away from that of two kinds that are one. */
  readonly z: number;
}

/** Beyond this the two kinds are told apart; what is one kind gets there once in 15,000 times. */
export const Z_MAX = 4;
/** And this much must one reply tell: a difference that takes thousands of replies of one kind to see is listed, not refused. */
export const ADVANTAGE_MAX = 0.25;

/** Mann and Whitney's test, ties at half. */
export function compare(first: readonly number[], second: readonly number[]): Timing {
  const all = [...first.map((value) => ({ value, own: 1 })), ...second.map((value) => ({ value, own: 0 }))];
  all.sort((a, b) => a.value - b.value);
  let ranks = 0;
  for (let from = 0; from < all.length;) {
    let to = from;
    while (to < all.length && all[to]!.value === all[from]!.value) to++;
    for (let i = from; i < to; i++) ranks += all[i]!.own * ((from + to + 1) / 2);
    from = to;
  }
  const [n, m] = [first.length, second.length];
  const u = ranks - (n * (n + 1)) / 2;
  const z = (u - (n * m) / 2) / Math.sqrt((n * m * (n + m + 1)) / 12);
  const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;
  return {
    samples: n + m,
    median_us: [Math.round(median(first)), Math.round(median(second))],
    advantage: Math.abs((2 * u) / (n * m) - 1),
    z: Math.abs(z),
  };
}

export const differs = ({ z, advantage }: Timing): boolean => z > Z_MAX && advantage > ADVANTAGE_MAX;

/** Asks and waits for `length` bytes of body; microseconds from the last byte written to the last one read. */
async function timeOf(socket: Socket, request: Buffer, length: number): Promise<number> {
  let head = -1;
  let received = Buffer.alloc(0);
  const done = new Promise<void>((resolve, reject) => {
    const read = (chunk: Buffer): void => {
      received = Buffer.concat([received, chunk]);
      if (head < 0) head = received.indexOf("\r\n\r\n");
      if (head < 0 || received.length < head + 4 + length) return;
      socket.off("data", read);
      socket.off("close", reject);
      resolve();
    };
    socket.on("data", read);
    socket.once("close", reject);
  });
  const began = process.hrtime.bigint();
  socket.write(request);
  await done;
  return Number(process.hrtime.bigint() - began) / 1000;
}

/** `pairs` of both kinds, whose replies have `length` bytes of body, in random order within each pair; the first few do not count. */
export async function timed(
  socketPath: string,
  length: number,
  pairs: number,
  kinds: readonly [MakeRequest, MakeRequest],
): Promise<Timing> {
  const socket = connect({ path: socketPath });
  await once(socket, "connect");
  const times: [number[], number[]] = [[], []];
  try {
    for (let round = 0; round < pairs + WARM; round++) {
      const first = Math.random() < 0.5 ? 0 : 1;
      for (const kind of [first, 1 - first] as const) {
        const took = await timeOf(socket, await kinds[kind]!(round), length);
        if (round >= WARM) times[kind]!.push(took);
      }
    }
  } finally {
    socket.destroy();
  }
  return compare(...times);
}
