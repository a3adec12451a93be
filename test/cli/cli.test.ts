/** The command line as people and scripts meet it: arguments in, streams and exit code out. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { concat } from "../../src/core/bytes.ts";
import { generateSeed, keyText, publicKeyOf } from "../../src/core/keys.ts";
import { blankRegion } from "../../src/exe/full-region.ts";
import { writeLastLook } from "../../src/update/last-look.ts";
import { coreImage, signedImage, tinyStream } from "../helpers/tiny-executables.ts";

const MAIN = join(import.meta.dir, "../../src/cli/main.ts");
const TIMEOUT_MS = 30_000;
const seed = generateSeed();
const publicKey = keyText(publicKeyOf(seed));

let directory = "";
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "rustpatcher-test-"));
  writeFileSync(join(directory, "key"), keyText(seed), { mode: 0o600 });
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

function cli(
  args: readonly string[],
  extra: { env?: Record<string, string>; stdin?: string } = {},
): Outcome {
  const { RUSTPATCHER_KEY: _none, ...inherited } = process.env;
  const { exitCode, stdout, stderr } = Bun.spawnSync([process.execPath, MAIN, ...args], {
    cwd: directory,
    env: { ...inherited, ...extra.env },
    stdin: extra.stdin === undefined ? "ignore" : new TextEncoder().encode(extra.stdin),
    timeout: TIMEOUT_MS,
  });
  return { code: exitCode, out: stdout.toString(), err: stderr.toString() };
}

function file(name: string, bytes: Uint8Array): string {
  const path = join(directory, name);
  writeFileSync(path, bytes, { mode: 0o755 });
  return name;
}

const blank = (): Uint8Array => concat(tinyStream(), blankRegion());
const NAMED = ["--app", "tiny", "--version", "1.2.3"];

/** One sentence on stderr, nothing on stdout. */
function expectRefusal(outcome: Outcome, code: number, message: string): void {
  expect(outcome.err).toContain(message);
  expect(outcome.err.trimEnd().split("\n")).toHaveLength(1);
  expect(outcome.out).toBe("");
  expect(outcome.code).toBe(code);
}

describe("status", () => {
  test("of a signed file, of a link to it, and refused for one that is not signed", () => {
    file("installed", signedImage({ seed }));
    symlinkSync("installed", join(directory, "linked"));
    const look = {
      checkedMs: Date.UTC(2026, 0, 1, 12),
      nextMs: Date.UTC(2026, 0, 1, 13),
      mode: "background",
      result: { code: "DHT", message: "the network cannot be reached" },
    };
    expect(cli(["status", "installed"]).out).toContain("last check  never");
    writeLastLook(join(directory, ".installed.rustpatcher-status"), look);
    for (const name of ["installed", "linked"]) {
      const { code, out } = cli(["status", name]);
      expect(code).toBe(0);
      expect(out).toContain("last check  2026-01-01T12:00:00Z");
      expect(out).toContain("result      the network cannot be reached");
      expect(out).toContain("next check  2026-01-01T13:00:00Z: overdue, no copy runs");
      expect(JSON.parse(cli(["status", name, "--json"]).out)).toMatchObject({
        checked: "2026-01-01T12:00:00Z",
        mode: "background",
        result: look.result,
        isNewestRefused: false,
        probation: null,
      });
    }
    file("blank", blank());
    expectRefusal(cli(["status", "blank"]), 1, "is not signed");
  });
});

describe("wrong usage exits 2", () => {
  test.each<[string[], string]>([
    [[], "no command"],
    [["nonsense"], "unknown command"],
    [["constructor"], "unknown command"],
    [["gen"], "<path> is missing"],
    [["gen", "a", "b"], "one argument too many"],
    [["sign"], "<binary> is missing"],
    [["sign", "x", "--nope"], "--nope"],
    [["sign", "x", "--key-file"], "--key-file"],
    [["sign", "x", "--key", "a", "--key-file", "key"], "give the owner key once"],
    [["inspect", "x", "--json=maybe"], "--json"],
    [["build", "x.ts", "--key-file", "key"], "add --sign"],
  ])("%j", (args, message) => {
    expectRefusal(cli(args), 2, message);
    expect(existsSync(join(directory, "a"))).toBe(false);
  });

  test("a key on the command line beside one in the environment", () => {
    const name = file("two-keys", blank());
    const both = cli(["sign", name, "--key", keyText(seed)], {
      env: { RUSTPATCHER_KEY: keyText(seed) },
    });
    expectRefusal(both, 2, "give the owner key once");
  });
});

test.each(["gen", "init", "build", "sign", "verify", "inspect"])(
  "%s --help says what it takes",
  (name) => {
    const { code, out, err } = cli([name, "--help"]);
    expect(code).toBe(0);
    expect(err).toBe("");
    expect(out).toContain(`rustpatcher ${name}`);
    expect(out).toContain("--json");
    // Not a terminal: no escape sequences.
    expect(out).not.toContain("\u001B");
  },
);

