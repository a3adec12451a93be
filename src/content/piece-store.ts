import type { Piece } from "./plan.ts";

/** Where pieces of one release are kept as they were sent; what it gives is checked by whoever gets it. */
export interface PieceStore {
  /** The caller's own. */
  get(piece: Piece): Uint8Array | undefined;
  /** Copied, if there is room. */
  set(piece: Piece, coded: Uint8Array): void;
  /** Nothing is asked of it afterwards. */
  close(): void;
}
