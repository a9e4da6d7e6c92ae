// What the closed codes of the Tor side mean, in a plain sentence for people.
import type { FaultCode } from "../src/fault.ts";

type TorFaultCode = Extract<FaultCode, `tor/${string}`>;

const sentences: Readonly<Record<TorFaultCode, string>> = {
  "tor/missing": "The tor program was not found: type `apt-get install tor`.",
  "tor/too-old": "The installed tor is older than 0.4.8: type `apt-get install tor` on a current system.",
  "tor/start": "Tor ended while it was starting: its tor.log says why.",
  "tor/timeout": "Tor did not answer in time.",
  "tor/address": "This is not a v3 onion address.",
  "tor/control-lost": "The connection to tor's control socket ended.",
  "tor/control-reply": "What answers on the control socket does not speak tor's control protocol.",
  "tor/control-refused": "Tor refused a command.",
  "tor/proxy": "Tor's SOCKS listener cannot be reached: is tor running?",
  "tor/onion-not-found":
    "This onion service is unknown to the Tor network: it may be offline, or the address is wrong.",
  "tor/onion-descriptor": "What the Tor network holds for this onion service cannot be read.",
  "tor/onion-introduction": "The onion service is known but does not answer: it may be offline or overloaded.",
  "tor/onion-rendezvous": "The onion service answered, but the connection to it could not be completed.",
  "tor/onion-authorization": "This onion service only admits clients whose key it knows.",
  "tor/onion-address": "Tor does not take this onion address: it is mistyped.",
  "tor/connect": "Tor could not make a connection to the onion service.",
  "tor/lost": "The connection to the onion service was lost.",
  "tor/reply-size": "The server's reply was too large.",
  "tor/closed": "This connection was closed here.",
  "tor/path": "The data directory's path is too long for a unix socket, or has a control character in it.",
};

/** The sentence for a fault of the Tor side; undefined for any other. */
export const torSentence = (code: FaultCode): string | undefined => sentences[code as TorFaultCode];
