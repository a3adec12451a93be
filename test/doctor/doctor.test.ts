/** What `doctor` finds: the command, against real files and a real network on loopback. */
import { afterAll, beforeAll, beforeEach, afterEach, describe, expect, test } from "bun:test";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { PublicKey } from "../../src/core/brand.ts";
import type { Clock } from "../../src/core/clock.ts";
import { systemClock } from "../../src/core/clock.ts";
import { generateSeed, keyText } from "../../src/core/keys.ts";
import { checkKeys } from "../../src/doctor/keys.ts";
import { checkBun } from "../../src/doctor/machine.ts";
import type { Finding } from "../../src/doctor/finding.ts";
import { clockFinding, natFinding, parseNode } from "../../src/doctor/network.ts";
import { writeKeyFile } from "../../src/release/key-file.ts";
import { SwarmWorld } from "../helpers/swarm-world.ts";
import { tinyElf } from "../helpers/tiny-executables.ts";
import type { ReleaseOptions } from "../helpers/release.ts";

const MAIN = join(import.meta.dir, "../../src/cli/main.ts");
const TIMEOUT_MS = 60_000;
const NOW_S = Math.floor(Date.now() / 1000);

let world: SwarmWorld;
let directory = "";

beforeAll(async () => {
  world = await SwarmWorld.create();
});
afterAll(() => world.destroy());
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "rustpatcher-doctor-"));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const bootstrap = (): string =>
  world.net.bootstrap.map(({ host, port }) => `${host}:${port}`).join(",");

