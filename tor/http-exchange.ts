// One HTTP request and its bounded reply, with a fixed set of headers.
import { request, type Agent, type ClientRequest, type IncomingMessage } from "node:http";
import { Fault } from "../src/fault.ts";
import type { TransportReply } from "./transport-interface.ts";

/** Largest reply body in bytes, and largest reply head. */
export const maxReplyBody = 4 * 1024 * 1024;
const maxReplyHead = 8 * 1024;

/** The event by which a request tells its agent that no connection is wanted any more: node has none for that. */
export const abandoned = "abandoned";

export interface Exchange {
  readonly agent: Agent;
  readonly host: string;
  readonly path: string;
  /** Absent for GET. */
  readonly body: Uint8Array | undefined;
  readonly timeoutMs: number;
}

const collect = async (reply: IncomingMessage): Promise<TransportReply> => {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of reply as AsyncIterable<Buffer>) {
    size += part.length;
    if (size > maxReplyBody) throw new Fault("tor/reply-size");
    parts.push(part);
  }
  if (!reply.complete) throw new Fault("tor/lost");
  const challenge = reply.headers["www-authenticate"];
  const whole = { status: reply.statusCode ?? 0, body: Buffer.concat(parts, size) };
  return challenge === undefined ? whole : { ...whole, challenge };
};

const received = (message: ClientRequest): Promise<IncomingMessage> =>
  new Promise((resolve, reject) => {
    message.once("response", resolve);
    message.on("error", reject);
  });

/**
 * Sends and reads one exchange. The headers are Host, and for a POST Content-Type and Content-Length: what node would
 * add by itself (Connection) is taken out, so that all clients look alike.
 */
export const exchange = async ({ agent, host, path, body, timeoutMs }: Exchange): Promise<TransportReply> => {
  const headers = { Host: host, ...(body && { "Content-Type": "application/octet-stream" }) };
  const message = request({
    agent,
    host,
    port: 80,
    path,
    method: body ? "POST" : "GET",
    headers: body ? { ...headers, "Content-Length": body.length } : headers,
    maxHeaderSize: maxReplyHead,
  });
  message.removeHeader("Connection");
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    message.emit(abandoned);
    message.destroy();
  }, timeoutMs);
  try {
    const reply = received(message);
    message.end(body);
    return await collect(await reply);
  } catch (error) {
    message.destroy();
    if (late) throw new Fault("tor/timeout");
    throw error instanceof Fault ? error : new Fault("tor/lost");
  } finally {
    clearTimeout(timer);
  }
};
