/** Connections that come to us: how many, from where, and what becomes of them. */
import type { Address, SecretStream, Server } from "@hyperswarm/dht";
import type HyperDHT from "@hyperswarm/dht";
import { concat, toHex } from "../core/bytes.ts";
import {
  AUTH_TIMEOUT_MS,
  CONNECTIONS_IN_MAX,
  GIVE_WAY_AFTER_MS,
  HANDSHAKES_MAX,
  PEERS_TOLD_MAX,
} from "../core/limits.ts";
import { SwarmError } from "./error.ts";
import { HandshakeRate } from "./handshake-rate.ts";
import { HostCounts, partyOf, UNFAIR_LEAD } from "./host-counts.ts";
import type { Peers } from "./peers.ts";
import { ProviderSession, type ProviderContext } from "./provider-session.ts";
import { pingRelaysLessOften } from "./relay-pings.ts";
import { Upload } from "./upload.ts";

export interface ListenerContext extends Omit<ProviderContext, "upload"> {
  readonly peers: Peers;
  /** Absent: as much as there is. */
  readonly uploadBytesPerS?: number;
}

interface Handshake {
  readonly party: string;
  /** Monotonic. */
  readonly untilMs: number;
}

export class Provider {
  readonly #context: ListenerContext;
  readonly #upload: Upload;
  readonly #sessions = new Set<ProviderSession>();
  readonly #hosts = new HostCounts();
  /** Handshakes we let pass, till they are forgotten if no connection follows. */
  #handshakes: Handshake[] = [];
  readonly #rate = new HandshakeRate();
  #server: Server | undefined;

  constructor(context: ListenerContext) {
    this.#context = context;
    this.#upload = new Upload(context.clock, context.uploadBytesPerS);
  }

  get connections(): number {
    return this.#sessions.size;
  }

  /** Where our key is announced: these nodes relay handshakes to us. */
  get relayAddresses(): { host: string; port: number }[] {
    return this.#server?.relayAddresses ?? [];
  }

  /** Makes us reachable under the node's key; at our interface addresses as well, unless told not to. */
  async listen(dht: Pick<HyperDHT, "createServer">, shareLocalAddress = true): Promise<void> {
    const firewall = (key: Uint8Array, _payload: unknown, { host, port }: Address): boolean =>
      !this.#admits(key, partyOf({ remoteHost: host, remotePort: port }));
    this.#server = dht.createServer({ firewall, shareLocalAddress }, (stream: SecretStream) =>
      this.accept(stream),
    );
    await this.#server.listen();
    pingRelaysLessOften(this.#server);
  }

  /** Takes over a connection, or closes it at once when there are too many. */
  accept(stream: SecretStream): void {
    // A stream without a listener for its error would end the process.
    stream.on("error", () => undefined);
    const { remoteHost } = stream.rawStream;
    const party = partyOf(stream.rawStream);
    const at = this.#handshakes.findIndex((handshake) => handshake.party === party);
    this.#handshakes.splice(Math.max(0, at), 1);
    if (this.#sessions.size >= CONNECTIONS_IN_MAX) this.#givingWayTo(party)?.close(gaveWay());
    if (this.#sessions.size >= CONNECTIONS_IN_MAX || !this.#hosts.tryAdd(remoteHost)) {
      stream.destroy();
      return;
    }
    const context: ProviderContext = {
      ...this.#context,
      upload: this.#upload,
      exchangePeers: (theirs, client) => this.#exchangePeers(theirs, client),
    };
    const session = new ProviderSession(stream, context, (reason) => {
      this.#sessions.delete(session);
      this.#hosts.remove(remoteHost);
      // Whoever breaks the protocol does not come again under this key.
      if (reason.code === "PROTOCOL" || reason.code === "AUTH_INVALID") {
        this.#context.peers.ban(toHex(stream.remotePublicKey));
      }
    });
    this.#sessions.add(session);
  }

  /** Keys and nothing else: who may be reached under them, the DHT knows. Ours are of proven members. */
  #exchangePeers(theirs: Uint8Array, client: Uint8Array): Uint8Array {
    const { peers } = this.#context;
    const members = peers.members(PEERS_TOLD_MAX / 2).map(({ publicKey }) => publicKey);
    const clients = [...this.#sessions].filter(({ isOpen }) => isOpen).map((one) => one.client);
    // A random part of them, so that nobody can be kept out of it by others.
    clients.sort(() => Math.random() - 0.5);
    const told = new Map([...members, ...clients].map((key) => [toHex(key), key]));
    told.delete(toHex(client));
    peers.hear(theirs);
    return concat(...[...told.values()].slice(0, PEERS_TOLD_MAX));
  }

  async destroy(): Promise<void> {
    const reason = new SwarmError("STOPPED", "we are stopping", { blame: "local" });
    for (const session of this.#sessions) session.close(reason);
    this.#upload.destroy();
    await this.#server?.close();
  }

  /**
   * Before anything is kept for a handshake. A place counts as taken from here on, not only from the
   * connection on: a flood of handshakes that lead nowhere is bounded as well, and keeps nobody else out.
   */
  #admits(key: Uint8Array, party: string): boolean {
    const nowMs = this.#context.clock.monotonicMs();
    this.#handshakes = this.#handshakes.filter(({ untilMs }) => untilMs > nowMs);
    if (this.#context.peers.isBanned(toHex(key))) return false;
    if (!this.#rate.allows(party, nowMs)) return false;
    const taken = this.#sessions.size - this.#idle.length + this.#handshakes.length;
    if (taken >= CONNECTIONS_IN_MAX) {
      const isFull = this.#sessions.size >= CONNECTIONS_IN_MAX;
      if (this.#handshakes.length >= HANDSHAKES_MAX) return false;
      if (this.#handshakes.some((handshake) => handshake.party === party)) return false;
      if (isFull && this.#givingWayTo(party) === undefined) return false;
    }
    this.#handshakes.push({ party, untilMs: nowMs + AUTH_TIMEOUT_MS });
    return true;
  }

  /**
   * D10, when all places are taken: who asks for nothing, whose party has several places, or has read for long and
   * more than who comes. Whoever comes back under another key is the same party.
   */
  #givingWayTo(party: string): ProviderSession | undefined {
    const [idle] = this.#idle;
    if (idle !== undefined) return idle;
    const byParty = Map.groupBy(this.#sessions, (session) => session.party);
    const ours = byParty.get(party)?.length ?? 0;
    const [most = []] = [...byParty.values()].sort((a, b) => b.length - a.length);
    if (most.length >= ours + UNFAIR_LEAD) return most.toSorted((a, b) => b.idleMs - a.idleMs)[0];
    const [first] = [...this.#sessions].sort((a, b) => b.lead(party) - a.lead(party));
    return first !== undefined && first.lead(party) > 0 ? first : undefined;
  }

  get #idle(): ProviderSession[] {
    return [...this.#sessions].filter(({ idleMs }) => idleMs >= GIVE_WAY_AFTER_MS);
  }
}

function gaveWay(): SwarmError {
  return new SwarmError("CLOSED", "somebody else needed the place of this connection more", {
    blame: "local",
  });
}
