// What the way to the house shows: requests, circuits and sizes, counted step by step.
import type { Transport } from "../../client/index.ts";
import type { OperationName } from "../../wire/operations.ts";

export type Seen = OperationName;

export interface Traffic {
  /** Requests since the last `take`, the circuits they came on, and the distinct (request, reply) sizes. */
  take(): { requests: number; circuits: number; shapes: string[] };
}

/** Counts what passes through a transport, as the house's side of Tor could. */
export function counted(transport: Transport): { transport: Transport; traffic: Traffic } {
  let requests = 0;
  let circuits = new Set<string>();
  let shapes = new Set<string>();
  return {
    transport: {
      async post(circuit, path, body, options) {
        const reply = await transport.post(circuit, path, body, options);
        requests++;
        circuits.add(circuit);
        shapes.add(`${body.length}>${reply.body.length}`);
        return reply;
      },
      get: (circuit, path, options) => transport.get(circuit, path, options),
      closeCircuit: (circuit) => transport.closeCircuit(circuit),
      close: () => transport.close(),
    },
    traffic: {
      take() {
        const taken = { requests, circuits: circuits.size, shapes: [...shapes] };
        requests = 0;
        circuits = new Set();
        shapes = new Set();
        return taken;
      },
    },
  };
}