test("--help lists the commands, --version tells the version", () => {
  expect(cli(["--help"]).out).toContain("inspect");
  expect(cli(["--version"])).toMatchObject({
    code: 0,
    out: expect.stringMatching(/^\d+\.\d+\.\d+\n$/),
  });
});

describe("gen", () => {
  test("writes a private key file once, and prints what to paste", () => {
    const first = cli(["gen", "fresh"]);
    const path = join(directory, "fresh");
    expect(first.code).toBe(0);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const key = readFileSync(path, "utf8");
    expect(first.out).toContain('"rustpatcher": { "publicKey": "');
    expect(first.out).toContain('import "rustpatcher/auto"');
    expect(first.out).not.toContain(key);
    expectRefusal(cli(["gen", "fresh"]), 1, "not overwritten");
    expect(readFileSync(path, "utf8")).toBe(key);
  });

  test("--json", () => {
    const { out } = cli(["gen", "fresh-json", "--json"]);
    expect(JSON.parse(out)).toEqual({
      path: "fresh-json",
      publicKey: expect.stringMatching(/^[a-z1-9]{52}$/),
    });
  });
});

describe("sign", () => {
  test.each<[string, string[], { env?: Record<string, string>; stdin?: string }]>([
    ["a file", ["--key-file", "key"], {}],
    ["stdin", ["--key-file", "-"], { stdin: `${keyText(seed)}\n` }],
    ["the environment", [], { env: { RUSTPATCHER_KEY: keyText(seed) } }],
    ["the argument list", ["--key", keyText(seed)], {}],
    [
      "a file, although there is one in the environment",
      ["--key-file", "key"],
      { env: { RUSTPATCHER_KEY: "x" } },
    ],
  ])("takes the key from %s", (_what, args, extra) => {
    const name = file("to-sign", blank());
    const outcome = cli(["sign", name, ...args, ...NAMED, "--json"], extra);
    expect(outcome).toMatchObject({ code: 0, err: "" });
    expect(JSON.parse(outcome.out)).toEqual({
      path: name,
      kind: "full",
      version: "1.2.3",
      target: "linux-x64",
      publicKey,
    });
    expect(cli(["verify", name, "--public-key", publicKey]).code).toBe(0);
  });

  test.each<[string, string[], string]>([
    ["a key file that is not there", ["--key-file", "gone"], "there is no owner key at gone"],
    ["no key at all", [], "there is no owner key at ./owner_key"],
    ["a key of the wrong length", ["--key", "abc"], "52 lower-case characters"],
    ["a key in capitals", ["--key", keyText(seed).toUpperCase()], "52 lower-case characters"],
  ])("refuses %s, and makes none", (_what, args, message) => {
    const bytes = blank();
    const name = file("keyless", bytes);
    expectRefusal(cli(["sign", name, ...args, ...NAMED]), 1, message);
    expect(existsSync(join(directory, "gone"))).toBe(false);
    expect(existsSync(join(directory, "owner_key"))).toBe(false);
    expect(readFileSync(join(directory, name)).equals(bytes)).toBe(true);
  });

  test("refuses a key file that others can read (B10)", () => {
    const name = file("exposed", blank());
    writeFileSync(join(directory, "open-key"), keyText(seed));
    chmodSync(join(directory, "open-key"), 0o644);
    expectRefusal(cli(["sign", name, "--key-file", "open-key", ...NAMED]), 1, "chmod 600");
  });

  test("refuses another owner's file, unless --force", () => {
    const name = file("foreign", signedImage({ seed: generateSeed() }));
    expectRefusal(cli(["sign", name, "--key-file", "key"]), 1, "--force");
    expect(cli(["sign", name, "--key-file", "key", "--force"]).code).toBe(0);
  });
});

describe("verify", () => {
  test("says what it found, and that an owner nobody named proves little", () => {
    const name = file("good", signedImage({ seed }));
    const { code, out } = cli(["verify", name]);
    expect(code).toBe(0);
    expect(out).toContain("valid");
    expect(out).toContain("pin yours with --public-key");
    expect(
      JSON.parse(cli(["verify", name, "--json", "--public-key", publicKey]).out),
    ).toMatchObject({
      valid: true,
      pinned: true,
      version: "1.2.3",
      publicKey,
    });
  });

  test("refuses a changed file and another owner, with --json on both streams", () => {
    const bytes = signedImage({ seed });
    bytes[bytes.length - 1] = 0;
    const name = file("changed", bytes);
    expectRefusal(cli(["verify", name]), 1, "changed after it was signed");
    const json = cli(["verify", name, "--json"]);
    expect(json.code).toBe(1);
    expect(JSON.parse(json.out)).toEqual({
      error: { code: "HASH_MISMATCH", message: expect.any(String) },
    });
    expect(json.err).toContain("changed");
    const other = keyText(publicKeyOf(generateSeed()));
    const good = file("good-2", signedImage({ seed }));
    expectRefusal(cli(["verify", good, "--public-key", other]), 1, "another owner");
  });

  test("a core of the Rust crate needs the owner named, and its position is not signed", () => {
    const name = file("rust", coreImage({ seed }));
    expectRefusal(cli(["verify", name]), 1, "give the public key");
    const { code, out } = cli(["verify", name, "--public-key", publicKey]);
    expect(code).toBe(0);
    expect(out).toContain("position of a region of the Rust crate is not signed");
  });
});

