// Finds free loopback ports that no outgoing connection can take in the meantime.
import { randomInt } from "node:crypto";
import { createServer } from "node:net";
import { Fault } from "../src/fault.ts";

// Below Linux's range for outgoing connections (32768 and up): a port found free here stays free until it is used,
// unless another program asks for this very number.
const lowest = 12_000;
const beyond = 32_000;

const isFree = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });

/** `count` different TCP ports of 127.0.0.1 that were free a moment ago. */
export const freePorts = async (count: number): Promise<number[]> => {
  const found = new Set<number>();
  for (let tries = 0; found.size < count; tries++) {
    if (tries > 100 + count * 10) throw new Fault("tor/start");
    const port = randomInt(lowest, beyond);
    if (!found.has(port) && (await isFree(port))) found.add(port);
  }
  return [...found];
};
