/**
 * The Worker half of a program that is to be killed or left alone: what it verifies and writes stands on stdout, as of
 * tell-pieces.ts, and its time passes as the file named by TEST_SPEED says.
 */
import { writeSync } from "node:fs";
import "../../embed/worker.ts";
import { systemClock } from "../../src/core/clock.ts";
import { hurriedClock } from "./hurried-clock.ts";
import { tellPieces } from "./tell-pieces.ts";

const { TEST_SPEED } = process.env;
if (TEST_SPEED !== undefined) Object.assign(systemClock, hurriedClock(TEST_SPEED));

// A write to a pipe is one system call: what it has taken outlives us.
tellPieces(
  (name, at, count) =>
    void writeSync(1, `${JSON.stringify({ name: `piece-${name}`, at, count })}\n`),
);
