// Everything of tokens/ that reads what somebody else wrote.
import { writeSpki } from "../../src/crypto/rsa-spki.ts";
import { GuardedKey } from "../../src/memory/guarded-key.ts";
import { buildIssuerDirectory } from "../../src/house/issuer-directory.ts";
import { wipe } from "../../src/memory/locked.ts";
import {
  layRequest,
  layResponse,
  parseRequest,
  parseResponse,
  requestLength,
  responseLength,
} from "../../tokens/batch.ts";
import { finishBatch } from "../../tokens/blinding.ts";
import { readAuthorization } from "../../tokens/challenge.ts";
import * as generic from "../../tokens/generic-batch.ts";
import { decodeInvitation, encodeInvitation } from "../../tokens/invitation.ts";
import { parseIssuerDirectory } from "../../tokens/issuer-directory.ts";
import { identifyBatch, issueBatch } from "../../tokens/issuer.ts";
import { exportIssuerKey, importIssuerKey, keyRecordLength } from "../../tokens/keys.ts";
import { Redeemer } from "../../tokens/redeemer.ts";
import { readRequest, type TokenRequest } from "../../tokens/request.ts";
import { MAX_TOKEN_LENGTH, parseToken, TOKEN_LENGTH } from "../../tokens/token.ts";
import { BLIND_RSA, VOPRF } from "../../tokens/types.ts";
import { decodeState, encodeState, itemLength, stateLength } from "../../tokens/wallet-state.ts";
import { parseWorkSlot, WORK_SLOT_LENGTH } from "../../tokens/work.ts";
import { readSpki } from "../../src/crypto/blind-rsa.ts";
import type { Decoder } from "./engine.ts";
import { gateDecoder } from "./gate-decoder.ts";
import type { Random } from "./random.ts";
import { allocate, MAX_BATCH, NOW, ORIGIN, tokenSetting, type TokenSetting } from "./token-setting.ts";

const NOTHING = Buffer.alloc(0);
const SLOW_MS = 1000;
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString("latin1");
const base64url = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64url");

/** For what checks more than a form: whatever it accepts must be one of the real ones, or it was forged. */
const onlyReal = (real: readonly Uint8Array[], input: Buffer): Buffer =>
  real.some((bytes) => input.equals(bytes)) ? input : NOTHING;

const encodedRequest = (request: TokenRequest): Buffer => {
  const { truncatedKeyId, count } = request;
  if (request.type === VOPRF) {
    if (request.form === "single") return Buffer.concat([Buffer.from([0, 5, truncatedKeyId]), request.blinded]);
    const out = Buffer.alloc(requestLength(count));
    layRequest(out, truncatedKeyId, count).set(request.blinded);
    return out;
  }
  if (request.form === "single") return Buffer.concat([Buffer.from([0, 2, truncatedKeyId]), request.blinded(0)]);
  const out = Buffer.alloc(generic.genericLength(count));
  const list = generic.layGenericRequest(out, truncatedKeyId, count);
  for (let i = 0; i < count; i++) generic.entryOf(list, i).set(request.blinded(i));
  return out;
};

const encodedGenericResponse = ({ count, list }: generic.GenericList): Buffer => {
  const out = Buffer.alloc(generic.genericLength(count));
  const again = generic.layGenericResponse(out, count);
  for (let i = 0; i < count; i++) generic.entryOf(again, i).set(generic.entryOf(list, i));
  return out;
};

