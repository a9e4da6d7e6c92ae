// The process whose memory the residue test reads: the real listener, and a dispatch that works with every field of a
// request as a service does. As `leaky` it does two things that no code of the house may do, for the control; as
// `collecting` it collects garbage as `tacet start` does.
import { sealInto, SEAL_OVERHEAD } from "../../src/crypto/aead.ts";
import { derive } from "../../src/crypto/derive.ts";
import { sign, signKeypair, verify } from "../../src/crypto/sign.ts";
import { exposeCollector } from "../../src/cli/collector.ts";
import { Fault, faults } from "../../src/fault.ts";
import { EnvelopeKeys } from "../../src/http/envelope-keys.ts";
import { listen } from "../../src/http/listen.ts";
import type { Dispatch, Redeem } from "../../src/http/types.ts";
import { ArenaPool } from "../../src/memory/arena.ts";
import { equal, lockedAlloc } from "../../src/memory/locked.ts";
import { SecureMap } from "../../src/memory/secure-map.ts";
import { makeObserver } from "../../src/observe/observer.ts";
import { decode } from "../../src/wire/codec.ts";
import { header } from "../../src/wire/frame.ts";
import { operations } from "../../src/wire/operations.ts";

const [socketPath = "", mode = "clean"] = process.argv.slice(2);
if (mode === "collecting") exposeCollector();
const now = () => Math.floor(Date.now() / 1000);

const houseKey = lockedAlloc(32);
const serverKey = { publicKey: Buffer.alloc(32), secretKey: lockedAlloc(64) };
signKeypair(serverKey.publicKey, serverKey.secretKey);
const spent = new SecureMap(32, 2048);
const groups = new SecureMap(32, 64);
const kept: unknown[] = [];

// A token that begins with zeros is refused, after the digest of it has been taken as for any other.
const redeem: Redeem = async (tokenClass, token, requestId) => {
  const name = derive(lockedName(), "tokenDigest", houseKey, token);
  const binding = derive(lockedName().subarray(0, 16), "receiptBinding", houseKey, token, requestId);
  if (token[1] === 0) throw new Fault("token/invalid");
  if (spent.get(name) !== undefined) throw new Fault("token/spent");
  spent.set(name, 1);
  return {
    class: tokenClass,
    epoch: 1,
    name,
    binding,
    state: "fresh",
    room: "spent",
    release: () => void spent.delete(name),
  };
};
const names = Array.from({ length: 256 }, () => lockedAlloc(32));
let next = 0;
const lockedName = (): Buffer => names[next++ % names.length]!;

/** ds.send, nearly as the delivery service does it; the reply carries plaintext back. */
const dispatch: Dispatch = async ({ payload, arena, reservations, header: head }) => {
  try {
    const body = payload.subarray(0, payload.length - 64);
    const { groupId, groupKey, message } = decode(operations["ds.send"].request, body);
    const { requestId } = decode(header, head);
    if (mode === "leaky") kept.push(Buffer.from(groupId).toString("hex"), Buffer.from(message));
    const publicKey = message.subarray(0, 32);
    if (!verify(payload.subarray(payload.length - 64), "request", publicKey, serverKey.publicKey, head, body)) {
      return { code: faults["auth/signature"].number, payload: Buffer.alloc(0) };
    }
    const name = derive(arena.take(32), "recordName", houseKey, groupId);
    groups.set(name, 1);
    // as the services do: work goes on after other requests have run
    await new Promise((resolve) => setImmediate(resolve));
    const stateKey = derive(arena.take(32), "groupState", groupKey, groupId);
    sealInto(arena.take(message.length + SEAL_OVERHEAD), message, groupId, stateKey);
    groups.delete(name);
    if (equal(stateKey, houseKey)) throw new Fault("server/error");
    const reply = arena.take(16 + 32 + 64 + 1024);
    reply.set(groupId);
    reply.set(requestId, 16);
    reply.set(message.subarray(0, 1024), 112);
    sign(reply.subarray(48, 112), "request", serverKey.secretKey, groupId, requestId);
    return { code: 0, payload: reply };
  } catch (error) {
    const code = error instanceof Fault ? error.code : "server/error";
    return { code: faults[code].number, payload: Buffer.alloc(0) };
  } finally {
    for (const reservation of reservations) reservation.release();
  }
};

const keys = new EnvelopeKeys();
keys.rotate(now());
const arenas = new ArenaPool([
  [16 << 10, 64],
  [64 << 10, 8],
]);
await listen({
  socketPath,
  arenas,
  keys,
  redeem,
  challenge: (tokenClass) => `PrivateToken challenge="${tokenClass}", token-key="k"`,
  dispatch,
  documents: { directory: () => keys.published()[0]!.publicKey },
  clock: now,
  observe: makeObserver(),
  limits: { replySeconds: 1, requestSeconds: 2 },
});
process.send?.({ serverKey: serverKey.publicKey.toString("hex") });
