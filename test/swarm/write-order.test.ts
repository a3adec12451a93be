import { expect, test } from "bun:test";
import { systemClock } from "../../src/core/clock.ts";
import { encodePiece } from "../../src/content/piece.ts";
import { encodePage } from "../../src/content/outline.ts";
import { TABLE_PAGE_MAX_BYTES } from "../../src/core/limits.ts";
import { generateSeed } from "../../src/core/keys.ts";
import { Download } from "../../src/swarm/download.ts";
import { Hope } from "../../src/swarm/hope.ts";
import { Peers } from "../../src/swarm/peers.ts";
import type { RemoteProvider, Wanted } from "../../src/swarm/remote-provider.ts";
import { makeRelease, type TestRelease } from "../helpers/release.ts";

/** A provider without a network: pieces wait until `flush`, which answers all of them in one turn. */
function provider({ stream, table, region }: TestRelease): {
  readonly remote: RemoteProvider;
  readonly flush: () => number;
} {
  const waiting: (() => void)[] = [];
  const answer = (wanted: Wanted): Promise<Uint8Array> => {
    if (wanted.type === "region") return Promise.resolve(encodePiece(region));
    if (wanted.type === "table") {
      return Promise.resolve(encodePage(table, 0, new Uint8Array(0), TABLE_PAGE_MAX_BYTES));
    }
    if (wanted.type !== "piece") throw new Error(wanted.type);
    const { offset, sizeBytes } = table.rangeOf(wanted.first, wanted.count);
    const { promise, resolve } = Promise.withResolvers<Uint8Array>();
    waiting.push(() => resolve(encodePiece(stream.read(offset, sizeBytes))));
    return promise;
  };
  const remote = {
    publicKey: new Uint8Array(32),
    socketBytes: 0,
    room: 16,
    isClosed: false,
    closed: new Promise<never>(() => undefined),
    hasRoot: () => true,
    request: (wanted: Wanted) => ({ id: 0, bytes: answer(wanted) }),
    cancel: () => undefined,
    tellDone: () => undefined,
    finish: () => undefined,
    close: () => undefined,
  };
  const flush = (): number => waiting.splice(0).map((resolve) => resolve()).length;
  return { remote: remote as unknown as RemoteProvider, flush };
}

test("a piece is written before another one of the same turn is looked at", async () => {
  const release = makeRelease(generateSeed(), { version: "1.0.1", blocks: 60 });
  const unwritten = new Set<number>();
  let early = 0;
  const download = new Download(
    release.record,
    {
      checkRegion: () => undefined,
      missing: (table) => {
        const areChunks = table.areChunks.bind(table);
        table.areChunks = (first, count, bytes) => {
          if (unwritten.size > 0) early++;
          for (let chunk = first; chunk < first + count; chunk++) unwritten.add(chunk);
          return areChunks(first, count, bytes);
        };
        return Array.from({ length: table.count }, (_, index) => index);
      },
      onPiece: ({ first, count }) => {
        for (let chunk = first; chunk < first + count; chunk++) unwritten.delete(chunk);
      },
    },
    systemClock,
    new Peers(systemClock, new Uint8Array(32)),
    new Hope(),
  );
  const { remote, flush } = provider(release);
  void download.use(remote);
  let most = 0;
  while (!download.isOver) {
    await Bun.sleep(1);
    most = Math.max(most, flush());
  }
  expect({ early, left: unwritten.size }).toEqual({ early: 0, left: 0 });
  // There was something to be confused.
  expect(most).toBeGreaterThan(2);
});
