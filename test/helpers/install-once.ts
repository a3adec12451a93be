/**
 * A process that installs one release over another, steps 5 to 7, and ends: to be killed or failed in the
 * middle. Arguments: the installed executable, the file of the new release.
 */
import { verifyExecutable } from "../../src/exe/verify-executable.ts";
import { withFile } from "../../src/fs/file-source.ts";
import { applyUpdate } from "../../src/update/apply.ts";
import { Assembly, sweepLeftovers } from "../../src/update/assemble.ts";
import { Installation } from "../../src/update/installation.ts";
import { tryLock } from "../../src/update/lock.ts";
import { TrustedState } from "../../src/update/trusted-state.ts";
import { verifyUpdate } from "../../src/update/verify.ts";
import { canonicalStream } from "../../src/exe/canonical.ts";

const [, , path = "", next = ""] = process.argv;
const installation = Installation.open(path);
const own = verifyExecutable(installation.source);
const lock = tryLock(installation.lockPath);
if (own.kind !== "full" || lock === undefined) process.exit(2);
try {
  sweepLeftovers(installation);
  withFile(next, (source) => {
    const wanted = verifyExecutable(source);
    if (wanted.kind !== "full") process.exit(2);
    const nowMs = wanted.record.record.publishedS * 1_000;
    const state = new TrustedState(own.record);
    state.learn(wanted.record, nowMs);
    const candidate = state.decide(nowMs);
    if (candidate === undefined) return;
    const assembly = Assembly.begin(installation, wanted.record.record);
    try {
      const stream = canonicalStream(source, wanted.offset);
      for (let index = 0; index < wanted.table.count; index++) {
        const { offset, sizeBytes } = wanted.table.rangeOf(index);
        assembly.write(offset, stream.read(offset, sizeBytes));
      }
      assembly.writeRegion(wanted.region);
      applyUpdate(installation, verifyUpdate(assembly, candidate, wanted.region, own.owner), lock);
    } finally {
      assembly.discard();
    }
  });
} catch (error) {
  process.stderr.write(`${String(Reflect.get(Object(error), "code"))}\n`);
  process.exitCode = 1;
} finally {
  lock.release();
}
