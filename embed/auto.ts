/** `import "rustpatcher/auto"`: this program keeps itself up to date. Importing it is all there is to do. */
import { startEarly } from "./early.ts";

startEarly();
