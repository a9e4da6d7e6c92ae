// The gate's own reading of an Authorization header, which decodes into locked memory without a regular expression.
import { admit } from "../../src/http/gate.ts";
import type { Redeem } from "../../src/http/types.ts";
import { ArenaPool } from "../../src/memory/arena.ts";
import { REQUEST_ID_LENGTH, TOKEN_SLOT_LENGTH } from "../../src/wire/frame.ts";
import type { Decoder } from "./engine.ts";

const NOTHING = Buffer.alloc(0);

/** `tokens`: real ones, of either type. */
export function gateDecoder(tokens: readonly Uint8Array[]): Decoder {
  const pool = new ArenaPool([[4096, 2]]);
  const [none, requestId] = [Buffer.alloc(TOKEN_SLOT_LENGTH), Buffer.alloc(REQUEST_ID_LENGTH)];
  const headers = tokens.map((token) => Buffer.from(token).toString("base64url"));
  return {
    name: "authorization at the gate",
    faults: ["token/invalid", "token/required"],
    corpus: headers.flatMap((text) => [
      Buffer.from(`PrivateToken token=${text}`),
      Buffer.from(`privatetoken  challenge="AAAA", token="${text}"`),
    ]),
    async reencode(input) {
      // What a header cannot hold never arrives (RFC 9110 section 5.5).
      const authorization = input.toString("latin1");
      let slot = NOTHING;
      const redeem: Redeem = async (tokenClass, token) => {
        slot = Buffer.from(token);
        return {
          class: tokenClass,
          epoch: 0,
          name: NOTHING,
          binding: NOTHING,
          state: "fresh",
          room: "spent",
          release: () => {},
        };
      };
      const arena = pool.arena();
      try {
        await admit({ operation: "as.discover", token: none, requestId, authorization }, redeem, arena);
      } finally {
        arena.close();
      }
      // The slot holds what the header spells, in either of the two alphabets, and zeros behind it.
      const spelled = authorization.replaceAll("+", "-").replaceAll("/", "_");
      const exact = [162, 354].some(
        (length) =>
          spelled.includes(slot.subarray(0, length).toString("base64url")) &&
          slot.subarray(length).every((b) => b === 0),
      );
      return slot.length === TOKEN_SLOT_LENGTH && exact ? input : NOTHING;
    },
  };
}
