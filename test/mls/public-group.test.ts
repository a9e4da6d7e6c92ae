// The server's public group follows real clients and refuses everything else.
import { World } from "./world.ts";

describe("public group", () => {
  it("agrees with every client through create, add, update, remove and add again", async () => {
    const world = await World.create();
    await world.check();
    await world.commit(world.clients[0]!, 1);
    await world.commit(world.clients[1]!, 3);
    for (let i = 0; i < world.clients.length; i++) await world.commit(world.clients[i]!);
    for (let i = 0; i < world.clients.length; i++) await world.say(world.clients[i]!, Buffer.from("hello"));
    await world.commit(world.clients[2]!, 0, [world.clients[1]!]);
    await world.commit(world.clients[0]!, 2, [world.clients[3]!]);
    await world.commit(world.clients[1]!);
  });
});
