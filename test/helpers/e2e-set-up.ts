/** What a file of end-to-end tests begins with. */
import { afterAll, afterEach, beforeEach } from "bun:test";
import { E2eReleases, E2eWorld } from "./e2e-world.ts";

export interface E2e {
  /** Signed once for all tests of the file. */
  readonly releases: E2eReleases;
  /** Another one in each test. */
  readonly world: E2eWorld;
}

export function setUpE2e(): E2e {
  const releases = new E2eReleases();
  const world = new E2eWorld(releases);
  beforeEach(() => world.open());
  afterEach(() => world.destroy());
  afterAll(() => releases.remove());
  return { releases, world };
}
