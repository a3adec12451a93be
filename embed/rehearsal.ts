import type { writeSync } from "node:fs";
import { ownAssets } from "../src/patcher/assets.ts";
import { startFacts } from "../src/patcher/process-facts.ts";
import { REHEARSAL_VARIABLE, rehearsalAnswer } from "../src/update/rehearsal-answer.ts";

/**
 * In a rehearsal (step 7) says what this executable is, and ends before the app's own code begins: at once,
 * since modules beside ours would not wait for a promise.
 */
export function answerRehearsal(): void {
  const nonce = startFacts.env[REHEARSAL_VARIABLE];
  if (nonce === undefined) return;
  const fs = process.getBuiltinModule("node:fs") as { writeSync: typeof writeSync };
  fs.writeSync(1, `${rehearsalAnswer(nonce, ownAssets().readRegion())}\n`);
  process.exit(0);
}
