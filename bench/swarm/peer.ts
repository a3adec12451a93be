/** One process of a swarm under measurement: a DHT, a provider, a getter, or an end of a raw stream; see main.ts. */
import { closeSync, ftruncateSync, openSync, rmSync, writeSync } from "node:fs";
import type { SecretStream } from "@hyperswarm/dht";
import { CodedPieces } from "../../src/assembly/coded-pieces.ts";
import { systemClock } from "../../src/core/clock.ts";
import { CHUNK_MAX_BYTES } from "../../src/core/limits.ts";
import { canonicalStream } from "../../src/exe/canonical.ts";
import { checkRegion } from "../../src/exe/check-region.ts";
import { findRegion } from "../../src/exe/find-region.ts";
import { decodeRegion } from "../../src/exe/full-region.ts";
import type { Extension } from "../../src/exe/extension.ts";
import { verifyExecutable } from "../../src/exe/verify-executable.ts";
import { fileSource, openFile, withFile } from "../../src/fs/file-source.ts";
import { parseAddress } from "../../src/swarm/bootstrap.ts";
import { createNode } from "../../src/swarm/node.ts";
import { Swarm } from "../../src/swarm/swarm.ts";
import { createLoopbackDht } from "../../test/helpers/dht.ts";
import { answerCommands, cpuSeconds } from "../answer.mjs";

const DHT_NODES = 3;
const FIND_TRIES = 100;

interface Bootstrapped {
  /** "host:port" */
  readonly bootstrap: string;
}

interface Serve extends Bootstrapped {
  readonly path: string;
  /** Absent: as much as there is. */
  readonly uploadBytesPerS?: number;
  /** Executables that it has gone through. */
  readonly previous?: readonly string[];
}

interface Fetch extends Bootstrapped {
  /** An executable of the same app: for owner and names. */
  readonly like: string;
  readonly out: string;
}

interface Raw extends Bootstrapped {
  readonly key: string;
  readonly sizeBytes: number;
}

const bootstrapOf = ({ bootstrap }: Bootstrapped) => [parseAddress(bootstrap)];

function extensionOf(path: string): Extension {
  return withFile(path, (source) => {
    const { offset, sizeBytes } = findRegion(source);
    const { extension } = decodeRegion(source.read(offset, sizeBytes));
    if (extension === undefined) throw new Error(`${path} has no owner`);
    return extension;
  });
}

async function join(extension: Extension, to: Bootstrapped, uploadBytesPerS?: number) {
  return Swarm.start({
    owner: extension.owner,
    name: extension,
    sharedSecret: undefined,
    bootstrap: bootstrapOf(to),
    clock: systemClock,
    log: () => undefined,
    ...(uploadBytesPerS === undefined ? {} : { uploadBytesPerS }),
  });
}

function opened(path: string) {
  const source = fileSource(openFile(path));
  const executable = verifyExecutable(source);
  if (executable.kind !== "full") throw new Error(`${path} is not signed`);
  return { executable, stream: canonicalStream(source, executable.offset) };
}

let swarm: Swarm | undefined;

const commands = {
  /** The program is loaded. */
  async ready() {},

  async dht() {
    const net = await createLoopbackDht(DHT_NODES);
    const [first] = net.bootstrap;
    return { bootstrap: `${first?.host}:${first?.port}` };
  },

  async serve({ path, previous = [], uploadBytesPerS, ...to }: Serve) {
    const { executable, stream } = opened(path);
    const { record, region, table, extension } = executable;
    swarm = await join(extension, to, uploadBytesPerS);
    // As `publish` has it; the process takes it along.
    const coded = CodedPieces.beside(path, table.lengthBytes);
    swarm.serve({ record, region, table, stream, coded });
    for (const old of previous) {
      const base = opened(old);
      swarm.addBase({ root: base.executable.table.root, stream: base.stream });
    }
    await swarm.discover();
  },

  /** Everything, into a file, as a first install does; without the check of the whole file at the end. */
  async fetch({ like, out, ...to }: Fetch) {
    const { owner, ...name } = extensionOf(like);
    const getter = (swarm = await join({ owner, ...name }, to));
    for (let tries = 0; getter.newest === undefined && tries < FIND_TRIES; tries++) {
      await getter.discover();
    }
    const record = getter.newest;
    if (record === undefined) throw new Error("no release was found");
    const fd = openSync(out, "wx+");
    ftruncateSync(fd, record.record.lengthBytes);
    const startMs = performance.now();
    const startS = cpuSeconds();
    let wireBytes = 0;
    let providers = 0;
    await getter.fetch(record, {
      checkRegion: (bytes) => void checkRegion(owner, bytes, record),
      missing: ({ count }) => Array.from({ length: count }, (_, index) => index),
      onPiece: ({ offset }, bytes) => void writeSync(fd, bytes, 0, bytes.length, offset),
      // Others who fetch it have what is here already, as in an app.
      written: () => ({
        stream: fileSource(fd),
        chunks: [],
        keepCoded: () => CodedPieces.beside(out, record.record.lengthBytes),
      }),
      onProgress: (now) => {
        wireBytes = now.wireBytes;
        providers = Math.max(providers, now.providers);
      },
    });
    const seconds = (performance.now() - startMs) / 1000;
    closeSync(fd);
    rmSync(out);
    const { lengthBytes } = record.record;
    return { seconds, cpuSeconds: cpuSeconds() - startS, lengthBytes, wireBytes, providers };
  },

  /** What a raw stream over the same transport carries: messages of the size of a chunk. */
  async rawServe(to: Bootstrapped & { readonly sizeBytes: number }) {
    const node = await createNode({
      bootstrap: bootstrapOf(to),
      host: "127.0.0.1",
      firewalled: false,
    });
    const message = crypto.getRandomValues(new Uint8Array(CHUNK_MAX_BYTES));
    const server = node.createServer((stream: SecretStream) => {
      stream.on("error", () => undefined);
      let left = to.sizeBytes;
      const send = (): void => {
        while (left > 0) {
          left -= message.length;
          if (!stream.write(message)) return;
        }
      };
      stream.on("drain", send);
      send();
    });
    await server.listen();
    return { key: node.defaultKeyPair.publicKey.toHex() };
  },

  async rawFetch({ key, sizeBytes, ...to }: Raw) {
    const node = await createNode({
      bootstrap: bootstrapOf(to),
      host: "127.0.0.1",
      firewalled: false,
    });
    const startMs = performance.now();
    const stream = node.connect(Uint8Array.fromHex(key));
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    stream.on("error", reject);
    let left = sizeBytes;
    stream.on("data", ({ length }) => {
      if ((left -= length) <= 0) resolve();
    });
    await promise;
    const seconds = (performance.now() - startMs) / 1000;
    stream.destroy();
    await node.destroy({ force: true });
    return { seconds };
  },

  async leave() {
    await swarm?.destroy();
  },
};

answerCommands(commands as unknown as Parameters<typeof answerCommands>[0]);
