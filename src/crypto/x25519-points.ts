// X25519 public keys of small order: with these every shared secret is zero, and HPKE refuses to use them (RFC 9180
// section 7.1.4, RFC 7748 section 6.1). Who takes such a key into a group could not encrypt to its owner any more.

// p = 2^255 - 19, little-endian; u = 0, 1, -1, the two points of order 8, and 0 and 1 again in their unreduced forms
const SMALL_ORDER: readonly Buffer[] = [
  "0000000000000000000000000000000000000000000000000000000000000000",
  "0100000000000000000000000000000000000000000000000000000000000000",
  "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
  "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
].map((hex) => Buffer.from(hex, "hex"));
const LENGTH = 32;

/** True for a 32-byte key to which nothing can be encrypted. The top bit does not count (RFC 7748 section 5). */
export const isSmallOrder = (key: Uint8Array): boolean =>
  SMALL_ORDER.some((point) => {
    if (key[0] !== point[0] || ((key[LENGTH - 1] ?? 0) & 0x7f) !== point[LENGTH - 1]) return false;
    for (let i = 1; i < LENGTH - 1; i++) if (key[i] !== point[i]) return false;
    return true;
  });
