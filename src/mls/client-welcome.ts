// A Welcome taken apart as far as it goes without the ratchet tree (RFC 9420 section 12.4.3.1): the group it leads to and
// the epoch's secrets, from which the group key follows. With that key the joiner asks the house for the tree.
import type { GroupInfo, KeyPackage, PrivateKeyPackage, Welcome } from "ts-mls";
import { decryptWithLabel } from "ts-mls/crypto/hpke.js";
import { verifyConfirmationTag } from "ts-mls/framedContent.js";
import { decodeGroupInfo, extractWelcomeSecret, groupInfoEncoder } from "ts-mls/groupInfo.js";
import { decodeGroupSecrets, groupSecretsEncoder } from "ts-mls/groupSecrets.js";
import { deriveKeySchedule } from "ts-mls/keySchedule.js";
import { welcomeKey, welcomeNonce } from "ts-mls/welcome.js";
import { wipe } from "../memory/locked.ts";
import { allowed, guarded, sameBytes, strictDecode, valid } from "./codec.ts";
import { exportGroupKey } from "./group-key.ts";
import { keyPackageRef } from "./signed.ts";
import { cipherSuite, KEY_LENGTH, SUITE } from "./suite.ts";
import { checkContext } from "./validation-group.ts";

export interface OpenedWelcome {
  /** Its signature cannot be checked before the tree is there. */
  readonly groupInfo: GroupInfo;
  /** 32 bytes. */
  readonly groupKey: Uint8Array;
}

const { hash, hpke, kdf } = cipherSuite;

/** Throws Fault `group/invalid`, `group/limit`; `group/policy` for pre-shared keys and for a GroupInfo with extensions, as no member of ours makes. */
export function openWelcome(welcome: Welcome, own: KeyPackage, keys: PrivateKeyPackage): Promise<OpenedWelcome> {
  return guarded(async () => {
    valid(welcome.cipherSuite === SUITE);
    const ref = keyPackageRef(Buffer.alloc(KEY_LENGTH), own);
    const [secrets, ...others] = welcome.secrets.filter(({ newMember }) => sameBytes(newMember, ref));
    valid(secrets !== undefined && others.length === 0);
    const { kemOutput, ciphertext } = secrets.encryptedGroupSecrets;
    const initKey = await hpke.importPrivateKey(keys.initPrivateKey);
    const { encryptedGroupInfo } = welcome;
    const opened = await decryptWithLabel(initKey, "Welcome", encryptedGroupInfo, kemOutput, ciphertext, hpke);
    const { joinerSecret, psks } = strictDecode(decodeGroupSecrets, groupSecretsEncoder, opened);
    try {
      allowed(psks.length === 0);
      return await openGroupInfo(encryptedGroupInfo, joinerSecret);
    } finally {
      wipe(opened);
    }
  });
}

async function openGroupInfo(encrypted: Uint8Array, joinerSecret: Uint8Array): Promise<OpenedWelcome> {
  const noPsk = new Uint8Array(KEY_LENGTH);
  const welcomeSecret = await extractWelcomeSecret(joinerSecret, noPsk, kdf);
  const key = await welcomeKey(welcomeSecret, cipherSuite);
  const plain = await hpke.decryptAead(key, await welcomeNonce(welcomeSecret, cipherSuite), undefined, encrypted);
  wipe(welcomeSecret, key);
  const groupInfo = strictDecode(decodeGroupInfo, groupInfoEncoder, plain);
  allowed(groupInfo.extensions.length === 0);
  const { groupContext, confirmationTag } = groupInfo;
  checkContext(groupContext);
  const [schedule, encryptionSecret] = await deriveKeySchedule(joinerSecret, noPsk, groupContext, kdf);
  try {
    const { confirmationKey } = schedule;
    valid(await verifyConfirmationTag(confirmationKey, confirmationTag, groupContext.confirmedTranscriptHash, hash));
    return { groupInfo, groupKey: await exportGroupKey(schedule.exporterSecret) };
  } finally {
    wipe(encryptionSecret, ...Object.values(schedule as unknown as Record<string, Uint8Array>));
  }
}
