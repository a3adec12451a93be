import { provideAssets } from "../src/patcher/assets.ts";
import { helpInBackground } from "./helper.ts";
import { beginOwnProbation, ownProbation } from "./probation.ts";
import { answerRehearsal } from "./rehearsal.ts";
import { readOwnRegion } from "./region.ts";
import { workerPath } from "./worker-path.ts";

/** What every way into the main half does first: it says where its assets lie, and may end right here. */
export function provideOwnAssets(): void {
  provideAssets({
    readRegion: readOwnRegion,
    probation: ownProbation,
    workerPath,
  });
  answerRehearsal();
  helpInBackground();
  beginOwnProbation();
}
