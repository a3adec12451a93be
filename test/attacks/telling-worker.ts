/**
 * The Worker half of a program that is to be killed or left alone: what it verifies and writes stands on stdout, as of
 * tell-pieces.ts, and its time passes as the file named by TEST_SPEED says.
 */
import "../../embed/worker.ts";
import { systemClock } from "../../src/core/clock.ts";
import { hurriedClock } from "./hurried-clock.ts";
import { say, tellPieces } from "./tell-pieces.ts";

const { TEST_SPEED } = process.env;
if (TEST_SPEED !== undefined) Object.assign(systemClock, hurriedClock(TEST_SPEED));

tellPieces((name, at, count) => say(JSON.stringify({ name: `piece-${name}`, at, count })));
