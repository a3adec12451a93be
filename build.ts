#!/usr/bin/env bun
/** `bun build.ts --sign`: this repository's example as a release, with the flags of `rustpatcher build`. */
import { runBuild } from "./src/build.ts";

await runBuild("examples/hello/main.ts");
