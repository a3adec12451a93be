import { expect, test } from "bun:test";
import { createNode, loadHyperDHT } from "../../src/swarm/node.ts";
import { createLoopbackDht } from "../helpers/dht.ts";

const HOST = "127.0.0.1";

/** A port that was free a moment ago. */
async function freePort(): Promise<number> {
  const node = await createNode({ bootstrap: [], host: HOST });
  const port = node.io.serverSocket?.address().port ?? 0;
  await node.destroy();
  return port;
}

test("loads HyperDHT once", async () => {
  expect(await loadHyperDHT()).toBe(await loadHyperDHT());
});

test("binds exactly the port it is given, and gives it back", async () => {
  const port = await freePort();
  for (let i = 0; i < 2; i++) {
    const node = await createNode({ bootstrap: [], host: HOST, port, firewalled: false });
    expect(node.address()).toMatchObject({ host: HOST, port });
    await node.destroy();
  }
});

test("refuses a port that is taken instead of taking another", async () => {
  const port = await freePort();
  const holder = await createNode({ bootstrap: [], host: HOST, port, firewalled: false });
  const outcome = await createNode({ bootstrap: [], host: HOST, port }).then(
    () => "bound",
    (error: unknown) => (error instanceof Error && "code" in error ? error.code : error),
  );
  expect(outcome).toBe("EADDRINUSE");
  await holder.destroy();
});

test("uses the key pair and the list of nodes it is given", async () => {
  const dht = await createLoopbackDht(2);
  try {
    const HyperDHT = await loadHyperDHT();
    const keyPair = HyperDHT.keyPair(Buffer.alloc(32, 5));
    const node = await dht.createNode({ keyPair });
    expect(node.defaultKeyPair).toEqual(keyPair);
    const known = node.toArray().map(({ port }) => port);
    expect(known).toContain(dht.nodes[1]?.address()?.port ?? 0);
  } finally {
    await dht.destroy();
  }
});

test("a process whose nodes are destroyed or could not bind ends by itself", async () => {
  const source = `
    import { createNode } from ${JSON.stringify(`${import.meta.dir}/../../src/swarm/node.ts`)};
    const node = await createNode({ bootstrap: [], host: "127.0.0.1", firewalled: false });
    const { port } = node.address();
    await createNode({ bootstrap: [], host: "127.0.0.1", port }).catch(() => console.log("refused"));
    await node.destroy();
  `;
  const child = Bun.spawn([process.execPath, "-e", source], {
    cwd: `${import.meta.dir}/../..`,
    stdout: "pipe",
    timeout: 8_000,
    killSignal: "SIGKILL",
  });
  const [text, exitCode] = await Promise.all([new Response(child.stdout).text(), child.exited]);
  expect([text, exitCode]).toEqual(["refused\n", 0]);
}, 10_000);
