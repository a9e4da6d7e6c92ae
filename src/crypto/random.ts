// The one source of randomness.
import sodium from "sodium-native";

/** Fills `out` from the operating system's generator and returns it. */
export function randomFill<B extends Uint8Array>(out: B): B {
  sodium.randombytes_buf(out);
  return out;
}

/** `size` fresh random bytes in ordinary memory: ids, nonces, salts; secrets go into locked memory through `randomFill`. */
export const randomBytes = (size: number): Buffer => randomFill(Buffer.allocUnsafeSlow(size));

/** A uniform integer in [0, bound), bound at most 2^32. */
export const randomBelow = (bound: number): number => sodium.randombytes_uniform(bound);
