/** Files that are verified, and still must not be installed: what starting one once finds out. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { chmodSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { systemClock, type Clock } from "../../src/core/clock.ts";
import { Assembly } from "../../src/update/assemble.ts";
import { rehearse } from "../../src/update/rehearse.ts";
import { verifyUpdate, type VerifiedUpdate } from "../../src/update/verify.ts";
import { FakeClock } from "../helpers/clock.ts";
import { codeOf, InstalledApp } from "../helpers/installed.ts";

const ANSWER = join(import.meta.dir, "../../src/update/rehearsal-answer.ts");

let app: InstalledApp;
let assembly: Assembly;
let update: VerifiedUpdate;

beforeEach(() => {
  app = new InstalledApp({ blocks: 1 });
  const release = app.make({ version: "1.0.1", blocks: 1, salt: 2 });
  assembly = Assembly.begin(app.installation, release.record.record);
  assembly.write(0, release.stream.read(0, release.stream.sizeBytes));
  assembly.writeRegion(release.region);
  update = verifyUpdate(assembly, app.candidate(release), release.region, app.own.owner);
});
afterEach(() => {
  assembly.discard();
  app.remove();
});

/** The outcome for a file with this content in the update's place. */
async function outcome(content: string | Uint8Array, clock: Clock = systemClock): Promise<string> {
  const path = join(app.directory, "candidate");
  writeFileSync(path, content);
  chmodSync(path, 0o700);
  const before = readdirSync(app.directory);
  try {
    await rehearse(app.installation, { ...update, path }, clock);
    return "accepted";
  } catch (error) {
    return String(Reflect.get(Object(error), "code"));
  } finally {
    expect(readdirSync(app.directory)).toEqual(before);
  }
}

/** A program in Bun that is told the region it is expected to carry. */
function program(body: string, region: Uint8Array = update.executable.region): string {
  return `#!${process.execPath}
import { rehearsalAnswer } from ${JSON.stringify(ANSWER)};
const region = Uint8Array.fromHex("${region.toHex()}");
const nonce = process.env["RUSTPATCHER_REHEARSAL"] ?? "";
${body}
`;
}

const PROOF = "console.log(rehearsalAnswer(nonce, region));";

describe("a file that is started once", () => {
  test("is accepted with the proof, in an empty directory and a clean environment", async () => {
    const seen = join(app.directory, "seen");
    writeFileSync(seen, "");
    process.env["BUN_OPTIONS_OF_THE_APP"] = "1";
    const look = `import { readdirSync, writeFileSync } from "node:fs";
writeFileSync(${JSON.stringify(seen)}, JSON.stringify([Object.keys(process.env).filter((name) => name !== "PWD" && name !== "SHLVL" && name !== "_"), readdirSync("."), process.argv.length]));`;
    expect(await outcome(program(look + PROOF))).toBe("accepted");
    delete process.env["BUN_OPTIONS_OF_THE_APP"];
    expect(JSON.parse(readFileSync(seen, "utf8"))).toEqual([["RUSTPATCHER_REHEARSAL"], [], 2]);
  });

  test.each([
    ["crashes", "process.exit(1);"],
    ["crashes after the proof", `${PROOF} process.exit(1);`],
    ["is killed by a signal", 'process.kill(process.pid, "SIGILL");'],
    ["says nothing, like plain Bun or another app", ""],
    [
      "repeats what another rehearsal has heard",
      'console.log(rehearsalAnswer("0".repeat(32), region));',
    ],
    ["says more than the proof", `${PROOF} console.log("and more");`],
    ["talks without end", 'for (;;) require("node:fs").writeSync(1, "x".repeat(65536));'],
  ])("and %s is refused", async (_what, body) => {
    expect(await outcome(program(body))).toBe("REHEARSAL_FAILED");
  });

  test("and carries another region is refused", async () => {
    const region = update.executable.region.slice();
    region[4095] = 1;
    expect(await outcome(program(PROOF, region))).toBe("REHEARSAL_FAILED");
  });

  test("and no system can run is refused", async () => {
    expect(await outcome(readFileSync(app.path))).toBe("REHEARSAL_FAILED");
    expect(await outcome(new Uint8Array(0))).toBe("REHEARSAL_FAILED");
    expect(await outcome("#!/nonexistent/interpreter\n")).toBe("REHEARSAL_FAILED");
  });

  // macOS kills what its signature does not fit.
  test.skipIf(process.platform === "darwin")(
    "and is killed from outside, as when memory runs out, may be tried again",
    async () => {
      expect(await outcome(program('process.kill(process.pid, "SIGKILL");'))).toBe("TOO_SLOW");
    },
  );

  test("and hangs is ended, not waited for, and may be tried again", async () => {
    const clock = new FakeClock(0);
    const started = join(app.directory, "started");
    writeFileSync(started, "");
    const body = `require("node:fs").writeFileSync(${JSON.stringify(started)}, String(process.pid)); for (;;);`;
    const result = outcome(program(body), clock);
    while (readFileSync(started, "utf8") === "") await Bun.sleep(5);
    clock.advance(30_000);
    expect(await result).toBe("TOO_SLOW");
    const pid = readFileSync(started, "utf8");
    while (existsSync(`/proc/${pid}`)) await Bun.sleep(5);
  });
});

describe("sealed", () => {
  test("the file can be started, and no longer written to", () => {
    const sealed = assembly.seal(update);
    expect(codeOf(() => assembly.writeRegion(new Uint8Array(4096)))).toBe("IO_FAILED");
    expect(sealed.fd).toBe(assembly.file.fd);
    expect(sealed.identity).toEqual(update.identity);
  });

  test("another file in its place is found", () => {
    const { path } = assembly.file;
    rmSync(path);
    writeFileSync(path, "");
    expect(codeOf(() => assembly.seal(update))).toBe("SWAPPED");
  });
});
