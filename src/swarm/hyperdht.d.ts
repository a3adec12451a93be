/**
 * Types of what we use of HyperDHT 6.34.0 (dht-rpc 6.27, @hyperswarm/secret-stream 6.9), which ship none.
 * Written from their sources; everything else of them is deliberately absent.
 */

declare module "sodium-universal" {
  /** Exists only on the replacement that `embed/alias` puts in this package's place. */
  export const ready: Promise<void>;
}

declare module "@hyperswarm/dht" {
  import type { EventEmitter } from "node:events";
  import type { Duplex, DuplexEvents } from "streamx";

  export interface Address {
    host: string;
    port: number;
  }

  export interface KeyPair {
    /** 32 bytes, Ed25519. */
    publicKey: Buffer;
    /** 64 bytes: seed ‖ public key. */
    secretKey: Buffer;
  }

  /** The sender or receiver of a reply; `id` is null when it is ephemeral or its id does not fit. */
  export interface NodeAddress extends Address {
    id: Buffer | null;
  }

  export interface Peer {
    publicKey: Buffer;
    relayAddresses: Address[];
  }

  export interface LookupReply {
    token: Buffer | null;
    from: NodeAddress;
    to: Address;
    peers: Peer[];
  }

  export interface MutableReply {
    token: Buffer | null;
    from: NodeAddress;
    to: Address;
    seq: number;
    value: Buffer;
    signature: Buffer;
  }

  export interface ImmutableReply {
    token: Buffer | null;
    from: NodeAddress;
    to: Address;
    value: Buffer;
  }

  /** Replies as they come in; ends when the closest nodes have answered. */
  export interface Query<T> extends AsyncIterable<T> {
    /** Resolves when the query is over, after the commit phase of an announce or put. */
    finished(): Promise<void>;
    destroy(): void;
    closestNodes: NodeAddress[];
    closestReplies: { from: NodeAddress }[];
  }

  /** The requests of one connection attempt, ended together. */
  export interface Session {
    destroy(error?: Error): void;
  }

  /** A search for the nodes that know a peer; of streamx, as what it has inside. */
  export interface PeerQuery extends AsyncIterable<unknown> {
    _open(callback: (error: Error | null) => void): unknown;
    _read(callback: (error: Error | null) => void): void;
    _predestroy(): void;
    push(data: null): boolean;
  }

  /** One request in flight. */
  export interface PendingRequest {
    /** 16 bits, counted up per node. */
    tid: number;
    to: Address;
  }

  /** dht-rpc's socket layer. */
  export interface Io {
    inflight: PendingRequest[];
    /** Null before it is bound. */
    readonly serverSocket: { address(): Address } | null;
    /** The watcher of interface addresses, which keeps the process alive. */
    readonly networkInterfaces: { destroy(): Promise<void> };
    /** How many requests are under way. */
    readonly congestion: { isFull(): boolean; send(): void; recv(): void; drain(): void };
    /** Null while it has no sockets. */
    _drainInterval: ReturnType<typeof setInterval> | null;
    onmessage(socket: object, buffer: Buffer, from: Address): void;
    /** Proves to us that a node can be reached at its host; `index` 1 is the newer secret. */
    token(address: Address, index: number): Buffer;
    /** Once in 750 ms: forgets what was sent long ago, sends what has waited, renews secrets. */
    _drain(): void;
  }

  /** The UDX stream under a secret stream. */
  export interface RawStream {
    remoteHost: string;
    remotePort: number;
    /** Round-trip time, ms. */
    rtt: number;
    /** Of datagrams, acknowledgements and repetitions included. */
    bytesReceived: number;
  }

  export interface SecretStreamEvents extends DuplexEvents {
    /** One message, exactly as it was written by the other side. */
    data: [data: Buffer];
    /** The handshake is done. */
    open: [];
    connect: [];
  }

