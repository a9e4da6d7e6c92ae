// Fills buffers, forgets and collects them, and waits. What it filled them with is reckoned, so that it is nowhere else.
import { exposeCollector } from "../../src/cli/collector.ts";
import { patternAt, SIZES } from "./pattern.ts";

function fill(seed: number): void {
  for (const size of SIZES) {
    const buffer = Buffer.allocUnsafeSlow(size);
    for (let i = 0; i < size; i++) buffer[i] = patternAt(seed, i);
  }
}
exposeCollector();
const seed = Number(process.argv[2]);
for (let i = 0; i < 20; i++) fill(seed);
for (let i = 0; i < 3; i++) {
  globalThis.gc?.();
  await new Promise((resolve) => setTimeout(resolve, 100));
}
process.stdout.write("ready");
setInterval(() => undefined, 1000);