async function doctor(
  ...args: string[]
): Promise<{ code: number; ok: boolean; of: Map<string, Finding> }> {
  const child = Bun.spawn([process.execPath, MAIN, "doctor", ...args, "--json"], {
    cwd: directory,
    env: { PATH: process.env["PATH"] ?? "", RUSTPATCHER_BOOTSTRAP: bootstrap() },
    stdio: ["ignore", "pipe", "pipe"],
    timeout: TIMEOUT_MS,
  });
  const [out, err, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  expect(err).toBe("");
  const { ok, findings } = JSON.parse(out) as { ok: boolean; findings: Finding[] };
  // Whoever is told of trouble is told what to do.
  for (const { level, advice } of findings)
    expect(level === "ok" || (advice ?? "") !== "").toBe(true);
  return { code, ok, of: new Map(findings.map((finding) => [finding.name, finding])) };
}

function executable(options: Partial<ReleaseOptions> = {}): string {
  const path = join(directory, "app");
  const release = world.release({ version: "1.0.1", blocks: 2, header: tinyElf(), ...options });
  writeFileSync(path, release.file, { mode: 0o755 });
  return path;
}

describe("the command", () => {
  test(
    "all is well: exit 0",
    async () => {
      writeKeyFile(join(directory, "owner_key"), world.seed);
      const { code, ok, of } = await doctor(executable());
      expect({ code, ok }).toEqual({ code: 0, ok: true });
      expect([...of.keys()]).toEqual([
        "bun",
        "region",
        "code signature",
        "place",
        "disk",
        "key",
        "bootstrap",
        "nat",
        "clock",
      ]);
      expect(of.get("clock")?.text).toContain("no copy");
    },
    TIMEOUT_MS,
  );

  test(
    "a bootstrap node that does not answer: exit 1",
    async () => {
      const { code, of } = await doctor("--bootstrap", "127.0.0.1:9");
      expect(code).toBe(1);
      expect(of.get("bootstrap")).toMatchObject({
        level: "fail",
        text: expect.stringContaining("0 of 1"),
      });
      const some = await doctor("--bootstrap", `127.0.0.1:9,${bootstrap()}`);
      expect(some.of.get("bootstrap")).toMatchObject({ level: "warn" });
      expect(some.code).toBe(0);
    },
    TIMEOUT_MS,
  );

  test(
    "an executable that is damaged, unsigned or expired, in an unsafe place",
    async () => {
      const path = executable({ publishedS: NOW_S - 100, expiresS: NOW_S - 10 });
      chmodSync(directory, 0o777);
      const first = await doctor(path);
      expect(first.code).toBe(1);
      expect(first.of.get("expiry")?.level).toBe("fail");
      expect(first.of.get("place")).toMatchObject({
        level: "fail",
        text: expect.stringContaining("chmod go-w"),
      });
      chmodSync(directory, 0o755);
      const file = world.release({ version: "1.0.1", blocks: 2, header: tinyElf() }).file.slice();
      file[20_000] = (file[20_000] ?? 0) ^ 1;
      writeFileSync(path, file);
      expect((await doctor(path)).of.get("region")?.level).toBe("fail");
    },
    TIMEOUT_MS,
  );

  test("a file that is not there: one sentence", () => {
    const { exitCode, stderr } = Bun.spawnSync([process.execPath, MAIN, "doctor", "nothing"], {
      cwd: directory,
      env: { PATH: process.env["PATH"] ?? "", RUSTPATCHER_BOOTSTRAP: "127.0.0.1:9" },
      timeout: TIMEOUT_MS,
    });
    expect({ exitCode, lines: stderr.toString().trim().split("\n").length }).toEqual({
      exitCode: 1,
      lines: 1,
    });
  });
});

describe("keys", () => {
  const look = (owner?: PublicKey): Map<string, Finding> =>
    new Map(
      checkKeys(join(directory, "owner_key"), undefined, owner).map((one) => [one.name, one]),
    );

  test("exposed, of somebody else, damaged", () => {
    const key = join(directory, "owner_key");
    expect(look().get("key")?.level).toBe("ok");
    writeKeyFile(key, generateSeed());
    expect(look().get("key")?.level).toBe("ok");
    expect(look(world.owner).get("key")?.text).toContain("the executable names");
    expect(look(world.owner).get("key")?.level).toBe("fail");
    chmodSync(key, 0o644);
    expect(look().get("key")?.text).toContain("chmod 600");
    chmodSync(key, 0o600);
    writeFileSync(key, keyText(world.owner).slice(1));
    expect(look().get("key")?.level).toBe("fail");
  });

  test("in the reach of git", () => {
    writeKeyFile(join(directory, "owner_key"), generateSeed());
    const git = (...args: string[]): unknown => Bun.spawnSync(["git", ...args], { cwd: directory });
    expect(look().get("git")).toBeUndefined();
    git("init", "-q");
    expect(look().get("git")?.level).toBe("warn");
    writeFileSync(join(directory, ".gitignore"), "owner_key*\n");
    expect(look().get("git")?.level).toBe("ok");
    git("add", "-f", "owner_key");
    expect(look().get("git")?.level).toBe("fail");
  });
});

describe("the clock", () => {
  test.each([
    [0, "ok"],
    [6, "warn"],
    [-25, "fail"],
  ])(
    "of copies that are %d minutes off",
    async (minutes, level) => {
      const clock: Clock = { ...systemClock, nowMs: () => Date.now() + minutes * 60_000 };
      const version = `1.0.${minutes + 100}`;
      const path = executable({ version });
      const swarm = await world.swarm({ clock });
      const release = world.release({ version, blocks: 2, header: tinyElf() });
      swarm.serve(release);
      let found: Finding | undefined;
      for (
        let tries = 0;
        tries < 10 && (found === undefined || found.text.includes("no copy"));
        tries++
      ) {
        found = (await doctor(path)).of.get("clock");
      }
      await swarm.destroy();
      expect(found?.level).toBe(level as Finding["level"]);
      if (minutes !== 0) expect(found?.text).toContain(`${Math.abs(minutes)} minutes`);
    },
    TIMEOUT_MS,
  );

  test("says which way it is off", () => {
    expect(clockFinding(5, 2).text).toBe("5 minutes ahead of that of 2 copies");
    expect(clockFinding(-12, 1)).toMatchObject({
      level: "fail",
      text: "12 minutes behind that of 1 copy",
    });
    expect(clockFinding(1, 1).level).toBe("ok");
  });
});

test("an old Bun", () => {
  expect(checkBun("1.4.4").level).toBe("fail");
  expect(checkBun("1.4.5").level).toBe("ok");
  expect(checkBun("1.10.0").level).toBe("ok");
});

test("what stands between us and the others", () => {
  const at = (facts: Partial<Parameters<typeof natFinding>[0]>): string =>
    natFinding({ host: "192.0.2.1", port: 5, firewalled: true, randomized: false, ...facts }).level;
  expect([
    at({}),
    at({ firewalled: false }),
    at({ host: null }),
    at({ port: 0, randomized: true }),
  ]).toEqual(["ok", "ok", "warn", "warn"]);
});

test("bootstrap nodes as HyperDHT writes them", () => {
  expect(parseNode("192.0.2.7@node1.example:49737")).toEqual({ host: "192.0.2.7", port: 49737 });
  expect(parseNode("node1.example:49737")).toEqual({ host: "node1.example", port: 49737 });
});
