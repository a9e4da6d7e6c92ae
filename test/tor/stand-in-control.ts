// A stand-in for tor's control port: a server on a unix socket that answers each line as the test says.
import { createServer, type Socket } from "node:net";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface StandInControl {
  readonly path: string;
  /** The lines received so far, without line ends. */
  readonly lines: string[];
  readonly close: () => Promise<void>;
}

/** `answer` gets each line; what it returns is sent as it is, and undefined sends nothing. */
export const standInControl = async (
  answer: (line: string, socket: Socket) => string | undefined,
): Promise<StandInControl> => {
  const dir = await mkdtemp(join(tmpdir(), "tacet-control-"));
  const path = join(dir, "control.sock");
  const lines: string[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    let text = "";
    socket.on("data", (part) => {
      text += part.toString("latin1");
      for (let end = text.indexOf("\r\n"); end >= 0; end = text.indexOf("\r\n")) {
        const line = text.slice(0, end);
        text = text.slice(end + 2);
        lines.push(line);
        const reply = answer(line, socket);
        if (reply !== undefined) socket.write(reply, "latin1");
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  const close = async (): Promise<void> => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
    await rm(dir, { recursive: true });
  };
  return { path, lines, close };
};
