/** What streamx 2.28 has but its own declarations leave out. */
import type { DuplexEvents } from "streamx";

declare module "streamx" {
  interface Duplex<M extends DuplexEvents = DuplexEvents> {
    /** Bits; see streamx-state.ts. */
    readonly _duplexState: number;
    readonly _readableState: {
      /** Bytes pushed and not taken by the reader. */
      readonly buffered: number;
      /** Where `pipe` leads. */
      readonly pipeTo: unknown;
    };
    end(data?: unknown): this;
  }
}
