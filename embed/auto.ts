/** `import "rustpatcher/auto"`: this program keeps itself up to date. Importing it is all there is to do. */
import { startPatcher } from "../src/patcher/patcher.ts";
import { provideOwnAssets } from "./own-assets.ts";

provideOwnAssets();
startPatcher();
