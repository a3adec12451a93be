/**
 * A process that does one act of the updater and ends: to be killed or failed in the middle. Arguments: the
 * installed executable, the file of the newest release, the act, and a record that is announced in place of the
 * release's own. Says on stderr what went wrong.
 */
import { install, noRehearsal, type Act } from "./install.ts";

const [, , path = "", next = "", act = "install", announced] = process.argv;
const code = await install({
  path,
  next,
  act: act as Act,
  rehearse: noRehearsal,
  ...(announced === undefined ? {} : { announced }),
});
if (code !== "") {
  process.stderr.write(`${code}\n`);
  process.exitCode = 1;
}
