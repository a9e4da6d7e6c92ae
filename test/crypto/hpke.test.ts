import assert from "node:assert/strict";
import { Chacha20Poly1305, CipherSuite, DhkemX25519HkdfSha256, HkdfSha256 } from "./hpke-peer.ts";
import {
  CONTEXT_LENGTH,
  ENC_LENGTH,
  openReply,
  openWith,
  ReceiverKey,
  REPLY_OVERHEAD,
  sealReply,
  sealWith,
  setupSender,
} from "../../src/crypto/hpke.ts";
import { hpkeInfo, hpkeReplyExport } from "../../src/crypto/labels.ts";
import { Fault } from "../../src/fault.ts";
import { lockedAlloc } from "../../src/memory/locked.ts";

const suite = new CipherSuite({
  kem: new DhkemX25519HkdfSha256(),
  kdf: new HkdfSha256(),
  aead: new Chacha20Poly1305(),
});
const info = new TextEncoder().encode(hpkeInfo.request).buffer;
const bytes = (b: Uint8Array): ArrayBuffer => Uint8Array.from(b).buffer;
const isOpenFault = (e: unknown): boolean => e instanceof Fault && e.code === "crypto/open";

describe("crypto/hpke", () => {
  it("opens what @hpke/core seals, message after message, and exports the same secret", async () => {
    const key = new ReceiverKey("request");
    const recipientPublicKey = await suite.kem.importKey("raw", bytes(key.publicKey), true);
    const sender = await suite.createSenderContext({ recipientPublicKey, info });
    const context = lockedAlloc(CONTEXT_LENGTH);
    const enc = Buffer.from(sender.enc);
    key.setup(context, enc);
    for (const [sequence, text] of ["header", "a longer body", ""].entries()) {
      const sealed = Buffer.from(await sender.seal(bytes(Buffer.from(text)), bytes(Buffer.from("ad"))));
      const out = Buffer.alloc(sealed.length - 16);
      openWith(context, sequence, out, sealed, Buffer.from("ad"));
      assert.equal(out.toString(), text);
    }
    const exported = Buffer.from(await sender.export(bytes(Buffer.from(hpkeReplyExport)), 32));
    // The reply key schedule starts from this export: a reply sealed by us opens with keys computed from the peer's.
    const reply = Buffer.from("the answer");
    const sealedReply = Buffer.alloc(reply.length + REPLY_OVERHEAD);
    sealReply(sealedReply, context, enc, reply);
    const { createHmac, createDecipheriv } = await import("node:crypto");
    const mac = (k: Buffer, d: Buffer): Buffer => createHmac("sha256", k).update(d).digest();
    const prk = mac(Buffer.concat([enc, sealedReply.subarray(0, 32)]), exported);
    const k = mac(prk, Buffer.from("key\x01", "latin1"));
    const n = mac(prk, Buffer.from("nonce\x01", "latin1")).subarray(0, 12);
    const d = createDecipheriv("chacha20-poly1305", k, n, { authTagLength: 16 });
    d.setAuthTag(sealedReply.subarray(-16));
    assert.equal(Buffer.concat([d.update(sealedReply.subarray(32, -16)), d.final()]).toString(), "the answer");
  });

  it("seals what @hpke/core opens", async () => {
    const pair = await suite.kem.generateKeyPair();
    const publicKey = Buffer.from(await suite.kem.serializePublicKey(pair.publicKey));
    const context = lockedAlloc(CONTEXT_LENGTH);
    const enc = Buffer.alloc(ENC_LENGTH);
    setupSender(context, enc, "request", publicKey);
    const recipient = await suite.createRecipientContext({ recipientKey: pair.privateKey, enc: bytes(enc), info });
    for (const sequence of [0, 1]) {
      const sealed = Buffer.alloc(5 + 16);
      sealWith(context, sequence, sealed, Buffer.from("hello"));
      assert.equal(Buffer.from(await recipient.open(bytes(sealed))).toString(), "hello");
    }
  });

  it("refuses every flipped bit, a wrong sequence number and another purpose", () => {
    const key = new ReceiverKey("request");
    const sender = lockedAlloc(CONTEXT_LENGTH);
    const receiver = lockedAlloc(CONTEXT_LENGTH);
    const enc = Buffer.alloc(ENC_LENGTH);
    setupSender(sender, enc, "request", key.publicKey);
    const sealed = Buffer.alloc(4 + 16);
    sealWith(sender, 0, sealed, Buffer.from("text"));
    key.setup(receiver, enc);
    const out = Buffer.alloc(4);
    openWith(receiver, 0, out, sealed); // control: untouched it opens
    for (let bit = 0; bit < sealed.length * 8; bit++) {
      const bad = Buffer.from(sealed);
      bad[bit >> 3]! ^= 1 << (bit & 7);
      assert.throws(() => openWith(receiver, 0, out, bad), isOpenFault);
      assert.ok(out.every((b) => b === 0));
    }
    assert.throws(() => openWith(receiver, 1, out, sealed), isOpenFault);
    setupSender(sender, enc, "connectionOffer", key.publicKey);
    sealWith(sender, 0, sealed, Buffer.from("text"));
    key.setup(receiver, enc);
    assert.throws(() => openWith(receiver, 0, out, sealed), isOpenFault);
  });

  it("refuses low-order points (RFC 9180 section 7.1.4) and a destroyed key", () => {
    const key = new ReceiverKey("request");
    const context = lockedAlloc(CONTEXT_LENGTH);
    assert.throws(() => key.setup(context, Buffer.alloc(32)), isOpenFault);
    assert.throws(() => key.setup(context, Buffer.from([1, ...Buffer.alloc(31)])), isOpenFault);
    assert.throws(() => setupSender(context, Buffer.alloc(32), "request", Buffer.alloc(32)), Fault);
    key.destroy();
    assert.throws(() => key.setup(context, Buffer.alloc(32, 9)), isOpenFault);
  });

  it("opens a reply only with the request's own context", () => {
    const key = new ReceiverKey("request");
    const [a, b] = [lockedAlloc(CONTEXT_LENGTH), lockedAlloc(CONTEXT_LENGTH)];
    const [encA, encB] = [Buffer.alloc(32), Buffer.alloc(32)];
    setupSender(a, encA, "request", key.publicKey);
    setupSender(b, encB, "request", key.publicKey);
    const sealed = Buffer.alloc(3 + REPLY_OVERHEAD);
    sealReply(sealed, a, encA, Buffer.from("yes"));
    const out = Buffer.alloc(3);
    openReply(out, a, encA, sealed);
    assert.equal(out.toString(), "yes");
    assert.throws(() => openReply(out, b, encB, sealed), isOpenFault);
    assert.throws(() => openReply(out, a, encB, sealed), isOpenFault);
  });
});
