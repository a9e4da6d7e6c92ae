// The target `groups`: everything of src/mls that reads what somebody else wrote; and random histories of whole groups.
import type { Random } from "./random.ts";
import type { Decoder } from "./engine.ts";
import { runHistories } from "./groups/campaign.ts";
import { groupDecoders } from "./groups/decoders.ts";
import type { Histories, HistoriesOptions } from "./target.ts";

export const describe = "every decoder of src/mls; --epochs: histories of groups, with crashes and malicious members";

export const decoders = (random: Random): Promise<Decoder[]> => groupDecoders(random);

export const histories = (options: HistoriesOptions): Promise<Histories> => runHistories(options);