function tokens({ keys, drawn }: TokenSetting, random: Random): Decoder[] {
  const real = drawn.flatMap((batch) => batch.tokens);
  const secret = new GuardedKey(32, (memory) => memory.set(random.bytes(32)));
  const spent = { lookup: () => Promise.resolve(undefined) };
  const redeemer = new Redeemer({ keys, origin: ORIGIN, spent, secret, now: () => NOW });
  const [name, out] = [Buffer.alloc(32), Buffer.alloc(MAX_TOKEN_LENGTH)];
  const invitation = (source: Random): Buffer => Buffer.from(encodeInvitation(ORIGIN, source.bytes(TOKEN_LENGTH)));
  const slot = (source: Random): Buffer =>
    Buffer.concat([Buffer.from("f0d5", "hex"), source.bytes(8), Buffer.alloc(WORK_SLOT_LENGTH - 10)]);
  return [
    {
      name: "token",
      faults: ["token/invalid"],
      corpus: real,
      reencode(input) {
        const { input: front, authenticator } = parseToken(input);
        return Buffer.concat([front, authenticator]);
      },
    },
    {
      name: "token at the redeemer",
      faults: ["token/invalid", "token/unknown-key"],
      corpus: real,
      bound: SLOW_MS,
      reencode(input) {
        redeemer.check(input, "deliver", name);
        return onlyReal(real, input);
      },
    },
    {
      name: "authorization header",
      faults: ["token/invalid"],
      corpus: real.flatMap((token) => [
        Buffer.from(`PrivateToken token=${base64url(token)}`),
        Buffer.from(`privatetoken  token="${base64url(token)}"`),
      ]),
      reencode: (input) => (text(input).includes(base64url(readAuthorization(out, text(input)))) ? input : NOTHING),
    },
    {
      name: "invitation",
      faults: ["token/invalid"],
      corpus: [invitation(random)],
      fresh: invitation,
      reencode(input) {
        const token = Buffer.alloc(TOKEN_LENGTH);
        return Buffer.from(encodeInvitation(decodeInvitation(token, text(input)), token));
      },
    },
    {
      name: "work slot",
      faults: ["token/work"],
      corpus: [slot(random)],
      fresh: slot,
      reencode: (input) =>
        Buffer.concat([Buffer.from("f0d5", "hex"), parseWorkSlot(input), Buffer.alloc(WORK_SLOT_LENGTH - 10)]),
    },
  ];
}

function batches({ keys, drawn }: TokenSetting): Decoder[] {
  const limits = { maxBatch: MAX_BATCH, now: NOW };
  const requests = drawn.map(({ request }) => request);
  const [voprf, rsa] = [drawn[0]!, drawn[1]!];
  const single = [
    Buffer.concat([voprf.request.subarray(0, 3), voprf.request.subarray(5, 37)]),
    Buffer.concat([Buffer.from([0, 2, rsa.key.truncatedKeyId]), rsa.request.subarray(5, 261)]),
  ];
  const all = [...requests, ...single];
  return [
    {
      name: "token request",
      faults: ["token/batch"],
      corpus: all,
      reencode: (input) => encodedRequest(readRequest(input)),
    },
    {
      name: "identified request",
      faults: ["token/batch", "token/unknown-key"],
      corpus: all,
      reencode(input) {
        identifyBatch(keys, input, limits);
        return encodedRequest(readRequest(input));
      },
    },
    {
      name: "answered request",
      faults: ["token/batch", "token/unknown-key"],
      corpus: all,
      bound: SLOW_MS,
      async reencode(input) {
        await issueBatch(keys, input, { ...limits, allocate });
        return undefined;
      },
    },
    {
      name: "amortized request",
      faults: ["token/batch"],
      corpus: [voprf.request],
      reencode(input) {
        const { truncatedKeyId, blinded } = parseRequest(input);
        const out = Buffer.alloc(requestLength(blinded.length / 32));
        layRequest(out, truncatedKeyId, blinded.length / 32).set(blinded);
        return out;
      },
    },
    {
      name: "amortized response",
      faults: ["token/batch"],
      corpus: [voprf.response],
      reencode(input) {
        const { evaluated, proof } = parseResponse(input);
        const out = Buffer.alloc(responseLength(evaluated.length / 32));
        layResponse(out, evaluated.length / 32).set(Buffer.concat([evaluated, proof]));
        return out;
      },
    },
    {
      name: "generic response",
      faults: ["token/batch"],
      corpus: [rsa.response],
      reencode: (input) => encodedGenericResponse(generic.parseGenericResponse(input)),
    },
    ...drawn.map(({ key, challengeDigest, pending, request, response, finished }): Decoder => ({
      name: `finished response of type ${key.type}`,
      faults: ["token/batch", "token/invalid"],
      corpus: [response],
      bound: SLOW_MS,
      reencode(input) {
        const batch = { publicKey: key.publicKey, challengeDigest };
        finishBatch(Buffer.alloc(finished.length), batch, pending, request, input);
        return onlyReal([response], input);
      },
    })),
  ];
}

