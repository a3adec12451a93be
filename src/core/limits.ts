/**
 * Every cap on what strangers send, in one place. A length is compared with its cap before anything is
 * allocated; nothing is raised without a reason written beside it.
 */
const KiB = 1024;
const MiB = 1024 * KiB;

/** A release record. It must fit one HyperDHT mutable value (1,000 bytes) with its envelope. */
export const RECORD_MAX_BYTES: number = 600;
/** An executable: four times the largest compiled Bun app known to us. */
export const EXECUTABLE_MAX_BYTES: number = 512 * MiB;
/** Left free beside an update: nobody's disk is filled to the last block, and state files have room. */
export const UPDATE_SPARE_BYTES: number = 8 * MiB;
/** App name and channel: they enter key derivation and the 600-byte record. */
export const NAME_MAX_BYTES: number = 64;
/** The version field of the region. */
export const VERSION_MAX_BYTES: number = 16;
/**
 * Chunks of the canonical stream: a part of the format (content/chunker.ts) and the most a peer may make us
 * hold for one of them.
 */
export const CHUNK_MIN_BYTES: number = 16 * KiB;
export const CHUNK_MAX_BYTES: number = 64 * KiB;
/** Chunks under one node of the content tree. */
export const CHUNKS_PER_RUN_MAX: number = 64;
/**
 * Chunks that are asked for at once. The larger, the smaller are all deltas together (128 KiB: +4 %, 512 KiB: −1 %);
 * the answer still has to fit one frame.
 */
export const PIECE_MAX_BYTES: number = 256 * KiB;
/**
 * The same where nothing is installed, so that nothing but compressed pieces will come: of Bun's executable 7 % of them do
 * not fit an answer and are compressed for nothing, of those of 256 KiB 40 %. Both come in 0.487 of it.
 */
export const PLAIN_PIECE_MAX_BYTES: number = 208 * KiB;
/**
 * What one piece may take coded: the larger the pieces, the better and the faster they are compressed. Level 2 of
 * zstd on 256 KiB gives 0.46 at 290 MB/s, where level 6 on 64 KiB gives 0.47 at 90 MB/s.
 */
export const ANSWER_MAX_BYTES: number = 128 * KiB;
/** A swarm frame: one answer and its envelope. */
export const FRAME_MAX_BYTES: number = ANSWER_MAX_BYTES + 256;
/** A sketch: what a piece of 64 KiB is compared with is at most three times as large, at 5 bytes for 128. */
export const SKETCH_MAX_BYTES: number = 8 * KiB;
/** Short names of runs: more than the runs of the largest executable. */
export const LISTED_MAX_BYTES: number = 48 * KiB;
/** Content roots that a provider names in its welcome. */
export const ROOTS_MAX: number = 16;
/** Older versions beside the executable: a Bun upgrade takes 5 MB, a one-line change 1 kB. */
export const OLDER_VERSIONS_MAX_BYTES: number = 16 * MiB;
/** Answers kept for the next one who needs them: all deltas of one Bun upgrade, and some. */
export const DELTA_CACHE_MAX_BYTES: number = 8 * MiB;
/** A frame from somebody who has not authenticated: the hello has 121 bytes. */
export const HELLO_MAX_BYTES: number = 256;
/** One page of a chunk table: that of a Bun app, 108 kB, comes in one answer. */
export const TABLE_PAGE_MAX_BYTES: number = 120 * KiB;
/** CBOR nesting: a frame is one array holding scalars; the extension is one map holding one array. */
export const CBOR_MAX_DEPTH: number = 4;
/** CBOR elements in one document: more than the largest message has, too few to cost a millisecond. */
export const CBOR_MAX_ITEMS: number = 256;
/** Numbers in messages and records: unix seconds until 2106, byte offsets, request ids. */
export const UINT_MAX: number = 0xffff_ffff;

/**
 * Getters that are sent something at once; the other connections in stay free, so that records travel also
 * when all places are taken.
 */
