// Shows which TCP and UDP sockets a process listens on, read from the kernel and not from the process.
import { readdir, readFile, readlink } from "node:fs/promises";

export interface ListeningSocket {
  readonly protocol: "tcp" | "tcp6" | "udp" | "udp6";
  readonly port: number;
}

const protocols = ["tcp", "tcp6", "udp", "udp6"] as const;
/** include/net/tcp_states.h. UDP has no such state: whatever has a local port can be sent to. */
const tcpListen = "0A";

/** Inode numbers of all sockets the process holds. A descriptor that closes meanwhile is left out. */
const socketInodes = async (pid: number): Promise<Set<string>> => {
  const folder = `/proc/${pid}/fd`;
  const links = await Promise.all((await readdir(folder)).map((fd) => readlink(`${folder}/${fd}`).catch(() => "")));
  return new Set(links.flatMap((link) => /^socket:\[(\d+)\]$/.exec(link)?.[1] ?? []));
};

/**
 * Every TCP socket in state LISTEN and every UDP socket with a port that the process `pid` holds, in its own network
 * namespace. Empty is the proof that nobody can connect to it but through unix sockets. Linux only; rejects with the
 * system's error when the process is gone or belongs to another user.
 */
export const tcpListeners = async (pid: number): Promise<ListeningSocket[]> => {
  const held = await socketInodes(pid);
  const tables = await Promise.all(
    protocols.map(async (protocol) => {
      // A kernel without IPv6 has no such table.
      const table = await readFile(`/proc/${pid}/net/${protocol}`, "utf8").catch(() => "");
      return table
        .split("\n")
        .slice(1)
        .flatMap((row): ListeningSocket[] => {
          const [, local = "", , state, , , , , , inode = ""] = row.trim().split(/\s+/);
          const port = Number.parseInt(local.split(":")[1] ?? "0", 16);
          const open = protocol.startsWith("udp") ? port > 0 : state === tcpListen;
          return open && held.has(inode) ? [{ protocol, port }] : [];
        });
    }),
  );
  return tables.flat();
};
