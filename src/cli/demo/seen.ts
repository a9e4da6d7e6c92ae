// What the house learns: per operation in words, and per step as counted on the way in.
import type { Transport } from "../../client/index.ts";

/** What a service sees while it answers; nothing of it is kept in memory afterwards. One line an operation. */
export const seen = {
  "as.register": "a new user name and its key, paid with an invitation that could be anybody's",
  "as.issueTokens": "an account drawing its batch; the tokens themselves are blinded",
  "as.putConnectionPackages": "an account replacing its keys for connection offers",
  "as.discover": "somebody, paying with a token, asking for one full name",
  "as.connect": "somebody, paying with a token, leaving sealed bytes for a name",
  "as.readDirect": "an account fetching sealed bytes left for it",
  "qs.createQueue": "somebody, paying with a token, opening a queue under a fresh key",
  "qs.publish": "a queue's owner replacing sealed KeyPackages",
  "qs.claim": "somebody, paying with a token, fetching one sealed KeyPackage",
  "qs.mintHandles": "a queue's owner asking for sealed handles",
  "qs.read": "a queue's owner fetching items sealed by its ratchet",
  "ds.reserve": "somebody, paying with a token, asking for the id of a group to be",
  "ds.create": "somebody, paying with a token, founding a group of one pseudonym",
  "ds.commit": "a pseudonym changing its group, with the key that opens the group's state for this request",
  "ds.welcomeInfo": "a pseudonym that was added fetching the tree of its group",
  "ds.send": "a pseudonym sending ciphertext to its group",
  "ds.sendTo": "a pseudonym sending ciphertext to one other of its group",
} as const;
export type Seen = keyof typeof seen;

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
