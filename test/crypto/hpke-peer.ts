// The foreign HPKE implementation that ours is checked against.
export { CipherSuite, DhkemX25519HkdfSha256, HkdfSha256 } from "@hpke/core";
export { Chacha20Poly1305 } from "@hpke/chacha20poly1305";