  /** An encrypted, authenticated, message-framed stream. */
  export interface SecretStream extends Duplex<SecretStreamEvents> {
    /** One message; false when the caller should wait for `drain`. Up to 16 MiB - 1. */
    write(data: Uint8Array): boolean;
    /** Memory with old content for a message that is written next: it is encrypted where it is. */
    alloc(sizeBytes: number): Buffer;
    end(data?: Uint8Array): this;
    readonly isInitiator: boolean;
    readonly publicKey: Buffer;
    readonly remotePublicKey: Buffer;
    readonly handshakeHash: Buffer | null;
    readonly rawStream: RawStream;
    /** Resolves true when the handshake is done, false when the stream closed before. Never rejects. */
    readonly opened: Promise<boolean>;
    /** Resolves true when all that was written has arrived, false when the stream closed before. */
    flush(): Promise<boolean>;
    /** Destroys the stream after `ms` without a byte received; 0 turns it off. */
    setTimeout(ms: number): void;
    /** Sends an empty frame after `ms` without a byte sent; 0 turns it off. */
    setKeepAlive(ms: number): void;
  }

  export interface ServerOptions {
    /** Returns true to refuse the handshake. */
    firewall?: (
      remotePublicKey: Buffer,
      payload: unknown,
      clientAddress: Address,
    ) => boolean | Promise<boolean>;
    /** False: never punch holes. */
    holepunch?: false;
    /** False: keep the local interface addresses to ourselves. */
    shareLocalAddress?: boolean;
    /** Milliseconds. */
    handshakeClearWait?: number;
    reusableSocket?: boolean;
  }

  /** Keeps a server announced under its key. Internal to HyperDHT; see relay-pings.ts. */
  export interface Announcer {
    /** Nodes that relay handshakes to us. */
    relays: readonly unknown[];
    readonly _sleeper: {
      pause(delayMs: number): Promise<void>;
      /** Ends the pause under way. */
      resume(): void;
    };
    /** Announces anew after the pause under way. */
    refresh(): void;
  }

  export interface Server extends EventEmitter {
    /** Null unless it listens. */
    readonly _announcer: Announcer | null;
    readonly publicKey: Buffer | null;
    readonly relayAddresses: Address[];
    /** Announces `keyPair` (default: the node's) and keeps it announced until closed. */
    listen(keyPair?: KeyPair): Promise<void>;
    refresh(): void;
    close(): Promise<void>;
    address(): (Address & { publicKey: Buffer }) | null;
    on(event: "connection", listener: (stream: SecretStream) => void): this;
    on(event: "listening" | "close", listener: () => void): this;
  }

  export interface ConnectOptions {
    keyPair?: KeyPair;
    /** Nodes that relay the handshake, when known from a lookup. */
    relayAddresses?: Address[];
    /** False: do not try the remote's local interface addresses. */
    localConnection?: boolean;
    reusableSocket?: boolean;
  }

  export interface HyperDHTOptions {
    /** Without it: the public network. */
    bootstrap?: (Address | string)[];
    /** A number and the four above it are tried, then any; a range [start, end) likewise. */
    port?: number | [start: number, end: number];
    /** False: fail when none of the wanted ports is free. */
    anyPort?: boolean;
    host?: string;
    keyPair?: KeyPair;
    seed?: Uint8Array;
    /** False: a routing node from the start. Absent: becomes one after about 20 stable minutes. */
    ephemeral?: boolean;
    /** False: reachable from everywhere without punching. */
    firewalled?: boolean;
    quickFirewall?: boolean;
    nodes?: Address[];
    /** Milliseconds; false: none. Default 5000. */
    connectionKeepAlive?: number | false;
    randomPunchInterval?: number;
    deferRandomPunch?: boolean;
    concurrency?: number;
    maxWindow?: number;
    /** Entries in the younger half of each store. Default 65536. */
    maxSize?: number;
  }

  export interface QueryOptions {
    nodes?: Address[];
    concurrency?: number;
  }

  /** An answer as it came; `error` is 0 or a code of hyperdht lib/constants.js or dht-rpc lib/errors.js. */
  export interface RawReply {
    token: Buffer | null;
    from: NodeAddress;
    error: number;
    value: Buffer | null;
  }