export const UPLOAD_PLACES_MAX: number = 24;
/** Addresses whose share of what we send is remembered, once they are gone as well. */
export const UPLOAD_PARTIES_MAX: number = 1024;
/** Connections we accept, open ourselves, and have with one address. */
export const CONNECTIONS_IN_MAX: number = 32;
export const CONNECTIONS_OUT_MAX: number = 16;
export const CONNECTIONS_PER_HOST_MAX: number = 2;
/** Handshakes that wait for their connection: beyond the places that are free, one for each address. */
export const HANDSHAKES_MAX: number = 64;
/** Handshakes of one address: all the connections that it may have at once, then so many a second. */
export const HANDSHAKE_BURST: number = 64;
export const HANDSHAKES_PER_S: number = 4;
/** Addresses whose handshakes are counted. */
export const HANDSHAKE_PARTIES_MAX: number = 1024;
/** Copies on one machine share its loopback address: swarms in a box must still work. */
export const CONNECTIONS_PER_LOOPBACK_MAX: number = 64;
/** From accepted connection to accepted auth. Until then a stranger holds one of our slots. */
export const AUTH_TIMEOUT_MS: number = 10_000;
/** From a request to the first byte of its answer. */
export const FIRST_BYTE_TIMEOUT_MS: number = 10_000;
/** The slowest provider worth keeping, averaged over the window. */
export const PROGRESS_WINDOW_MS: number = 30_000;
export const PROGRESS_MIN_BYTES_PER_S: number = 4 * KiB;
/** An authenticated connection with nothing to say. */
export const IDLE_TIMEOUT_MS: number = 60_000;
/** Idle this long, it has to give way to somebody new when all places are taken. */
export const GIVE_WAY_AFTER_MS: number = 5_000;
/** Requests a peer may have under way with us, and we with it. */
export const REQUESTS_IN_FLIGHT_MAX: number = 32;
/** Peers remembered and taken from one lookup. */
export const PEERS_MAX: number = 50;
/** Keys of peers that are told to one peer, and taken from it. */
export const PEERS_TOLD_MAX: number = 16;
/** Peers and DHT nodes that are remembered for the next run. */
export const CONTACT_PEERS_MAX: number = 16;
export const CONTACT_NODES_MAX: number = 20;
export const CONTACTS_FILE_MAX_BYTES: number = 4 * KiB;
/** Keys of copies that a publisher counts. */
export const COPIES_MAX: number = 100_000;
/** Copies that a watcher of a rollout follows: keys cost nothing, so there may be more that are none. */
export const WATCHED_COPIES_MAX: number = 2_000;
/** Keys of liars that are remembered. */
export const BANS_MAX: number = 1024;
/** One look for the newest record, above the deadlines of its parts. */
export const DISCOVER_TIMEOUT_MS: number = 60_000;
/** Attempts on one content root before it has to wait for the back-off. */
export const TRIES_PER_ROOT_MAX: number = 3;
/** Digests of records with a wrong signature that are remembered. */
export const FORGERIES_MAX: number = 1024;
/** Error answers to one client before it is dropped: an honest one asks for nothing that is not there. */
export const ERROR_ANSWERS_MAX: number = 16;
/** From the first packet to a peer to its handshake, hole punching included. */
export const CONNECT_TIMEOUT_MS: number = 20_000;
/** Regions that are tried on one set of blocks; each costs hashing the file once. */
export const REGIONS_PER_TRY_MAX: number = 8;
/**
 * What a copy keeps for others once it has been a DHT node for some 20 minutes: records of peers, and half as many values of
 * up to 1,000 bytes of each kind. HyperDHT keeps this many twice, and 65,536 of itself, with which strangers could fill
 * hundreds of megabytes.
 */
export const DHT_ENTRIES_MAX: number = 2048;
/** One lookup, announcement or record exchange in the DHT; each question in it has its own, shorter one. */
export const DHT_TIMEOUT_MS: number = 20_000;
/** How far in the future a record may be dated: the clocks of publisher and getter differ. */
export const RECORD_FUTURE_MAX_S: number = 600;
/** The state file beside the executable: two records, refusals, peers. */
export const STATE_FILE_MAX_BYTES: number = 64 * KiB;
/** The status file beside the executable: two times and a sentence. */
export const STATUS_FILE_MAX_BYTES: number = 2 * KiB;
/** What is kept of the sentence that says how the last look went. */
export const STATUS_TEXT_MAX_BYTES: number = 1 * KiB;
/** Releases that could not be run here; the oldest is forgotten first. */
export const REFUSED_ROOTS_MAX: number = 16;
/** Owner keys that were handed over, one after the other: each takes 300 bytes of the region. */
export const HANDOVERS_MAX: number = 4;
/** Release notes, as text: a screen of them, and what fits into the region when it is compressed. */
export const NOTES_MAX_BYTES: number = 4 * KiB;
/** A key file: 52 characters, a newline and room for an editor's CRLF. */
export const KEY_FILE_MAX_BYTES: number = 1 * KiB;
/** A package.json that `build` and `sign` read. */
export const PACKAGE_JSON_MAX_BYTES: number = 1 * MiB;
/** Mach-O load commands: compiled Bun apps have 21 in 2.5 KB. */
export const MACHO_COMMANDS_MAX: number = 256;
export const MACHO_COMMANDS_MAX_BYTES: number = 64 * KiB;
/** Apple's code signature: 32 bytes a page of 4 KiB, and certificates. */
export const CODE_SIGNATURE_MAX_BYTES: number = 8 * MiB;
/** Blobs in it, and certificates in an Authenticode table. */
export const CODE_SIGNATURE_BLOBS_MAX: number = 16;
