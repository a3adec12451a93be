/** A made-up executable, and the release after it as a file somewhere else. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sha256 } from "../../src/core/hash.ts";
import { install, noRehearsal } from "./install.ts";
import { InstalledApp } from "./installed.ts";

export class TwoVersions {
  readonly app: InstalledApp = new InstalledApp({ blocks: 1 });
  readonly elsewhere: string = mkdtempSync(join(tmpdir(), "rustpatcher-test-"));
  readonly next: string = join(this.elsewhere, "next");
  readonly #digests: ReadonlyMap<string, string>;

  constructor() {
    const next = this.app.make({ version: "1.0.1", blocks: 1, salt: 2 }).file;
    writeFileSync(this.next, next);
    this.#digests = new Map([
      [sha256(this.app.release.file).toHex(), "old"],
      [sha256(next).toHex(), "new"],
    ]);
  }

  /** "" or the code of what went wrong. */
  install(): Promise<string> {
    return install({ path: this.app.path, next: this.next, rehearse: noRehearsal });
  }

  /** "old", "new", or undefined for anything else. */
  get version(): string | undefined {
    return this.named(this.app.digest());
  }

  named(digest: string): string | undefined {
    return this.#digests.get(digest);
  }

  remove(): void {
    this.app.remove();
    rmSync(this.elsewhere, { recursive: true, force: true });
  }
}