function stored({ drawn }: TokenSetting): Decoder[] {
  const state = (all: Parameters<typeof encodeState>[1]): Buffer => {
    const out = Buffer.alloc(stateLength(all));
    encodeState(out, all);
    return out;
  };
  const wallet = drawn.flatMap(({ key, challengeDigest, pending, finished }) => {
    const common = { class: key.class, epoch: key.epoch, publicKey: key.publicKey, challengeDigest, count: 2 };
    return [
      { ...common, pending: true, items: pending },
      { ...common, pending: false, items: finished },
    ];
  });
  const freshState = (random: Random): Buffer =>
    state(
      Array.from({ length: random.below(4) }, () => {
        const batch = { ...random.pick(wallet), epoch: random.below(2 ** 32 - 1), count: 1 + random.below(3) };
        return { ...batch, items: random.bytes(batch.count * itemLength(batch)) };
      }),
    );
  return [
    {
      name: "wallet state",
      faults: ["store/corrupt"],
      corpus: [state([]), state(wallet)],
      fresh: freshState,
      bound: SLOW_MS,
      reencode(input) {
        const decoded = decodeState(input);
        const out = state(decoded);
        for (const { items } of decoded) wipe(items);
        return out;
      },
    },
    {
      name: "key record",
      faults: ["crypto/input"],
      corpus: drawn.map(({ record }) => record),
      bound: SLOW_MS,
      reencode(input) {
        const key = importIssuerKey(input);
        try {
          return exportIssuerKey(Buffer.alloc(keyRecordLength(key)), key);
        } finally {
          key.secret.destroy();
        }
      },
    },
    {
      name: "public key of type 2",
      faults: ["crypto/input"],
      corpus: drawn.filter(({ key }) => key.type === BLIND_RSA).map(({ key }) => key.publicKey),
      reencode: (input) => writeSpki(readSpki(input).modulus),
    },
  ];
}

function published({ drawn }: TokenSetting): Decoder[] {
  const keys = drawn
    .filter(({ key }) => key.type === BLIND_RSA)
    .map(({ key }) => ({ ...key, class: "deliver" as const }));
  const document = buildIssuerDirectory(keys);
  const foreign = Buffer.from(text(document).replaceAll(/,"(?:not-before|tacet-class)":[^,}]+/g, ""));
  return [
    {
      name: "issuer directory of another house",
      faults: ["wire/malformed"],
      corpus: [document, foreign, buildIssuerDirectory([])],
      // One value has many spellings in JSON: what was read must be read again from our own.
      reencode(input) {
        const listed = parseIssuerDirectory(input, "deliver");
        const again = { class: "deliver", epoch: 0, notAfter: 0, type: BLIND_RSA } as const;
        const ours = buildIssuerDirectory(listed.map((key) => ({ ...key, ...again, notBefore: 0 })));
        const same = parseIssuerDirectory(ours, "deliver").every((key, i) =>
          listed[i]?.publicKey.equals(key.publicKey),
        );
        return same ? undefined : NOTHING;
      },
    },
  ];
}

export async function tokenDecoders(random: Random): Promise<Decoder[]> {
  const setting = await tokenSetting(random);
  const gate = gateDecoder(setting.drawn.flatMap((batch) => batch.tokens));
  return [...tokens(setting, random), gate, ...batches(setting), ...stored(setting), ...published(setting)];
}
