// A transport in front of the real one that notes what passes and fails where a test wants it to.
import type { Transport, TransportReply } from "../../src/client/transport.ts";
import { Fault, type FaultCode } from "../../src/fault.ts";

export interface Passed {
  readonly circuit: string;
  readonly body: Buffer;
}

export interface Flaky extends Transport {
  /** Every post that was tried, in order. */
  readonly posts: Passed[];
  readonly gets: string[];
  readonly closedCircuits: string[];
  /** What becomes of a post, by its number from 1 on: passed, lost on the way there, or its reply lost. */
  plan: (post: number) => "pass" | "lose-request" | "lose-reply";
  /** The fault that a loss shows as. */
  loss: FaultCode;
}

export function flaky(inner: Transport): Flaky {
  const transport: Flaky = {
    posts: [],
    gets: [],
    closedCircuits: [],
    plan: () => "pass",
    loss: "tor/lost",
    async post(circuit, path, body, options): Promise<TransportReply> {
      transport.posts.push({ circuit, body: Buffer.from(body) });
      const fate = transport.plan(transport.posts.length);
      if (fate === "lose-request") throw new Fault(transport.loss);
      const reply = await inner.post(circuit, path, body, options);
      if (fate === "lose-reply") throw new Fault(transport.loss);
      return reply;
    },
    async get(circuit, path, options) {
      transport.gets.push(path);
      return inner.get(circuit, path, options);
    },
    closeCircuit(circuit) {
      transport.closedCircuits.push(circuit);
      inner.closeCircuit(circuit);
    },
    close: () => inner.close(),
  };
  return transport;
}
