import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { searchDirectory, searchPlanted } from "../../src/cli/demo/disk-search.ts";
import { tell } from "../../src/cli/demo/story.ts";
import { startTestHouse } from "../house.ts";

describe("cli/demo/story", function () {
  this.timeout(60_000);

  it("is told to its end on a house without Tor, and leaves nothing readable on the disk", async () => {
    const house = await startTestHouse();
    const dir = await mkdtemp(join(tmpdir(), "tacet-story-"));
    const steps: string[] = [];
    const lines: string[] = [];
    const shapes = new Set<string>();
    try {
      const told = await tell({
        onion: house.onion,
        invitations: house.invite(3),
        dir,
        transport: () => house.transport(),
        narrator: {
          step: (title) => steps.push(title),
          line: (to, from, text) => lines.push(`${from}>${to}: ${text}`),
          note: () => undefined,
          saw: (_, traffic) => traffic.shapes.forEach((shape) => shapes.add(shape)),
        },
      });
      assert.equal(told.users, 3);
      assert.equal(told.messagesDelivered, lines.length);
      assert.equal(lines.length, 11);
      assert.equal(steps.length, 8);
      assert.ok(shapes.size <= 5, [...shapes].join());
      assert.ok(told.needles.length > 30);
      assert.deepEqual(await searchDirectory(house.dataDir, told.needles), []);
      assert.ok((await searchPlanted(house.dataDir, told.needles)) >= told.needles.length);
      assert.equal(house.arenas.open, 0);
    } finally {
      await house.stop();
      await rm(dir, { recursive: true, force: true });
    }
  });
});
