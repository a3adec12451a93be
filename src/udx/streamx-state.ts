/**
 * Whether a streamx stream has nothing in its queues, so that what comes next may go past them: through the queue, two
 * microtasks and a FIFO cost as much as everything else that a short packet costs. Bits of streamx 2.28 (index.js).
 */
import type { Duplex } from "streamx";

/** Opening, or ending in an error. */
const NOT_OPEN = 0b1111;

const READ_OFFSET = 4;
const READ_QUEUED = 0b1000 << READ_OFFSET;
const READ_RESUMED = 0b1_0000 << READ_OFFSET;
const READ_ENDING = 0b100_0000 << READ_OFFSET;
const READ_EMIT_DATA = 0b1000_0000 << READ_OFFSET;
const READ_DONE = 0b100_0000_0000 << READ_OFFSET;
const READ_FLOWS = READ_RESUMED | READ_EMIT_DATA;
const READ_STATE = NOT_OPEN | READ_QUEUED | READ_ENDING | READ_DONE | READ_FLOWS;

const WRITE_OFFSET = 18;
const WRITE_ACTIVE = 1 << WRITE_OFFSET;
const WRITE_QUEUED = 0b1000 << WRITE_OFFSET;
const WRITE_DONE = 0b10_0000 << WRITE_OFFSET;
const WRITE_FINISHING = 0b10_0000_0000 << WRITE_OFFSET;
const WRITE_CORKED = 0b100_0000_0000 << WRITE_OFFSET;
const WRITE_STATE =
  NOT_OPEN | WRITE_ACTIVE | WRITE_QUEUED | WRITE_DONE | WRITE_FINISHING | WRITE_CORKED;

type State = Pick<Duplex, "_duplexState" | "_readableState">;

/** Its `data` listeners have had all there was, and want more. */
export function isReaderWaiting({ _duplexState, _readableState }: State): boolean {
  return (_duplexState & READ_STATE) === READ_FLOWS && _readableState.pipeTo === null;
}

/** Everything written was taken by `_write`, which has called back. */
export function isWriterIdle({ _duplexState }: Pick<Duplex, "_duplexState">): boolean {
  return (_duplexState & WRITE_STATE) === 0;
}
