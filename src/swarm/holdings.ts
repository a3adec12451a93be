import { toHex } from "../core/bytes.ts";
import type { VerifiedRecord } from "../core/release-record.ts";
import type { ByteSource } from "../core/source.ts";
import type { BlockTable } from "../content/table.ts";
import { HASH_BYTES } from "../content/tree.ts";
import type { ErrorReason, Request } from "./messages.ts";

/** One verified executable that we give to others. */
export interface Holding {
  readonly record: VerifiedRecord;
  /** 4096 bytes. */
  readonly region: Uint8Array;
  /** The canonical stream. Read by ranges, from a descriptor that stays open: never from the path. */
  readonly stream: ByteSource;
  readonly table: BlockTable;
}

/** What we serve, by content root. */
export class Holdings {
  readonly #byRoot = new Map<string, Holding>();

  get isEmpty(): boolean {
    return this.#byRoot.size === 0;
  }

  add(holding: Holding): void {
    this.#byRoot.set(toHex(holding.table.root), holding);
  }

  /** The bytes asked for (they may share memory with the source), or why there are none. */
  answer(request: Request): Uint8Array | ErrorReason {
    const holding = this.#byRoot.get(toHex(request.root));
    if (holding === undefined) return "not-held";
    const { table, region, stream } = holding;
    switch (request.type) {
      case "region":
        return region;
      case "table": {
        const end = request.first + request.count;
        if (end > table.count) return "out-of-range";
        return table.hashes.subarray(request.first * HASH_BYTES, end * HASH_BYTES);
      }
      case "block": {
        if (request.index >= table.count) return "out-of-range";
        const { offset, sizeBytes } = table.blockRange(request.index);
        try {
          return stream.read(offset, sizeBytes);
        } catch {
          // A disk that fails is our own trouble: the client goes elsewhere, it is told no details.
          return "unavailable";
        }
      }
    }
  }
}
