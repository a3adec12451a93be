/**
 * A getter as a program of its own, to be killed: what it has verified and what of that it has written is on
 * stdout before it does anything else. Arguments: the installed executable, host:port of a bootstrap node.
 */
import { systemClock } from "../../src/core/clock.ts";
import { verifyExecutable } from "../../src/exe/verify-executable.ts";
import { parseAddress } from "../../src/swarm/bootstrap.ts";
import { Swarm } from "../../src/swarm/swarm.ts";
import { Installation } from "../../src/update/installation.ts";
import { install, noRehearsal } from "../helpers/install.ts";
import { say, tellPieces } from "./tell-pieces.ts";

const LOOK_EVERY_MS = 100;
const [, , path = "", bootstrap = ""] = process.argv;

tellPieces((what, at, count) => say(`${what} ${at} ${count}`));

const installation = Installation.open(path);
const own = verifyExecutable(installation.source);
if (own.kind !== "full") throw new Error("not a full executable");
const swarm = await Swarm.start({
  owner: own.owner,
  name: own.record.record,
  sharedSecret: undefined,
  bootstrap: [parseAddress(bootstrap)],
  clock: systemClock,
  log: () => undefined,
});
while (((await swarm.discover())?.record.publishedS ?? 0) <= own.record.record.publishedS) {
  await Bun.sleep(LOOK_EVERY_MS);
}
const code = await install({ path, next: swarm, own, installation, rehearse: noRehearsal });
process.stdout.write(`ended ${code}\n`);
process.exit(code === "" ? 0 : 1);
