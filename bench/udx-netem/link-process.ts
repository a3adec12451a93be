/** The process that carries a link's packets: `bun link-process.ts ours <settings> <seed>`; see hosts.ts. */
import { answerCommands } from "../answer.mjs";
import { Link, type LinkSettings } from "./link.ts";
import { openTun } from "./tun.ts";

/** How long answers may have to wait. */
const SLICE_MS = 50;

const [, settings = "", seed = "1"] = process.argv.slice(2);
const link = new Link(
  openTun("bench-a"),
  openTun("bench-b"),
  JSON.parse(settings) as LinkSettings,
  Number(seed),
);
answerCommands({ report: () => ({ directions: link.report() }) });
for (;;) {
  link.run(SLICE_MS);
  await Bun.sleep(0);
}
