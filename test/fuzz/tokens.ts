// The target `tokens`: everything of tokens/ and src/wire that reads what somebody else wrote.
import type { Decoder } from "./engine.ts";
import type { Random } from "./random.ts";
import { tokenDecoders } from "./token-decoders.ts";
import { wireDecoders } from "./wire-decoders.ts";

export const describe = "every decoder of tokens/, and of src/wire: codecs, frames, documents";

export const decoders = async (random: Random): Promise<Decoder[]> => [
  ...(await tokenDecoders(random)),
  ...wireDecoders(random),
];
