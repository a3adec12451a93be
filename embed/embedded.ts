import type { Embedded } from "../src/patcher/assets.ts";
import { readOwnRegion } from "./region.ts";
import { watchdogPath } from "./watchdog-path.ts";
import { workerPath } from "./worker-path.ts";

export const embedded: Embedded = { readRegion: readOwnRegion, workerPath, watchdogPath };
