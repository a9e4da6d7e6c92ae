import assert from "node:assert/strict";
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseConfig } from "../../src/config/config.ts";
import { exampleConfig } from "../../src/config/example.ts";
import { randomBytes } from "../../src/crypto/random.ts";
import { ITEM_OVERHEAD, openNext } from "../../src/crypto/ratchet.ts";
import { loadIssuerKeys, rotateIssuerKeys } from "../../src/house/issuers.ts";
import { acceptRollback } from "../../src/house/rollback.ts";
import { acceptRolledBack, backUpHouse, createHouse, openHouse } from "../../src/main.ts";
import { ArenaPool } from "../../src/memory/arena.ts";
import { makeObserver } from "../../src/observe/observer.ts";
import { openRolledBack } from "../../src/store/rollback.ts";
import { createStore, openStore } from "../../src/store/store.ts";
import { VOPRF } from "../../tokens/types.ts";
import { Services } from "../services/services.ts";
import { sealedKeyPackage, TestQueue } from "../services/queue/test-queue.ts";
import { key } from "../store/harness.ts";

describe("house/rollback: queues", () => {
  let services: Services;
  let queue: TestQueue;
  beforeEach(async () => {
    services = await Services.open();
    queue = await TestQueue.create(services);
  });
  afterEach(() => services.close());

  it("take nothing until their owner gives a new secret, and no number comes again", async () => {
    for (const text of ["one", "two", "three"]) await queue.enqueue(text);
    assert.deepEqual((await queue.read()).texts, ["one", "two", "three"]);
    await services.rollBack();
    // the owner had come further than the state that is there now
    for (const acknowledge of [0, 3, 1000]) {
      const { sequences, full } = await queue.read(acknowledge);
      assert.deepEqual([sequences, full], [[], 1]);
    }
    await queue.enqueue("not taken");
    assert.deepEqual((await queue.read(3)).sequences, []);

    const secret = randomBytes(32);
    const from = await queue.refresh(1, secret);
    assert.ok(from > 2 ** 20);
    await queue.enqueue("taken");
    const { reply } = await queue.ask(3);
    assert.deepEqual(
      reply.items.map(({ sequence }) => sequence),
      [from],
    );
    const { sealed } = reply.items[0]!;
    const out = Buffer.alloc(sealed.length - ITEM_OVERHEAD);
    openNext(out, secret, queue.queueId, from, sealed);
    assert.equal(out.toString(), "taken");
    await queue.read(from);
    assert.equal((await queue.read(from)).full, 0);
    for (let i = 0; i < 5; i++) await queue.enqueue("again");
    assert.equal((await queue.ask(from)).reply.items.length, 5);
  });

  it("hand out no KeyPackage for one use that may have been handed out before, and take what is published anew", async () => {
    const [one, two, last] = [sealedKeyPackage(), sealedKeyPackage(), sealedKeyPackage()];
    const publication = [[queue.timed(one, 60), queue.timed(two, 60)], queue.timed(last, 60)] as const;
    await queue.publishTimed([...publication[0]], publication[1]);
    await services.rollBack();
    assert.ok((await queue.claim()).equals(last));
    const { reply } = await queue.ask();
    assert.deepEqual([reply.keyPackages, reply.keyPackagesExpired], [0, 1]);
    await queue.publishTimed([...publication[0]], publication[1]);
    const claimed = await queue.claim();
    assert.ok([one, two].some((sealed) => claimed.equals(sealed)));
  });
});

describe("house/rollback", () => {
  const NOW = 1_790_000_000;
  let base: string;
  beforeEach(() => {
    base = mkdtempSync(join(tmpdir(), "tacet-rollback-"));
  });
  afterEach(() => rmSync(base, { recursive: true }));

  it("makes all issuer keys anew: no token of before counts, and everybody may draw again", async () => {
    const arenas = new ArenaPool([[16 << 10, 8]]);
    const place = { dir: join(base, "store"), masterKey: key(), reserveBytes: 0 };
    await createStore(place);
    const ids = async (): Promise<string[]> => {
      const store = await openStore(place);
      const keys = await loadIssuerKeys(store, arenas, NOW, [VOPRF]);
      await rotateIssuerKeys(keys, store, arenas, NOW);
      await store.close();
      return keys.all.map(({ keyId }) => keyId.toString("hex"));
    };
    const before = await ids();
    assert.deepEqual(await ids(), before, "the control: without a rollback they stay");
    rmSync(join(place.dir, "anchor"));
    const rolledBack = await openRolledBack(place);
    await acceptRollback(rolledBack, arenas);
    await rolledBack.store.close();
    const after = await ids();
    assert.equal(after.length, before.length);
    for (const id of after) assert.ok(!before.includes(id));
  });

  it("of a house: a backup in its place is refused, then accepted with its say, once", async function () {
    this.timeout(60_000);
    const text = exampleConfig({ dataDir: join(base, "data"), keyPath: join(base, "tacet.key") });
    const apart = join(base, "apart");
    const config = parseConfig(text.replace(/# apart_dir = .*/, `apart_dir = ${JSON.stringify(apart)}`));
    assert.equal(config.store.apartDir, apart);
    const { onion } = await createHouse({ config });
    const to = join(base, "backup");
    const running = await openHouse({ config });
    await assert.rejects(backUpHouse({ config, to }), { code: "store/locked" });
    await running.stop();
    await backUpHouse({ config, to });
    const house = await openHouse({ config });
    assert.equal((await house.invite(1)).length, 1);
    await house.stop();
    await assert.rejects(acceptRolledBack({ config }), { code: "store/not-rolled-back" });

    const state = join(base, "data", "state");
    rmSync(state, { recursive: true });
    cpSync(to, state, { recursive: true });
    cpSync(join(to, "erasable"), join(apart, "erasable"));
    rmSync(join(state, "erasable"));
    await assert.rejects(openHouse({ config }), { code: "store/rolled-back" });
    const lines: string[] = [];
    await acceptRolledBack({ config, observe: makeObserver((line) => lines.push(line)) });
    assert.equal(lines.length, 1);
    assert.match(lines[0]!, /set back/);
    const again = await openHouse({ config });
    assert.equal(again.onion, onion);
    await again.stop();
  });
});
