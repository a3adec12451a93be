import { provideAssets } from "../src/patcher/assets.ts";
import { readOwnRegion, readOwnRegionSync } from "./region.ts";
import { workerPath } from "./worker-path.ts";

/** Tells the main half where its assets lie: what every way into it does first. */
export function provideOwnAssets(): void {
  provideAssets({ readRegion: readOwnRegion, readRegionSync: readOwnRegionSync, workerPath });
}
