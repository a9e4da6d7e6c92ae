// The torrc of the house's own tor, and the small grammar of torrc lines.
import { Buffer } from "node:buffer";
import { join } from "node:path";
import { Fault } from "../src/fault.ts";

/** sockaddr_un holds 108 bytes with the closing zero. */
const maxSocketPath = 107;

/** The files that matter to others in a tor's data directory. */
export const torFiles = (dataDir: string) => ({
  torrc: join(dataDir, "torrc"),
  controlSocket: join(dataDir, "control.sock"),
  cookieFile: join(dataDir, "control_auth_cookie"),
  socksSocket: join(dataDir, "socks.sock"),
  logFile: join(dataDir, "tor.log"),
});

/** A whole torrc value in quotes, as a # would else end it. Fault tor/path when no quoting can help. */
export const quoted = (value: string): string => {
  if (/\p{Cc}/u.test(value)) throw new Fault("tor/path");
  return `"${value.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;
};

/**
 * A unix socket as a torrc value, with what follows it: quoted once for the port's grammar and once for torrc's.
 * Fault tor/path when the path does not fit a socket address.
 */
export const unixSocket = (path: string, flags = ""): string => {
  if (Buffer.byteLength(path) > maxSocketPath) throw new Fault("tor/path");
  return quoted(`unix:${quoted(path)}${flags}`);
};

export interface TorrcOptions {
  /** Absolute path, mode 0700. */
  readonly dataDir: string;
  /** Tor ends by itself when this process is gone. */
  readonly ownerPid: number;
  /** A SOCKS socket for outgoing circuits, as a unix socket in the data directory. */
  readonly socks: boolean;
  /** Whole lines put at the end, for example those that join a private network. */
  readonly extra: readonly string[];
}

/** A client-only tor without any TCP listener: control, and SOCKS if wanted, are unix sockets in its directory. */
export const systemTorrc = ({ dataDir, ownerPid, socks, extra }: TorrcOptions): string => {
  const files = torFiles(dataDir);
  return [
    `DataDirectory ${quoted(dataDir)}`,
    `Log ${quoted(`warn file ${files.logFile}`)}`,
    `ControlPort ${unixSocket(files.controlSocket)}`,
    "CookieAuthentication 1",
    `CookieAuthFile ${quoted(files.cookieFile)}`,
    `SocksPort ${socks ? unixSocket(files.socksSocket, " ExtendedErrors") : "0"}`,
    "ClientOnly 1",
    // Country statistics are of no use here, and reading the tables costs up to seconds of CPU.
    "GeoIPFile /dev/null",
    "GeoIPv6File /dev/null",
    `__OwningControllerProcess ${ownerPid}`,
    ...extra,
    "",
  ].join("\n");
};
