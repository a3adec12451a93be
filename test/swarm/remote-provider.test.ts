/** A getter's side of one connection, with a provider that breaks one rule at a time. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { SecretStream } from "@hyperswarm/dht";
import { systemClock } from "../../src/core/clock.ts";
import { FRAME_MAX_BYTES, HELLO_MAX_BYTES } from "../../src/core/limits.ts";
import { bindingOf } from "../../src/swarm/auth.ts";
import { Channel } from "../../src/swarm/channel.ts";
import { decodeClientMessage } from "../../src/swarm/decode-messages.ts";
import { encodeProviderMessage } from "../../src/swarm/encode-messages.ts";
import type { ClientMessage, ProviderMessage } from "../../src/swarm/messages.ts";
import { RemoteProvider } from "../../src/swarm/remote-provider.ts";
import type { TestRelease } from "../helpers/release.ts";
import { SwarmWorld, until, within } from "../helpers/swarm-world.ts";

let world: SwarmWorld;
let release: TestRelease;

beforeAll(async () => {
  world = await SwarmWorld.create();
  release = world.release({ version: "1.0.1", blocks: 3 });
});
afterAll(() => world.destroy());

/** Both ends of one real connection, the handshake done. */
async function connected(): Promise<{ client: SecretStream; server: SecretStream }> {
  const [dht, other] = [await world.net.createNode(), await world.net.createNode()];
  const { promise, resolve } = Promise.withResolvers<SecretStream>();
  const server = dht.createServer((stream) => {
    stream.on("error", () => undefined);
    resolve(stream);
  });
  await server.listen();
  const client = other.connect(dht.defaultKeyPair.publicKey);
  client.on("error", () => undefined);
  expect(await within(client.opened, "to connect")).toBe(true);
  return { client, server: await promise };
}

type Say = (message: ProviderMessage) => void;

/** A getter on a connection to a provider that does only what `behave` does. */
async function talk(
  behave: (message: ClientMessage, say: Say, welcome: ProviderMessage) => void,
): Promise<RemoteProvider> {
  const { client, server } = await connected();
  const say: Say = (message) => void server.write(encodeProviderMessage(message));
  let welcome: ProviderMessage = { type: "denied", minute: 0 };
  server.on("data", (frame) => {
    const message = decodeClientMessage(frame);
    if (message.type === "hello" && server.handshakeHash !== null) {
      const binding = bindingOf("provider", world.scope, message.auth, server.handshakeHash);
      welcome = { type: "welcome", binding, record: undefined, roots: [] };
    }
    behave(message, say, welcome);
  });
  return new RemoteProvider(client, { scope: world.scope, clock: systemClock });
}

/** The code of the reason for which the getter closed. */
const closed = async (provider: RemoteProvider): Promise<string> =>
  (await within(provider.closed, "to be closed")).code;

const piece = (first: number) =>
  ({
    type: "piece",
    root: release.table.root,
    first,
    count: 1,
    base: undefined,
    sketch: new Uint8Array(0),
  }) as const;
const bytes = new Uint8Array(10);

/** Says so many times in a row, with the welcome, that it has another chunk. */
function tellsAtOnce(times: number): Promise<RemoteProvider> {
  const { root } = release.table;
  return talk((message, say, welcome) => {
    if (message.type === "hello") say(welcome);
    if (message.type !== "follow") return;
    for (let time = 0; time < times; time++) {
      say({ type: "have", root, first: 8 * time, bits: Uint8Array.of(1) });
    }
  });
}

test("what a provider told while the path was dead for a minute comes at once, and is taken", async () => {
  const provider = await tellsAtOnce(70);
  await provider.welcomed;
  provider.follow(release.table.root, () => undefined);
  await until(() => provider.hasChunk(8 * 69), "the last one");
  expect(provider.isClosed).toBe(false);
  provider.finish();
});

