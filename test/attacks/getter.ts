/**
 * A getter as a program of its own, to be killed: what it has verified and what of that it has written is on
 * stdout before it does anything else. Arguments: the installed executable, host:port of a bootstrap node.
 */
import { writeSync } from "node:fs";
import { systemClock } from "../../src/core/clock.ts";
import { verifyExecutable } from "../../src/exe/verify-executable.ts";
import { parseAddress } from "../../src/swarm/bootstrap.ts";
import { Reuse } from "../../src/swarm/reuse.ts";
import { Swarm } from "../../src/swarm/swarm.ts";
import { Assembly } from "../../src/update/assemble.ts";
import { Installation } from "../../src/update/installation.ts";
import { install, noRehearsal } from "../helpers/install.ts";

const LOOK_EVERY_MS = 100;
const [, , path = "", bootstrap = ""] = process.argv;

// A write to a pipe is one system call: what it has taken outlives us.
function tell(what: "verified" | "written", first: number, count: number): void {
  writeSync(1, `${what} ${first} ${count}\n`);
}

const decode = Reflect.get(Reuse.prototype, "decode");
Reuse.prototype.decode = function decodeAndTell(...asked) {
  const bytes = decode.apply(this, asked);
  const [, { first, count }] = asked;
  if (bytes instanceof Uint8Array) tell("verified", first, count);
  return bytes;
};
const write = Reflect.get(Assembly.prototype, "write");
Assembly.prototype.write = function writeAndTell(offset, bytes) {
  write.call(this, offset, bytes);
  tell("written", offset, bytes.length);
};

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