describe("inspect", () => {
  test("shows every field of a signed, a blank and a core-only file", () => {
    const signed = cli(["inspect", file("i1", signedImage({ seed })), "--json"]);
    expect(JSON.parse(signed.out)).toMatchObject({
      kind: "full",
      state: "signed",
      app: "tiny",
      version: "1.2.3",
      target: "linux-x64",
      channel: "stable",
      mode: "now",
      publicKey,
      record: { version: "1.2.3", published: "2026-09-21T14:13:20.000Z", expires: null },
    });
    const empty = JSON.parse(cli(["inspect", file("i2", blank()), "--json"]).out) as unknown;
    expect(empty).toMatchObject({ state: "blank", version: null, publicKey: null, record: null });
    const core = JSON.parse(
      cli(["inspect", file("i3", coreImage({ seed })), "--json"]).out,
    ) as unknown;
    expect(core).toMatchObject({
      kind: "core",
      state: "signed",
      regionBytes: 176,
      version: "1.2.3",
    });
    expect(cli(["inspect", "i1"]).out).toContain("release record:");
  });

  test("refuses what has no region", () => {
    expectRefusal(cli(["inspect", "key"]), 1, "no signature region");
    expectRefusal(cli(["inspect", "gone"]), 1, "there is no file at gone");
    expectRefusal(cli(["inspect", "."]), 1, "is not a file");
  });
});

test(
  "build --sign makes an app that runs",
  () => {
    writeFileSync(join(directory, "package.json"), '{"name":"@scope/cli-app","version":"4.5.6"}');
    writeFileSync(
      join(directory, "main.ts"),
      'import "rustpatcher/auto";\nconsole.log("built by the cli");\n',
    );
    const outcome = cli(["build", "./main.ts", "--sign", "--key-file", "key", "--json"]);
    expect(outcome.err).toBe("");
    expect(JSON.parse(outcome.out)).toEqual({
      path: join(directory, "cli-app"),
      target: expect.any(String),
      version: "4.5.6",
      state: "signed",
    });
    const env = { ...process.env, RUSTPATCHER_DISABLE: "1" };
    const app = Bun.spawnSync([join(directory, "cli-app")], { env, timeout: TIMEOUT_MS });
    expect(app.stdout.toString()).toBe("built by the cli\n");
  },
  TIMEOUT_MS,
);

test(
  "build.ts of this repository takes the flags of build, and an entry of its own",
  () => {
    const script = join(import.meta.dir, "../../build.ts");
    const run = (...args: string[]): Outcome => {
      const { exitCode, stdout, stderr } = Bun.spawnSync([process.execPath, script, ...args], {
        cwd: directory,
        timeout: TIMEOUT_MS,
      });
      return { code: exitCode, out: stdout.toString(), err: stderr.toString() };
    };
    expect(run("--help").out).toBe(cli(["build", "--help"]).out);
    expectRefusal(run("--nope"), 2, "--nope");
    expectRefusal(run("--sign", "--key-file", "gone"), 1, "there is no owner key at gone");
    expectRefusal(run("missing.ts", "--sign", "--key-file", "key", ...NAMED), 1, "missing.ts");
  },
  TIMEOUT_MS,
);

describe("what is said of a release", () => {
  const SIGN = ["sign", "app", "--key-file", "key", ...NAMED];

  test("from flags and a file, shown by inspect", () => {
    file("app", blank());
    writeFileSync(join(directory, "notes.txt"), "Quicker.\n");
    const flags = ["--rollout", "10%", "--critical", "--from", "1.0.0", "--notes", "@notes.txt"];
    expect(cli([...SIGN, ...flags])).toMatchObject({ code: 0, err: "" });
    const { notes, record } = JSON.parse(cli(["inspect", "app", "--json"]).out);
    expect(notes).toBe("Quicker.");
    expect(record).toMatchObject({ rollout: 10, critical: true, from: "1.0.0", withdrawn: null });
  });

  test.each([
    [["--rollout", "110%"], 1, "from 0% to 100%"],
    [["--rollout", "some"], 1, "from 0% to 100%"],
    [["--from", "one"], 1, "not a version"],
    [["--notes", "a\u001b[2Jb"], 1, "control characters"],
    [["--notes", "@nowhere"], 2, "there is no file nowhere"],
  ] as const)("%p is refused in one sentence", (flags, code, sentence) => {
    file("app", blank());
    const outcome = cli([...SIGN, ...flags]);
    expect(outcome).toMatchObject({ code, out: "" });
    expect(outcome.err).toContain(sentence);
    expect(outcome.err.trim().split("\n")).toHaveLength(1);
  });
});
