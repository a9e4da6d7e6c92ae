// The MLS working group's vectors, on our tree, our provider and the patched library. They stand in ../shared/vectors/mls.
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import * as mls from "ts-mls";
import type { CiphersuiteImpl, MlsPrivateMessage, MlsPublicMessage } from "ts-mls";
import { decryptWithLabel, encryptWithLabel } from "ts-mls/crypto/hpke.js";
import { deriveSecret, expandWithLabel } from "ts-mls/crypto/kdf.js";
import { signWithLabel, verifyWithLabel } from "ts-mls/crypto/signature.js";
import { refhash } from "ts-mls/crypto/hash.js";
import { decodeProposal } from "ts-mls/proposal.js";
import { decodeUpdatePath } from "ts-mls/updatePath.js";
import { mlsSuites } from "../../src/crypto/mls-provider.ts";
import { readRatchetTree } from "../../src/mls/messages.ts";
import { PublicTree } from "../../src/mls/public-tree.ts";
import { checkParentHashes, checkUnmergedLeaves } from "../../src/mls/validation-tree.ts";

const directory = resolve(import.meta.dirname, "../../../shared/vectors/mls");
const suites = new Map<number, CiphersuiteImpl>([
  [1, mlsSuites.MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519],
  [3, mlsSuites.MLS_128_DHKEMX25519_CHACHA20POLY1305_SHA256_Ed25519],
]);
const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, "hex"));
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

// oxlint-disable-next-line typescript/no-explicit-any -- the shape of each file is the working group's
type Vector = any;

/** Runs `check` on every vector of `file` whose cipher suite is one of `ids`. */
function vectors(file: string, ids: readonly number[], check: (vector: Vector) => Promise<void>): void {
  it(file, async function () {
    const path = resolve(directory, `${file}.json`);
    if (!existsSync(path)) return this.skip(); // the vectors are not on this machine
    this.timeout(60_000);
    const all = JSON.parse(readFileSync(path, "utf8")) as Vector[];
    const ours = all.filter((vector) => ids.includes(vector.cipher_suite));
    assert.ok(ours.length > 0);
    for (const vector of ours) await check(vector);
  });
}

describe("MLS vectors", () => {
  // suites 1 to 3 hash with SHA-256, as our tree does
  vectors("tree-validation", [1, 2, 3], async (v) => {
    const tree = PublicTree.from(readRatchetTree(hex(v.tree)));
    v.tree_hashes.forEach((hash: string, x: number) => assert.equal(text(tree.hash(x)), hash));
    v.resolutions.forEach((nodes: number[], x: number) => assert.deepEqual(tree.resolution(x), nodes));
    checkUnmergedLeaves(tree);
    checkParentHashes(tree);
  });

  vectors("tree-operations", [1, 2, 3], async (v) => {
    const tree = PublicTree.from(readRatchetTree(hex(v.tree_before)));
    assert.equal(text(tree.treeHash()), v.tree_hash_before);
    const proposal = decodeProposal(hex(v.proposal), 0)?.[0];
    assert.ok(proposal);
    if ("add" in proposal) tree.add(proposal.add.keyPackage.leafNode);
    else if ("remove" in proposal) tree.remove(proposal.remove.removed);
    else return; // Update proposals are not spoken here
    assert.equal(text(tree.treeHash()), v.tree_hash_after);
  });

  vectors("treekem", [1, 2, 3], async (v) => {
    for (const update of v.update_paths) {
      const tree = PublicTree.from(readRatchetTree(hex(v.ratchet_tree)));
      const path = decodeUpdatePath(hex(update.update_path), 0)?.[0];
      assert.ok(path);
      const steps = tree.filteredDirectPath(update.sender);
      const keys = path.nodes.map((node) => node.hpkePublicKey);
      assert.equal(text(tree.mergePath(update.sender, steps, keys)), text(path.leafNode.parentHash));
      tree.setLeaf(update.sender, path.leafNode);
      assert.equal(text(tree.treeHash()), update.tree_hash_after);
      checkParentHashes(tree);
    }
  });

  vectors("crypto-basics", [1, 3], async (v) => {
    const cs = suites.get(v.cipher_suite)!;
    assert.equal(text(await refhash(v.ref_hash.label, hex(v.ref_hash.value), cs.hash)), v.ref_hash.out);
    const e = v.expand_with_label;
    assert.equal(text(await expandWithLabel(hex(e.secret), e.label, hex(e.context), e.length, cs.kdf)), e.out);
    const d = v.derive_secret;
    assert.equal(text(await deriveSecret(hex(d.secret), d.label, cs.kdf)), d.out);
    const s = v.sign_with_label;
    const secretKey = hex(s.priv + s.pub);
    assert.equal(await verifyWithLabel(hex(s.pub), s.label, hex(s.content), hex(s.signature), cs.signature), true);
    assert.equal(text(await signWithLabel(secretKey, s.label, hex(s.content), cs.signature)), s.signature);
    const h = v.encrypt_with_label;
    const key = await cs.hpke.importPrivateKey(hex(h.priv));
    const open = (enc: Uint8Array, ct: Uint8Array) => decryptWithLabel(key, h.label, hex(h.context), enc, ct, cs.hpke);
    assert.equal(text(await open(hex(h.kem_output), hex(h.ciphertext))), h.plaintext);
    const publicKey = await cs.hpke.importPublicKey(hex(h.pub));
    const sealed = await encryptWithLabel(publicKey, h.label, hex(h.context), hex(h.plaintext), cs.hpke);
    assert.equal(text(await open(sealed.enc, sealed.ct)), h.plaintext);
  });

  for (const file of ["passive-client-welcome", "passive-client-handling-commit", "passive-client-random"]) {
    vectors(file, [1, 3], async (v) => {
      const cs = suites.get(v.cipher_suite)!;
      const message = <T>(bytes: string): T => mls.decodeMlsMessage(hex(bytes), 0)![0] as T;
      const { keyPackage } = message<mls.MlsKeyPackage>(v.key_package);
      const { welcome } = message<mls.MlsWelcome>(v.welcome);
      const keys = {
        initPrivateKey: hex(v.init_priv),
        hpkePrivateKey: hex(v.encryption_priv),
        signaturePrivateKey: hex(v.signature_priv),
      };
      const psks: Record<string, Uint8Array> = {};
      for (const psk of v.external_psks) psks[Buffer.from(psk.psk_id, "hex").toString("base64")] = hex(psk.psk);
      const tree = v.ratchet_tree === null ? undefined : readRatchetTree(hex(v.ratchet_tree));
      let state = await mls.joinGroup(welcome, keyPackage, keys, mls.makePskIndex(undefined, psks), cs, tree);
      assert.equal(text(state.keySchedule.epochAuthenticator), v.initial_epoch_authenticator);
      for (const epoch of v.epochs) {
        for (const bytes of [...epoch.proposals, epoch.commit]) {
          const index = mls.makePskIndex(state, psks);
          const handshake = message<MlsPublicMessage | MlsPrivateMessage>(bytes);
          state = (await mls.processMessage(handshake, state, index, mls.acceptAll, cs)).newState;
        }
        assert.equal(text(state.keySchedule.epochAuthenticator), epoch.epoch_authenticator);
      }
    });
  }
});
