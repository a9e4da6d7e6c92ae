// Control: a house that keeps a copy of all that its requests had in locked memory. Arguments as those of house-process.ts.
import { serve } from "../../src/main.ts";
import { ArenaPool, type Arena } from "../../src/memory/arena.ts";
import { makeObserver } from "../../src/observe/observer.ts";
import { loadKeyFile } from "../../src/store/master-key.ts";
import { openStore } from "../../src/store/store.ts";

const kept: Buffer[] = [];

class LeakyPool extends ArenaPool {
  override arena(): Arena {
    const arena = super.arena();
    const pieces: Buffer[] = [];
    const [take, close] = [arena.take.bind(arena), arena.close.bind(arena)];
    arena.take = (size) => {
      const piece = take(size);
      pieces.push(piece);
      return piece;
    };
    arena.close = () => {
      kept.push(...pieces.splice(0).map((piece) => Buffer.from(piece)));
      close();
    };
    return arena;
  }
}

const [dir = "", keyFile = "", socketPath = ""] = process.argv.slice(2);
const masterKey = await loadKeyFile(keyFile);
const store = await openStore({ dir, masterKey, reserveBytes: 0 });
const serving = await serve({
  store,
  arenas: new LeakyPool(),
  clock: () => Math.floor(Date.now() / 1000),
  observe: makeObserver(),
  socketPath,
});
process.stdout.write(`READY ${serving.house.onion} ${serving.house.invite(20).join(" ")}\n`);
