import { provideAssets, type Embedded } from "../src/patcher/assets.ts";
import { helpInBackground } from "./helper.ts";
import { beginOwnProbation, ownProbation } from "./probation.ts";
import { answerRehearsal } from "./rehearsal.ts";

/** What every way into the main half does first: it hears where its assets lie, and may end right here. */
export function beginMainHalf(embedded: Embedded): void {
  provideAssets({ ...embedded, probation: ownProbation });
  answerRehearsal();
  helpInBackground();
  beginOwnProbation();
}
