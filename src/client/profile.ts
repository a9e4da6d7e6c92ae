// Profiles: sealed by their owner, found and opened by whoever the owner has befriended, and by nobody else.
import { openInto, SEAL_OVERHEAD, sealInto } from "../crypto/aead.ts";
import { derive } from "../crypto/derive.ts";
import { lockedAlloc, wipe } from "../memory/locked.ts";
import { bytes, decode, encode, struct } from "../wire/codec.ts";
import { PROFILE_LENGTHS, PROFILE_MAX } from "../wire/documents.ts";
import { pad, unpad } from "../wire/frame.ts";
import { ACCOUNT } from "./circuits.ts";
import type { Contact } from "./contacts.ts";
import { alone } from "./discovery.ts";
import { ClientError } from "./errors.ts";
import type { Parts } from "./parts.ts";

/** Avatar: an image as its bytes, in whatever form the app takes. */
export interface Profile {
  readonly displayName: string;
  readonly avatar: Uint8Array;
}

const plainProfile = struct({ displayName: bytes(256), avatar: bytes(PROFILE_MAX) });
const LENGTH = 4;

/** A key's token, which finds the profile, and the key that opens it. */
function keysOf(profileKey: Uint8Array): { readonly token: Buffer; readonly key: Buffer } {
  return {
    token: derive(Buffer.alloc(32), "profileName", profileKey),
    key: derive(lockedAlloc(32), "profileSeal", profileKey),
  };
}

/**
 * Publishes the profile for all contacts, in the place of the one before; nothing takes it away. Display name and avatar
 * together take at most 28,616 bytes. ClientError `account/profile`; Fault `account/limit`.
 */
export async function setProfile(parts: Parts, profile: Profile | undefined): Promise<void> {
  const { session, account } = parts;
  const version = account.record.profileVersion + 1;
  const { token, key } = keysOf(account.record.profileKey);
  try {
    const sealed = profile === undefined ? Buffer.alloc(0) : seal(profile, token, key);
    // Saved first: a version is used for one content only.
    await account.change({ profileVersion: version });
    const request = { ...account.ids, version, token, profile: sealed };
    const ask = { operation: "as.putProfile", circuit: ACCOUNT, request, signer: account.signRequest } as const;
    await session.call(ask, () => undefined);
  } finally {
    wipe(key);
  }
}

function seal({ displayName, avatar }: Profile, token: Uint8Array, key: Uint8Array): Buffer {
  const value = { displayName: Buffer.from(displayName), avatar };
  const size = value.displayName.length > 256 ? Infinity : plainProfile.size(value) + LENGTH + SEAL_OVERHEAD;
  const length = PROFILE_LENGTHS.find((one) => one >= size);
  if (length === undefined) throw new ClientError("account/profile");
  const padded = Buffer.alloc(length - SEAL_OVERHEAD);
  pad(padded, encode(plainProfile, value, Buffer.alloc));
  return sealInto(Buffer.alloc(length), padded, token, key);
}

/** A contact's profile, for a `discover` token; undefined when there is none. ClientError `contact/unverified`. */
export async function profileOf({ session, tokens }: Parts, { devices }: Contact): Promise<Profile | undefined> {
  // All clients of a user share it; the last that told of it knows the newest key.
  const { token, key } = keysOf(devices.at(-1)!.friendship.profileKey);
  try {
    return await alone(session, "discover", (circuit) =>
      tokens.spend("as.getProfile", (paid) =>
        session.call({ operation: "as.getProfile", circuit, request: { token }, token: paid }, ({ profile }) =>
          profile.length === 0 ? undefined : open(profile, token, key),
        ),
      ),
    );
  } finally {
    wipe(key);
  }
}

function open(sealed: Uint8Array, token: Uint8Array, key: Uint8Array): Profile {
  try {
    const padded = openInto(Buffer.alloc(sealed.length - SEAL_OVERHEAD), sealed, token, key);
    const { displayName, avatar } = decode(plainProfile, unpad(padded));
    return { displayName: Buffer.from(displayName).toString(), avatar: Buffer.from(avatar) };
  } catch {
    throw new ClientError("contact/unverified");
  }
}
