// The SOCKS handshake against a stand-in proxy: refusals become closed codes, and nothing goes without credentials.
import assert from "node:assert/strict";
import { connect } from "node:net";
import { Fault, type FaultCode } from "../../src/fault.ts";
import { socksConnect, socksRefusal } from "../../tor/socks5.ts";
import { standInSocks, type StandInSocks, type StandInSocksOptions } from "./stand-in-socks.ts";

const to = { user: "u", password: "p", host: "x.onion", port: 80 };

describe("SOCKS handshake (stand-in proxy)", () => {
  let proxy: StandInSocks | undefined;
  afterEach(async () => {
    await proxy?.close();
    proxy = undefined;
  });

  const ask = async (options: StandInSocksOptions): Promise<void> => {
    await proxy?.close();
    proxy = await standInSocks(options);
    const socket = connect({ path: proxy.path });
    try {
      await socksConnect(socket, to);
    } finally {
      socket.destroy();
    }
  };

  it("sends the credentials and the name, unresolved", async () => {
    await ask({});
    assert.deepEqual(proxy?.credentials, ["u:p"]);
    assert.deepEqual(proxy.destinations, ["x.onion:80"]);
  });

  it("reads a bound address of each type", async () => {
    await ask({ bound: Buffer.from([1, 127, 0, 0, 1, 0, 80]) });
    await ask({ bound: Buffer.from([3, 3, 0x61, 0x2e, 0x62, 0, 80]) });
    await ask({ bound: Buffer.concat([Buffer.of(4), Buffer.alloc(18)]) });
    await assert.rejects(ask({ bound: Buffer.concat([Buffer.of(9), Buffer.alloc(18)]) }), new Fault("tor/proxy"));
    await assert.rejects(ask({ bound: Buffer.of(1, 127, 0) }), new Fault("tor/proxy"));
  });

  it("turns each of tor's reply codes into its fault", async () => {
    const codes: [number, FaultCode][] = [
      [0xf0, "tor/onion-not-found"],
      [0xf1, "tor/onion-descriptor"],
      [0xf2, "tor/onion-introduction"],
      [0xf3, "tor/onion-rendezvous"],
      [0xf4, "tor/onion-authorization"],
      [0xf5, "tor/onion-authorization"],
      [0xf6, "tor/onion-address"],
      [0xf7, "tor/onion-introduction"],
      [0x01, "tor/connect"],
      [0x06, "tor/connect"],
      [0xff, "tor/connect"],
    ];
    for (const [code, fault] of codes) {
      await assert.rejects(ask({ code }), new Fault(fault));
      assert.equal(socksRefusal(code), fault);
    }
  });

  it("refuses a proxy that would go without credentials", async () => {
    for (const method of [0, 1, 0xff]) {
      await assert.rejects(ask({ method }), new Fault("tor/proxy"));
      assert.deepEqual(proxy?.credentials, []);
    }
  });
});