  export default class HyperDHT extends EventEmitter {
    constructor(options?: HyperDHTOptions);

    /** The public bootstrap nodes. */
    static readonly BOOTSTRAP: readonly string[];
    static keyPair(seed?: Uint8Array): KeyPair;
    /** BLAKE2b-256. */
    static hash(data: Uint8Array): Buffer;
    /** A node that others bootstrap from; `host` is the address they reach it at. */
    static bootstrapper(port: number, host: string, options?: HyperDHTOptions): HyperDHT;

    /** `nodes`: where to begin. */
    findPeer(
      target: Uint8Array,
      options?: { nodes?: readonly Address[] | null; session?: Session },
    ): PeerQuery;

    readonly defaultKeyPair: KeyPair;
    /** Own address as others see it; null or 0 until enough of them agree. */
    readonly host: string | null;
    readonly port: number;
    readonly firewalled: boolean;
    /** Every destination sees another port of ours. */
    readonly randomized: boolean;
    readonly ephemeral: boolean;
    readonly bootstrapped: boolean;
    readonly destroyed: boolean;
    readonly online: boolean;
    readonly listening: ReadonlySet<Server>;
    readonly io: Io;

    bind(): Promise<void>;
    /** Null before `bind` has resolved. */
    address(): (Address & { family: number }) | null;
    fullyBootstrapped(): Promise<void>;
    /** Known nodes, freshest first. */
    toArray(options?: { limit?: number }): Address[];
    addNode(address: Address): void;
    ping(address: Address): Promise<{ from: NodeAddress; to: Address; rtt: number }>;
    findNode(target: Uint8Array, options?: QueryOptions): Query<{ from: NodeAddress }>;

    /** Asks the nodes closest to `target`; then `commit` is called once for each of them. */
    query<T = RawReply>(
      request: { target: Uint8Array; command: number; value: Uint8Array | null },
      options?: QueryOptions & {
        map?: (reply: RawReply) => T | null;
        commit?: (reply: RawReply) => Promise<unknown>;
      },
    ): Query<T>;
    /** One request to one node; rejects when no answer comes. */
    request(
      request: {
        token?: Buffer | null;
        target?: Uint8Array | null;
        command: number;
        value?: Uint8Array | null;
      },
      to: Address,
    ): Promise<RawReply>;

    lookup(topic: Uint8Array, options?: QueryOptions): Query<LookupReply>;
    announce(
      topic: Uint8Array,
      keyPair: KeyPair,
      relayAddresses?: Address[],
      options?: QueryOptions,
    ): Query<LookupReply>;
    unannounce(topic: Uint8Array, keyPair: KeyPair, options?: QueryOptions): Promise<void>;
    mutablePut(
      keyPair: KeyPair,
      value: Uint8Array,
      options?: QueryOptions & {
        seq?: number;
        signMutable?: (seq: number, value: Uint8Array, keyPair: KeyPair) => Uint8Array;
      },
    ): Promise<{ publicKey: Buffer; closestNodes: NodeAddress[]; seq: number; signature: Buffer }>;
    mutableGet(
      publicKey: Uint8Array,
      options?: QueryOptions & { seq?: number; latest?: boolean },
    ): Promise<MutableReply | null>;
    immutablePut(
      value: Uint8Array,
      options?: QueryOptions,
    ): Promise<{ hash: Buffer; closestNodes: NodeAddress[] }>;
    immutableGet(hash: Uint8Array, options?: QueryOptions): Promise<ImmutableReply | null>;

    connect(remotePublicKey: Uint8Array, options?: ConnectOptions): SecretStream;
    createServer(onconnection?: (stream: SecretStream) => void): Server;
    createServer(options: ServerOptions, onconnection?: (stream: SecretStream) => void): Server;

    /** Closes servers, streams and sockets; `force` skips unannouncing. */
    destroy(options?: { force?: boolean }): Promise<void>;
  }
}
