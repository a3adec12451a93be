/**
 * Tunables of the transport, each with its unit and the libudx name it follows. Constants that appear on
 * the wire live in the codec that writes them (header.ts, sack.ts).
 */

/** Smallest IP packet size every path must carry, bytes. libudx UDX_MTU_BASE. */
export const MTU_BASE = 1200;
/** Largest IP packet size searched for, bytes. libudx UDX_MTU_MAX. */
export const MTU_MAX = 1500;
/** Distance of two probed sizes, bytes. libudx UDX_MTU_STEP. */
export const MTU_STEP = 32;
/** Probes of one size that may be lost before the search ends. libudx UDX_MTU_MAX_PROBES. */
export const MTU_MAX_TRIES = 3;

/** IPv4 + UDP + UDX headers, bytes. libudx UDX_IPV4_HEADER_SIZE. */
export const OVERHEAD_IPV4: number = 20 + 8 + 20;
/** IPv6 + UDP + UDX headers, bytes. libudx UDX_IPV6_HEADER_SIZE. */
export const OVERHEAD_IPV6: number = 40 + 8 + 20;

/** Bytes a stream is willing to hold for its reader. libudx UDX_DEFAULT_RWND_MAX. */
export const RECV_WINDOW_MAX: number = 4 * 1024 * 1024;
/**
 * In-order bytes past which even a packet that is next in line is dropped: only a peer that ignores our
 * window gets here. The factor leaves room for what was in flight when the window shrank.
 */
export const RECV_HARD_LIMIT: number = 2 * RECV_WINDOW_MAX;
/**
 * Packets ahead of the next expected one that are kept. libudx keeps any distance, which lets one
 * datagram allocate without bound; a sender that honours the window never has this many outstanding.
 */
export const REORDER_LIMIT = 32_768;
/**
 * What packets ahead of the next expected one may cost, bytes. They are not taken out of the window before that:
 * a lost packet holds back a window for each round trip until its repair arrives, and a peer without window
 * stops. Three, for a repair that is lost as well.
 */
export const REORDER_BYTES_MAX: number = 3 * RECV_WINDOW_MAX;
/**
 * What the packets ahead of the next expected one of all streams of an instance may cost together, bytes: two streams
 * at their limit. Forty peers that leave a gap each would else hold half a gigabyte.
 */
export const REORDER_TOTAL_BYTES_MAX: number = 2 * REORDER_BYTES_MAX;
/** What each stream may hold even then, bytes: the flood of some must not cost the others their repairs. */
export const REORDER_GUARANTEED_BYTES: number = 256 * 1024;
/** Cost charged for a buffered packet besides its payload, bytes; stops floods of empty packets. */
export const REORDER_ENTRY_COST = 64;

/** Bytes handed to the reader in one chunk at most. udx-native BUFFER_SIZE. */
export const READ_CHUNK_MAX = 65_536;

/** Bytes written and not yet acknowledged before `write` reports back-pressure, on top of the window. libudx UDX_HIGH_WATERMARK. */
export const WRITE_HIGH_WATER = 262_144;

/** Initial congestion window, packets (RFC 6928). */
export const INITIAL_CWND = 10;

/** Initial and smallest retransmission time-out, ms. libudx UDX_RTO_INITIAL_MS; RFC 6298 (2.1), (2.4). */
export const RTO_MIN_MS = 1000;
/** RTO ceiling, ms. libudx UDX_RTO_MAX_MS. */
export const RTO_MAX_MS = 30_000;
/** Time-outs of one packet that are survived; the next one ends the stream. libudx UDX_MAX_RTO_TIMEOUTS. */
export const RTO_MAX_COUNT = 6;
/** First RTT samples above this, ms, mean a suspended host, not a path. */
export const RTT_FIRST_MAX_MS = 30_000;
/** Later samples above this, ms, are capped when they also lie far outside the variance. */
export const RTT_SUSPECT_MS = 5000;
/** Window of the minimum RTT that RACK uses, ms. RFC 8985 section 6.2 step 1. */
export const RACK_MIN_RTT_WINDOW_MS = 300_000;
/** SACKed packets after which RACK no longer waits for reordering. RFC 8985 section 6.2 step 4 (DupThresh). */
export const RACK_DUP_THRESHOLD = 3;

/** Tail-loss probe delay without an RTT sample, ms. RFC 8985 section 7.2. */
export const TLP_DEFAULT_MS = 1000;
/** Added when a single packet is out, ms: what the peer may hold its ACK. */
export const TLP_ACK_DELAY_MS = 2;
/** Shortest tail-loss probe delay, ms: event loops on loopback are slower than the path. */
export const TLP_MIN_MS = 10;

/** Timers cannot be set finer than this, ms. */
export const TIMER_GRANULARITY_MS = 1;

/** Packets received before an ACK leaves within one receive batch; keeps a fast sender's clock running. */
export const ACK_EVERY = 32;
/** The same of packets that the kernel has joined, some forty at a time: a batch is larger, and each ACK wakes the sender. */
export const ACK_EVERY_JOINED = 128;
/** The advertised window is announced again when it grew by this share of its maximum. */
export const WINDOW_REOPEN_SHARE: number = 1 / 4;

/** Initial pacing budget, bytes. libudx UDX_PACING_INITIAL_TOKENS. */
export const PACING_INITIAL_TOKENS = 25_000;
/** Pause after which unspent budget stops growing, ms: an idle stream must not burst. */
export const PACING_MAX_REFILL_MS = 10;

/** How long a cleanly closed stream still answers a repeated END, ms: longer than libudx keeps resending. */
export const TIME_WAIT_MS = 15_000;
/** Closed streams remembered at once. */
export const TIME_WAIT_MAX = 1024;

/** Wait before a refused batch is tried again when no writable event comes, ms. */
export const SEND_RETRY_MS = 1;
/** Largest datagram a libudx receiver reads whole, bytes. libudx reads into 2048-byte buffers. */
export const DATAGRAM_MAX = 2048;

/** What Linux gives a socket that does not ask, bytes. */
export const RECV_BUFFER_DEFAULT = 212_992;
/**
 * Receive buffers asked of the kernel, bytes, largest first. The first holds a whole window; the others are
 * libudx's (udx_socket_bind). Linux grants what net.core.rmem_max allows and says nothing.
 */
export const RECV_BUFFER_SIZES: readonly number[] = [
  RECV_WINDOW_MAX,
  1_048_576,
  524_288,
  262_144,
  RECV_BUFFER_DEFAULT,
];
/** Default hop limit of outgoing datagrams. libudx UDX_DEFAULT_TTL. */
export const DEFAULT_TTL = 64;

/**
 * Packets of all streams of an instance that are sent and not acknowledged in order, and how many each stream may have
 * whatever the others do. A peer that acknowledges everything but one packet makes its sender keep the rest.
 */
export const PACKETS_IN_USE_MAX = 24_576;
export const PACKETS_GUARANTEED = 64;

/** Datagrams that wait for a kernel that takes none; further ones are lost, as they would be on a full link. */
export const OUTBOX_MAX = 8192;

/** Packet records kept for reuse; each holds one datagram's memory. */
export const PACKET_POOL_MAX = 2048;

/** Poll interval of the network interface watcher, ms. libudx UDX_INTERFACE_EVENT default. */
export const INTERFACE_POLL_MS = 5000;
