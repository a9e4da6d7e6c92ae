// Control: a house that answers as soon as it can. Arguments as those of house-process.ts.
import { serve } from "../../src/main.ts";
import { ArenaPool } from "../../src/memory/arena.ts";
import { makeObserver } from "../../src/observe/observer.ts";
import { loadKeyFile } from "../../src/store/master-key.ts";
import { openStore } from "../../src/store/store.ts";

const [dir = "", keyFile = "", socketPath = ""] = process.argv.slice(2);
const masterKey = await loadKeyFile(keyFile);
const store = await openStore({ dir, masterKey, reserveBytes: 0 });
const serving = await serve({
  store,
  arenas: new ArenaPool(),
  clock: () => Math.floor(Date.now() / 1000),
  observe: makeObserver(),
  socketPath,
  limits: { replyStep: 0 },
});
process.stdout.write(`READY ${serving.house.onion} ${serving.house.invite(20).join(" ")}\n`);