describe("a provider is dropped that", () => {
  test("tells what it has without end", async () => {
    const provider = await tellsAtOnce(200);
    await provider.welcomed;
    provider.follow(release.table.root, () => undefined);
    expect(await closed(provider)).toBe("PROTOCOL");
  });

  test("does not prove that it belongs here", async () => {
    const provider = await talk((_, say) =>
      say({ type: "welcome", binding: new Uint8Array(32), record: undefined, roots: [] }),
    );
    expect(provider.welcomed).rejects.toMatchObject({ code: "AUTH_INVALID" });
    expect(await closed(provider)).toBe("AUTH_INVALID");
  });

  test("proves it with the client's own proof", async () => {
    const provider = await talk((message, say) => {
      if (message.type === "hello") {
        say({ type: "welcome", binding: message.binding, record: undefined, roots: [] });
      }
    });
    expect(await closed(provider)).toBe("AUTH_INVALID");
  });

  test("denies, and the minute it told is kept", async () => {
    const provider = await talk((_, say) => say({ type: "denied", minute: 77 }));
    expect((await within(provider.closed, "to be closed")).evidence).toMatchObject({ minute: 77 });
  });

  test("C7: welcomes twice", async () => {
    const provider = await talk((_, say, welcome) => {
      say(welcome);
      say(welcome);
    });
    expect(await closed(provider)).toBe("PROTOCOL");
  });

  test("C7: denies after the welcome", async () => {
    const provider = await talk((_, say, welcome) => {
      say(welcome);
      say({ type: "denied", minute: 1 });
    });
    expect(await closed(provider)).toBe("PROTOCOL");
  });

  test("C7: answers without a request, be it bytes or an error", async () => {
    for (const answer of [
      { type: "piece", id: 0, bytes },
      { type: "error", id: 0, reason: "cancelled" },
    ] as const) {
      const provider = await talk((_, say, welcome) => {
        say(welcome);
        say(answer);
      });
      await provider.welcomed.catch(() => undefined);
      expect(await closed(provider)).toBe("PROTOCOL");
    }
  });

  test("C7: answers out of order, under another id, or with another kind of thing", async () => {
    const answers: ((id: number) => ProviderMessage)[] = [
      (id) => ({ type: "piece", id: id + 1, bytes }),
      (id) => ({ type: "table", id, bytes }),
      (id) => ({ type: "error", id: id + 1, reason: "not-held" }),
    ];
    for (const answer of answers) {
      const provider = await talk((message, say, welcome) => {
        if (message.type === "hello") say(welcome);
        else if (message.type === "piece" && message.first === 1) say(answer(message.id - 1));
      });
      await provider.welcomed;
      const asked = [provider.request(piece(0)), provider.request(piece(1))];
      const ends = await Promise.allSettled(asked.map(({ bytes: answered }) => answered));
      expect(ends.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
      expect(await closed(provider)).toBe("PROTOCOL");
    }
  });

  test("control: the same provider, keeping the rules, is not", async () => {
    const provider = await talk((message, say, welcome) => {
      if (message.type === "hello") say(welcome);
      else if (message.type === "piece") say({ type: "piece", id: message.id, bytes });
    });
    expect(await provider.welcomed).toBeUndefined();
    const [a, b] = [provider.request(piece(0)), provider.request(piece(1))];
    expect(await within(Promise.all([a.bytes, b.bytes]), "answers")).toEqual([bytes, bytes]);
    expect(provider.isClosed).toBe(false);
    provider.finish();
    expect(await closed(provider)).toBe("CLOSED");
  });
});

test("a frame above the limit never reaches the decoder; one at the limit does", async () => {
  for (const [isInside, limitBytes] of [
    [false, HELLO_MAX_BYTES],
    [true, FRAME_MAX_BYTES],
  ] as const) {
    const { client, server } = await connected();
    const sizes: number[] = [];
    const { promise, resolve } = Promise.withResolvers<string>();
    const channel = new Channel(server, {
      onFrame: (frame) => void sizes.push(frame.length),
      onClose: ({ code }) => resolve(code),
    });
    if (isInside) channel.raiseFrameLimit();
    client.write(new Uint8Array(limitBytes));
    await until(() => sizes.length === 1, "the frame at the limit");
    client.write(new Uint8Array(limitBytes + 1));
    expect(await within(promise, "to be closed")).toBe("PROTOCOL");
    expect(sizes).toEqual([limitBytes]);
    client.destroy();
  }
});
