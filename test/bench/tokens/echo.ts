// How long a byte over a local socket takes to come back, while the process does something else.
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, connect } from "node:net";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Milliseconds from sending to return of each echo, one after the other, until `work` is done. */
export async function echoDuring(work: () => Promise<unknown>): Promise<number[]> {
  const dir = mkdtempSync(join(tmpdir(), "tacet-echo-"));
  const server = createServer((socket) => socket.pipe(socket));
  server.listen(join(dir, "s"));
  await once(server, "listening");
  const socket = connect(join(dir, "s"));
  await once(socket, "connect");
  const delays: number[] = [];
  let done = false;
  const echoes = async (): Promise<void> => {
    while (!done) {
      const sent = performance.now();
      socket.write("x");
      await once(socket, "data");
      delays.push(performance.now() - sent);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  };
  try {
    const echoing = echoes();
    await work();
    done = true;
    await echoing;
    return delays;
  } finally {
    socket.destroy();
    server.close();
    rmSync(dir, { recursive: true, force: true });
  }
}

/** The delay that so many of a hundred stay below. */
export const percentile = (delays: readonly number[], percent: number): number =>
  delays.toSorted((a, b) => a - b)[Math.floor((delays.length * percent) / 100)] ?? 0;
