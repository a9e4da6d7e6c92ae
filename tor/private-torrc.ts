// The torrc lines of a private Tor network on loopback: one authority, relays, and tors for services and clients.
import { join } from "node:path";
import type { AuthorityKeys } from "./private-keys.ts";
import { quoted, torFiles, unixSocket } from "./torrc.ts";

/** One tor of the network. The authority is also a relay; a "member" is a tor without an ORPort. */
export type PrivateNode =
  | { readonly kind: "authority"; readonly name: string; readonly orPort: number; readonly dirPort: number }
  | { readonly kind: "relay"; readonly name: string; readonly orPort: number }
  | { readonly kind: "member"; readonly name: string; readonly socksPort: number };

type Authority = Extract<PrivateNode, { kind: "authority" }>;

/** Two networks' worth of room in seconds before an authority would vote by itself. */
const quiet = 900;

/**
 * What makes any tor part of this network and of no other. The DirAuthority line comes first for a reason: without
 * it, tor knows only the public network's authorities.
 */
export const joinLines = (authority: Authority, keys: AuthorityKeys): string[] => [
  `DirAuthority ${authority.name} orport=${authority.orPort} no-v2 v3ident=${keys.v3Identity} ` +
    `127.0.0.1:${authority.dirPort} ${keys.fingerprint}`,
  "TestingTorNetwork 1",
  "AssumeReachable 1",
  "OutboundBindAddress 127.0.0.1",
  // Loopback traffic counts as private: were it counted, the weights would become 0 or 1 and each path would pick the
  // same "fast" relay, so that half of all starts hang at 95 percent.
  "CountPrivateBandwidth 0",
  // Else tor learns that a circuit takes 100 ms on loopback, and drops each slower one.
  "LearnCircuitBuildTimeout 0",
  "CircuitBuildTimeout 10",
];

const relayLines = (dir: string, node: { name: string; orPort: number }): string[] => [
  "SocksPort 0",
  `Nickname ${node.name}`,
  "Address 127.0.0.1",
  `ORPort 127.0.0.1:${node.orPort}`,
  "ContactInfo none@example.invalid",
  "ExitRelay 0",
  "ExitPolicy reject *:*",
  "ServerDNSDetectHijacking 0",
  "ServerDNSTestAddresses",
  "ServerDNSAllowBrokenConfig 1",
  `ServerDNSResolvConfFile ${quoted(join(dir, "resolv.conf"))}`,
];

const authorityLines = (node: Authority, now: number): string[] => [
  "AuthoritativeDirectory 1",
  "V3AuthoritativeDirectory 1",
  `DirPort 127.0.0.1:${node.dirPort}`,
  // Above 5400 seconds the onion services' revision counters overflow.
  "V3AuthVotingInterval 3600",
  "V3AuthVoteDelay 2",
  "V3AuthDistDelay 2",
  // The first vote is moved to "now" once all relays are known (private-network.ts); until then, none by itself.
  "TestingV3AuthInitialVotingInterval 1800",
  "TestingV3AuthInitialVoteDelay 2",
  "TestingV3AuthInitialDistDelay 2",
  `TestingV3AuthVotingStartOffset ${(Math.floor(now / 1000) + quiet) % 1800}`,
  "TestingAuthDirTimeToLearnReachability 0",
  "AuthDirTestReachability 0",
  "AuthDirMaxServersPerAddr 0",
  "TestingMinExitFlagThreshold 0",
  "TestingMinFastFlagThreshold 0",
  "TestingDirAuthVoteGuard *",
  "TestingDirAuthVoteHSDir *",
  "TestingDirAuthVoteExit *",
];

const ownLines = (dir: string, node: PrivateNode, now: number): string[] => {
  switch (node.kind) {
    case "authority":
      return [...relayLines(dir, node), ...authorityLines(node, now)];
    case "relay":
      return relayLines(dir, node);
    case "member":
      return [`SocksPort 127.0.0.1:${node.socksPort} ExtendedErrors`];
  }
};

/** The whole torrc of one node, whose data directory is `dir`/name. `now` is the time in milliseconds. */
export const privateTorrc = (dir: string, node: PrivateNode, network: readonly string[], now: number): string => {
  const files = torFiles(join(dir, node.name));
  return [
    ...network,
    `DataDirectory ${quoted(join(dir, node.name))}`,
    `Log ${quoted(`notice file ${files.logFile}`)}`,
    `ControlPort ${unixSocket(files.controlSocket)}`,
    "CookieAuthentication 1",
    `CookieAuthFile ${quoted(files.cookieFile)}`,
    `__OwningControllerProcess ${process.pid}`,
    "ShutdownWaitLength 0",
    "GeoIPFile /dev/null",
    "GeoIPv6File /dev/null",
    "AvoidDiskWrites 1",
    ...ownLines(dir, node, now),
    "",
  ].join("\n");
};
