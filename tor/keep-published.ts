// Keeps an onion service published for as long as the house runs: when tor is lost, it is reached or started anew.
import { setTimeout as sleep } from "node:timers/promises";
import { Fault } from "../src/fault.ts";
import { awaitBootstrap } from "./bootstrap.ts";
import { ControlClient } from "./control.ts";
import { launchSystemTor, type SystemTor } from "./launch.ts";
import { publishOnion, type PowDefenses } from "./publish.ts";

export type TorSource =
  | {
      readonly mode: "launch";
      readonly dataDir: string;
      /** Have a SOCKS socket as well (`torFiles` says where). */
      readonly socks?: boolean;
      readonly extra?: readonly string[];
    }
  | { readonly mode: "control"; readonly controlSocket: string; readonly cookieFile?: string };

export interface KeepOptions {
  readonly source: TorSource;
  /** Fills the 32-byte buffer it is given with the onion's seed; the buffer is wiped after each publication. */
  readonly seed: (into: Buffer) => void;
  /** 32 bytes that the caller owns and nobody else uses, best in locked memory. */
  readonly seedBuffer: Buffer;
  readonly targetSocket: string;
  readonly powDefenses?: PowDefenses;
  /** Bootstrap progress of the first start, in percent. */
  readonly progress?: (percent: number) => void;
  readonly lost: () => void;
  readonly back: () => void;
  /** Milliseconds for one bootstrap. Default 5 minutes. */
  readonly bootstrapMs?: number;
}

export interface Kept {
  readonly address: string;
  /** Withdraws the onion and ends the tor that was started here. */
  readonly stop: () => Promise<void>;
}

interface Connected {
  readonly control: ControlClient;
  readonly tor: SystemTor | undefined;
  readonly address: string;
}

const retryMs = 5_000;

const connectOnce = async (options: KeepOptions): Promise<Connected> => {
  const { source, seed, seedBuffer, targetSocket, powDefenses, progress, bootstrapMs = 300_000 } = options;
  const tor =
    source.mode === "launch"
      ? await launchSystemTor({
          dataDir: source.dataDir,
          ...(source.socks !== undefined && { socks: source.socks }),
          ...(source.extra && { extra: source.extra }),
        })
      : undefined;
  let control: ControlClient | undefined;
  try {
    const { controlSocket, cookieFile } = tor ?? (source as TorSource & { mode: "control" });
    control = await ControlClient.connect(controlSocket, cookieFile === undefined ? {} : { cookieFile });
    await awaitBootstrap(control, bootstrapMs, progress);
    seed(seedBuffer);
    const pow = powDefenses && { powDefenses };
    const { address } = await publishOnion({ control, seed: seedBuffer, targetSocket, ...pow });
    return { control, tor, address };
  } catch (error) {
    control?.close();
    await tor?.stop();
    throw error;
  } finally {
    seedBuffer.fill(0);
  }
};

const release = async ({ control, tor }: Connected): Promise<void> => {
  control.close();
  await tor?.stop();
};

/** Resolves when the onion is published for the first time. Faults: those of launch.ts, control.ts, publish.ts. */
export const keepPublished = async (options: KeepOptions): Promise<Kept> => {
  let connected = await connectOnce(options);
  const stopping = new AbortController();

  const watch = async (): Promise<void> => {
    for (;;) {
      await Promise.race([connected.control.closed, once(stopping.signal)]);
      if (stopping.signal.aborted) return;
      options.lost();
      await release(connected);
      for (let again: Connected | undefined; again === undefined;) {
        await sleep(retryMs, undefined, { signal: stopping.signal });
        again = await connectOnce(options).catch(() => undefined);
        if (again !== undefined) connected = again;
      }
      options.back();
    }
  };
  // An aborted sleep is the only way out besides the return.
  const watching = watch().catch(() => undefined);

  return {
    address: connected.address,
    async stop() {
      stopping.abort(new Fault("tor/closed"));
      await watching;
      await release(connected);
    },
  };
};

const once = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
