/** The releases that copies still have, gathered from peers: which versions there are to go back to. */
import { asContentRoot, type PublicKey } from "../core/brand.ts";
import { fromHex } from "../core/bytes.ts";
import type { TargetName } from "../core/target-key.ts";
import { compareVersions, type ParsedVersion } from "../core/version.ts";
import { decodePiece } from "../content/piece.ts";
import { carriedRelease, type CarriedRelease } from "../exe/check-region.ts";
import { REGION_BYTES } from "../exe/region.ts";
import type { RemoteProvider } from "../swarm/remote-provider.ts";

/** Of each peer; it names no more than a few that it can give the region of. */
const ROOTS_ASKED_MAX = 4;

export class KnownReleases {
  readonly #owner: PublicKey;
  readonly #name: TargetName;
  readonly #byRoot = new Map<string, CarriedRelease>();
  readonly #met = new Set<string>();

  constructor(owner: PublicKey, name: TargetName) {
    this.#owner = owner;
    this.#name = name;
  }

  /** Copies that were asked. */
  get met(): number {
    return this.#met.size;
  }

  /** Counts from nought again. */
  forgetMet(): void {
    this.#met.clear();
  }

  /** Asks one peer for the regions of what it has. What is not the owner's, for this target, is left out. */
  async ask(peer: RemoteProvider): Promise<void> {
    this.#met.add(peer.publicKey.toHex());
    const roots = peer.roots.filter((root) => !this.#byRoot.has(root)).slice(0, ROOTS_ASKED_MAX);
    for (const root of roots) {
      const release = await this.#requested(peer, root);
      if (release !== undefined) this.#byRoot.set(root, release);
    }
  }

  /** The highest version below `version`, or exactly `wanted`. */
  below(version: ParsedVersion, wanted?: ParsedVersion): CarriedRelease | undefined {
    let best: CarriedRelease | undefined;
    for (const release of this.#byRoot.values()) {
      const { version: theirs } = release.record.record;
      if (compareVersions(theirs, version) >= 0) continue;
      if (wanted !== undefined && theirs.text !== wanted.text) continue;
      if (best === undefined || compareVersions(theirs, best.record.record.version) > 0) {
        best = release;
      }
    }
    return best;
  }

  async #requested(peer: RemoteProvider, root: string): Promise<CarriedRelease | undefined> {
    try {
      const wanted = { type: "region", root: asContentRoot(fromHex(root)) } as const;
      const coded = await peer.request(wanted).bytes;
      const region = decodePiece(coded, REGION_BYTES, undefined);
      if (region === undefined) return undefined;
      const release = carriedRelease(this.#owner, region);
      const { record } = release.record;
      const isOurs =
        record.root.toHex() === root &&
        record.app === this.#name.app &&
        record.target === this.#name.target &&
        record.channel === this.#name.channel;
      return isOurs ? release : undefined;
    } catch {
      // It has the difference only, or lies: others may tell.
      return undefined;
    }
  }
}
