/** `import "rustpatcher/auto"`: this program keeps itself up to date. Importing it is all there is to do. */
import { provideAssets } from "../src/patcher/assets.ts";
import { startPatcher } from "../src/patcher/patcher.ts";
import { readOwnRegion } from "./region.ts";
import { workerPath } from "./worker-path.ts";

provideAssets({ readRegion: readOwnRegion, workerPath });
startPatcher();
