// The circuits of a transport: one HTTP agent for each label, made at first use, dropped on request.
import type { Agent } from "node:http";
import { Fault } from "../src/fault.ts";
import { exchange } from "./http-exchange.ts";
import type { RequestOptions, Transport, TransportReply } from "./transport-interface.ts";

const defaultTimeout = 60_000;

/** A transport to `host` whose circuits are the agents that `open` makes. */
export const circuitTransport = (host: string, open: () => Agent): Transport => {
  const agents = new Map<string, Agent>();
  let closed = false;

  const agentOf = (circuit: string): Agent => {
    const agent = agents.get(circuit) ?? open();
    agents.set(circuit, agent);
    return agent;
  };

  const send = async (
    circuit: string,
    path: string,
    body: Uint8Array | undefined,
    { timeoutMs = defaultTimeout, retry = false }: RequestOptions = {},
  ): Promise<TransportReply> => {
    const deadline = performance.now() + timeoutMs;
    for (let again = retry; ; again = false) {
      if (closed) throw new Fault("tor/closed");
      try {
        const left = deadline - performance.now();
        return await exchange({ agent: agentOf(circuit), host, path, body, timeoutMs: left });
      } catch (error) {
        if (closed) throw new Fault("tor/closed");
        if (!again || !(error instanceof Fault) || error.code !== "tor/lost") throw error;
      }
    }
  };

  return {
    post: (circuit, path, body, options) => send(circuit, path, body, options),
    get: (circuit, path, options) => send(circuit, path, undefined, options),
    closeCircuit: (circuit) => {
      agents.get(circuit)?.destroy();
      agents.delete(circuit);
    },
    close: () => {
      closed = true;
      for (const agent of agents.values()) agent.destroy();
      agents.clear();
    },
  };
};
