/** The background mode's helper for an executable that cannot be started. Arguments: the executable, the DHT. */
import { lookInBackground } from "../../embed/background-look.ts";
import { waitAt } from "./gate.ts";
import { startOf } from "./look.ts";

const [, , execPath = "", bootstrap = ""] = process.argv;
waitAt("early");
const signal = new Int32Array(new SharedArrayBuffer(2 * Int32Array.BYTES_PER_ELEMENT));
await lookInBackground({ ...startOf(execPath, bootstrap), type: "help", signal });
process.exit(0);
