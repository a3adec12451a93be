/** Cut, described, asked for, sent, decoded, put together: the same bytes, from any old version, whoever sends them. */
import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { concat, toHex } from "../../src/core/bytes.ts";
import { generateSeed } from "../../src/core/keys.ts";
import { PIECE_MAX_BYTES } from "../../src/core/limits.ts";
import { memorySource } from "../../src/core/source.ts";
import { OutlineReader, shortIdsOf } from "../../src/content/outline.ts";
import { ChunkPlan, piecesOf, type Piece } from "../../src/content/plan.ts";
import { ChunkTable } from "../../src/content/table.ts";
import { Holdings, type Holding } from "../../src/swarm/holdings.ts";
import { Reuse } from "../../src/swarm/reuse.ts";
import { edited, prose, type Edit } from "../content/streams.ts";
import { FakeClock } from "../helpers/clock.ts";
import { makeRelease, noise } from "../helpers/release.ts";

const { record, region } = makeRelease(generateSeed(), { version: "1.0.1", blocks: 1 });
/** What can be compressed, and what cannot. */
const old = concat(prose(400_000, 1), noise(300_000, 2));

function holdingOf(bytes: Uint8Array): Holding {
  const stream = memorySource(bytes);
  return { record, region, stream, table: ChunkTable.ofStream(stream) };
}

async function assembled(next: Uint8Array, knowsOld: boolean): Promise<Uint8Array> {
  const clock = new FakeClock();
  const holdings = new Holdings(clock);
  const [before, after] = [holdingOf(old), holdingOf(next)];
  if (knowsOld) holdings.addBase({ ...before, root: before.table.root });
  holdings.add(after);
  const { root } = after.table;
  const who = { hasRoot: (asked: Uint8Array) => knowsOld || toHex(asked) === toHex(root) };
  const answer = async (request: Parameters<Holdings["answer"]>[0]): Promise<Uint8Array> => {
    const bytes = await holdings.answer(request);
    if (typeof bytes === "string") throw new Error(bytes);
    return bytes;
  };
  const local = { table: before.table, stream: before.stream };

  const outline = new OutlineReader(next.length, local.table);
  while (!outline.isComplete) {
    const [base, listed] = knowsOld
      ? [local.table.root, new Uint8Array(0)]
      : [undefined, shortIdsOf(local.table)];
    outline.add(await answer({ type: "table", id: 0, root, first: outline.nextRun, base, listed }));
  }
  const table = outline.finish(root);

  const plan = new ChunkPlan(table, local.table);
  const out = new Uint8Array(next.length);
  for (let index = 0; index < table.count; index++) {
    const here = plan.localRangeOf(index);
    if (here !== undefined) {
      out.set(old.subarray(here.offset, here.offset + here.sizeBytes), table.rangeOf(index).offset);
    }
  }
  const missingBytes = plan.missing.reduce((sum, at) => sum + table.rangeOf(at).sizeBytes, 0);
  const reuse = new Reuse(table, local, missingBytes);
  const pending: Piece[] = [...piecesOf(table, plan.missing, PIECE_MAX_BYTES)];
  for (let piece = pending.pop(); piece !== undefined; piece = pending.pop()) {
    const { first, count } = piece;
    const half = Math.ceil(count / 2);
    const halves = [
      { first, count: half },
      { first: first + half, count: count - half },
    ];
    const { offset, sizeBytes } = table.rangeOf(first, count);
    if (count > 1 && sizeBytes > reuse.maxBytes(who)) {
      pending.push(...halves);
      continue;
    }
    const asked = reuse.oldFor(who, piece);
    const { base, sketch } = asked;
    const coded = await answer({ type: "piece", id: 0, root, first, count, base, sketch });
    const bytes = reuse.decode(who, piece, coded, asked);
    if (bytes === "too-large") pending.push(...halves);
    else if (bytes === "our-fault") pending.push(piece);
    else out.set(bytes, offset);
  }
  holdings.destroy();
  return out;
}

const edit: fc.Arbitrary<Edit> = fc.record({
  at: fc.double({ min: 0, max: 1, noNaN: true }),
  removed: fc.oneof(fc.nat(100), fc.nat(200_000)),
  inserted: fc.oneof(
    fc.uint8Array({ maxLength: 300 }),
    fc.nat(150_000).map((sizeBytes) => noise(sizeBytes, sizeBytes).slice()),
  ),
});

test.each([
  ["that knows the old version", true],
  ["that never had it", false],
])(
  "for arbitrary edits, from a provider %s",
  async (_, knowsOld) => {
    await fc.assert(
      fc.asyncProperty(fc.array(edit, { maxLength: 5 }), async (edits) => {
        const next = concat(edited(old, edits), Uint8Array.of(7));
        const out = await assembled(next, knowsOld);
        expect(Buffer.compare(out, next)).toBe(0);
      }),
      { numRuns: 15 },
    );
  },
  60_000,
);
