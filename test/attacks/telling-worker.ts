/** The Worker half of a program that is to be killed: what it verifies and writes stands on stdout, as of tell-pieces.ts. */
import { writeSync } from "node:fs";
import "../../embed/worker.ts";
import { tellPieces } from "./tell-pieces.ts";

// A write to a pipe is one system call: what it has taken outlives us.
tellPieces(
  (name, at, count) =>
    void writeSync(1, `${JSON.stringify({ name: `piece-${name}`, at, count })}\n`),
);
