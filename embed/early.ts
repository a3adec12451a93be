/**
 * What has to happen before the app's own code, and no more: parsing all of the main half takes 2 ms of every
 * start. So the rest of it is a script of its own (main-half.ts), loaded once the app is up, or at once when it
 * has something to do or to say before.
 */
import type { createRequire } from "node:module";
import { asksForBackground, looksSigned } from "../src/exe/region-glance.ts";
import { BackgroundMode, HELPER_VARIABLE } from "../src/patcher/background.ts";
import { startFacts } from "../src/patcher/process-facts.ts";
import { PATCHER_SLOT, START_DELAY_MS, startMessage } from "../src/patcher/start.ts";
import type { StartPatcher } from "../src/patcher/start.ts";
import { pathBeside } from "../src/fs/own-files.ts";
import { REHEARSAL_VARIABLE } from "../src/update/rehearsal-answer.ts";
import { embedded } from "./embedded.ts";
import { mainHalfPath } from "./main-half-path.ts";

type MainHalf = Pick<typeof import("./main-half.ts"), "beginMainHalf" | "startPatcher">;

/** What the region says at a glance: nothing ever, when the program ends, or once it is up. */
type When = "never" | "at-end" | "soon";

export function startEarly(): void {
  const { env, execPath } = startFacts;
  const isForUs = env[REHEARSAL_VARIABLE] !== undefined || env[HELPER_VARIABLE] !== undefined;
  // Bun asks for the size at once, and 0 is what a missing file has.
  if (isForUs || Bun.file(pathBeside(execPath, "pending")).size > 0) loadMainHalf();
  if (Reflect.has(globalThis, PATCHER_SLOT)) return;
  const start: StartPatcher = (delayMs) => {
    Reflect.deleteProperty(globalThis, PATCHER_SLOT);
    return loadMainHalf().startPatcher({}, delayMs);
  };
  Reflect.set(globalThis, PATCHER_SLOT, start);
  switch (whenToStart()) {
    case "never":
      // It says why.
      start();
      return;
    case "at-end":
      BackgroundMode.begin(startMessage({}));
      return;
    case "soon":
      setTimeout(() => {
        // The app may have called `spawn` meanwhile.
        if (Reflect.get(globalThis, PATCHER_SLOT) === start) start(0);
      }, START_DELAY_MS).unref();
  }
}

function whenToStart(): When {
  if (startFacts.env["RUSTPATCHER_DISABLE"] === "1") return "never";
  try {
    const region = embedded.readRegion();
    if (!looksSigned(region)) return "never";
    return asksForBackground(region) ? "at-end" : "soon";
  } catch {
    return "never";
  }
}

/** Now: an `import()` would come after the app's code, and modules beside ours would not wait for it. */
function loadMainHalf(): MainHalf {
  const module = process.getBuiltinModule("node:module") as { createRequire: typeof createRequire };
  const load = module.createRequire(mainHalfPath);
  const found = load(mainHalfPath) as Partial<MainHalf>;
  // Outside of an executable that path is a module already: the asset import, whose only export is the path.
  const mainHalf = "startPatcher" in found ? found : load(`${mainHalfPath}?code`);
  const half = mainHalf as MainHalf;
  half.beginMainHalf(embedded);
  return half;
}
