// The SOCKS5 handshake with tor (RFC 1928, RFC 1929), with tor's extended reply codes as closed faults.
import type { Socket } from "node:net";
import { Fault, type FaultCode } from "../src/fault.ts";

export interface SocksDestination {
  readonly user: string;
  readonly password: string;
  readonly host: string;
  readonly port: number;
}

const version = 5;
const userPassword = 2;
const domainName = 3;
/** RFC 1928 section 6: bytes of a bound address by its type; a domain name brings its own length. */
const addressLengths: Readonly<Record<number, number>> = { 1: 4, 4: 16 };

/** tor(1), SocksPort flag ExtendedErrors. Codes below 0xF0 are RFC 1928's and say only that no stream was made. */
const refusals: Readonly<Record<number, FaultCode>> = {
  0xf0: "tor/onion-not-found",
  0xf1: "tor/onion-descriptor",
  0xf2: "tor/onion-introduction",
  0xf3: "tor/onion-rendezvous",
  0xf4: "tor/onion-authorization",
  0xf5: "tor/onion-authorization",
  0xf6: "tor/onion-address",
  0xf7: "tor/onion-introduction",
};

/** The fault for a SOCKS reply code other than 0. */
export const socksRefusal = (code: number): FaultCode => refusals[code] ?? "tor/connect";

/** Exactly `count` bytes; what follows stays in the socket. */
const read = (socket: Socket, count: number): Promise<Buffer> =>
  new Promise((resolve, reject) => {
    const settle = (act: () => void): void => {
      socket.off("readable", attempt).off("close", lost).off("error", lost);
      act();
    };
    const lost = (): void => settle(() => reject(new Fault("tor/proxy")));
    const attempt = (): void => {
      const bytes = socket.read(count) as Buffer | null;
      if (bytes?.length === count) settle(() => resolve(bytes));
      else if (bytes || socket.readableEnded) lost();
    };
    if (socket.destroyed) {
      reject(new Fault("tor/proxy"));
      return;
    }
    socket.on("readable", attempt).on("close", lost).on("error", lost);
    attempt();
  });

const counted = (text: string): Buffer => {
  const bytes = Buffer.from(text, "ascii");
  if (bytes.length === 0 || bytes.length > 255) throw new Fault("tor/connect");
  return Buffer.concat([Buffer.of(bytes.length), bytes]);
};

/**
 * Asks the proxy at the other end of `socket` for a stream to `host`, which it resolves itself.
 *
 * Only user and password are offered: a proxy that ignores credentials would put all purposes on one circuit, so it is
 * refused (tor/proxy). A refused stream is the fault of `socksRefusal`.
 */
export const socksConnect = async (socket: Socket, to: SocksDestination): Promise<void> => {
  socket.write(Buffer.of(version, 1, userPassword));
  const method = await read(socket, 2);
  if (method[0] !== version || method[1] !== userPassword) throw new Fault("tor/proxy");

  socket.write(Buffer.concat([Buffer.of(1), counted(to.user), counted(to.password)]));
  const granted = await read(socket, 2);
  if (granted[1] !== 0) throw new Fault("tor/proxy");

  const port = Buffer.of(to.port >> 8, to.port & 0xff);
  socket.write(Buffer.concat([Buffer.of(version, 1, 0, domainName), counted(to.host), port]));
  const [replyVersion, code = 1, , type = 0] = await read(socket, 4);
  if (replyVersion !== version) throw new Fault("tor/proxy");
  if (code !== 0) throw new Fault(socksRefusal(code));
  const length = type === domainName ? (await read(socket, 1))[0] : addressLengths[type];
  if (length === undefined) throw new Fault("tor/proxy");
  await read(socket, length + 2);
};
