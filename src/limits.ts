// The defaults and ceilings that users meet or several files share, each with its origin; what concerns one file only is a
// constant there. Times are milliseconds, sizes bytes.

const KiB = 1024;
const MiB = 1024 * KiB;

/** Ceiling for one frame; every host relays up to it, so that a take-over never makes a frame illegal. */
export const MAX_FRAME_BYTES = 64 * MiB;
/** Default of `maxMessageBytes`; RabbitMQ's default as well. */
export const DEFAULT_MAX_MESSAGE_BYTES = 16 * MiB;

/** Longest subject or pattern; one length byte would do, and NATS advises to stay below 256. */
export const MAX_SUBJECT_BYTES = 255;
/** Most headers of one message; guess, headers are for routing hints and traces. */
export const MAX_HEADERS = 32;
/** Most bytes of all headers of one message, encoded. */
export const MAX_HEADERS_BYTES = 4 * KiB;

/** Longest socket path: `sun_path` has 104 bytes on macOS, with the final NUL. */
export const MAX_SOCKET_PATH_BYTES = 103;
/** What a bus may be called: short, so that paths stay short, and safe in every file system. */
export const BUS_NAME = /^[a-z0-9][a-z0-9-]{0,31}$/;

/** Time for the whole handshake on one connection. */
export const HANDSHAKE_TIMEOUT = 2_000;
/** Most connections without a first message of the right key; the oldest is dropped for a new one. */
export const MAX_UNPROVEN_CONNECTIONS = 256;
/** Most connections in the middle of a handshake that did begin with the right key. */
export const MAX_HANDSHAKING_CONNECTIONS = 4_096;
/** Listen backlog: Node's default of 511 answers a storm of reconnecting peers with EAGAIN. */
export const LISTEN_BACKLOG = 4_096;

/** Default time `openBus` tries before it rejects. */
export const OPEN_TIMEOUT = 5_000;
/**
 * A host that completed no handshake for this long is dead to the peer that asks. Another one is to be there within 5 s: the rest
 * is for the election, and for what peers of a busy bus have still to read of the one that hangs (0.5 s in 100 suspensions).
 */
export const HUNG_HOST_TIMEOUT = 4_400;
/** …provided so many attempts were made in that time. */
export const HUNG_HOST_ATTEMPTS = 3;
/** First and last delay between attempts to reach a host that is alive or unknown. */
export const RETRY_DELAY_MIN = 5;
export const RETRY_DELAY_MAX = 500;
/** Default time without a host after which waiting calls reject; the bus goes on trying. */
export const RECONNECT_TIMEOUT = 30_000;
/** How often a host checks that it still is the host. */
export const POINTER_INTERVAL = 1_000;
/** A timer this late means this process was suspended, not that others are silent. */
export const STALL_THRESHOLD = 1_000;

/** Default window of a publisher, and the most a host grants. */
export const WINDOW_BYTES_MAX = 4 * MiB;
/** The least a host grants, however many publishers there are. */
export const WINDOW_BYTES_MIN = 64 * KiB;
/** Most frames in a window. */
export const WINDOW_FRAMES = 65_536;
/** What the windows of all active publishers share in the host. */
export const HOST_WINDOW_BUDGET_BYTES = 64 * MiB;
/** `publish` calls that nobody awaits may pile up to this multiple of the window. */
export const OUTBOX_WINDOWS = 4;

/**
 * A program that awaits each publish lets I/O have its turn after so many bytes: what a Unix socket takes at once.
 * Without it the loop would run on in microtasks until the window is full, and only then would Node write.
 */
export const PACE_BYTES = 192 * KiB;
/** …and after so many where it publishes much, which goes through files: measured, the larger they are the cheaper. */
export const FILED_PACE_BYTES = 448 * KiB;

/** Lazy acknowledgements and SETTLED frames wait at most this long. */
export const LAZY_ACK_DELAY = 250;
/** Default capacity of a slot in messages. */
export const SLOT_CAPACITY = 1_024;
/** Default capacity of a slot in bytes. */
export const SLOT_CAPACITY_BYTES = 8 * MiB;
/** Default time after which a full, unread `wait` slot begins to drop its oldest messages. */
export const STALL_TIMEOUT = 10_000;
export const STALL_TIMEOUT_MAX = 300_000;
/** A peer that owes an acknowledgement and sends nothing at all for this long is stalled. */
export const PEER_STALL_TIMEOUT = 10_000;
/** Above this many senders a Bus forgets those that are gone and silent. */
export const MAX_REMEMBERED_SENDERS = 16_384;
/** …for this long. */
export const SENDER_SILENCE = 60_000;

/** Default time-out of `query`. */
export const QUERY_TIMEOUT = 5_000;
/** Default time-out of `queryAll`; nanomsg's survey deadline as well. */
export const QUERY_ALL_TIMEOUT = 1_000;
/** Most queries one asker may have open at the host, and their bytes. */
export const MAX_OPEN_QUERIES = 16_384;
export const MAX_OPEN_QUERY_BYTES = 4 * MiB;
/** Default number of queries a responder handles at once. */
export const RESPONDER_CONCURRENCY = 16;
/** Replies of one stream that may be on the way before the asker reads on. */
export const STREAM_CREDIT = 64;

/** Silence after which a host sends PING. What an idle bus costs is 0.3 ms for each of them; two intervals are 6 s. */
export const PING_INTERVAL = 3_000;
/** Silence after which the other side is unresponsive. */
export const SILENCE_TIMEOUT = 4_000;

/** `drain` waits at most this long by default. */
export const DRAIN_TIMEOUT = 5_000;
/** A closing host lets open queries finish for this long. */
export const HOST_QUERY_GRACE = 5_000;
/** …then waits so long for acknowledgements it has asked for: a round trip of a busy machine. Who has not taken a message by then may not soon; guess. */
export const HOST_SETTLE_GRACE = 50;
/** …and then lets its queues be written for this long. */
export const HOST_FLUSH_GRACE = 1_000;

/** Most distinct subjects whose routes are remembered; half as many, used in turn, are always found. Some 5 MiB; guess. */
export const ROUTE_CACHE_SUBJECTS = 32_768;
/** Most slots and responders of one peer; guess, a peer with more should use patterns. */
export const MAX_SUBSCRIPTIONS_PER_PEER = 16_384;
/** Longest label of a peer. */
export const MAX_LABEL_BYTES = 128;

/** Bounds of the value scanner: nesting, items of one message, length of one map key. */
export const MAX_VALUE_DEPTH = 64;
export const MAX_VALUE_ITEMS = 1_048_576;
export const MAX_KEY_BYTES = 256;
/** Longest bignum, guess. Decoders elsewhere take the square of its length: cbor-x 47 s for 256 KiB. */
export const MAX_BIGNUM_BYTES = 64;

/** Bytes of a bus key: as many as the HMAC-SHA256 that it is for. */
export const KEY_BYTES = 32;
/** What a busy socket reads into; a little more than the 208 KiB a Linux socket buffers. */
export const READ_BUFFER_BYTES = 256 * KiB;
/** Reads up to this size are copied out of the read buffer: cheaper than a new buffer, and they pin little. */
export const SMALL_READ_BYTES = 16 * KiB;
/** Most read buffers that a thread keeps for reuse: 8 MiB, what two windows pin. */
export const READ_POOL_BUFFERS = 32;
/** What quiet sockets read into, all the same; as much as Node itself reads at once. */
export const SCRATCH_BYTES = 64 * KiB;
/** So many small reads in a row make a socket a quiet one; guess. */
export const SMALL_READS = 64;
/** What an in-memory pipe takes while nobody reads it; about what a socket of the system does. */
export const MEMORY_PIPE_BYTES = 208 * KiB;
/** Files that a scanner or indexer of Windows holds open are tried again for this long. */
export const FILE_RETRY_TIMEOUT = 1_000;
/** …at this interval. */
export const FILE_RETRY_INTERVAL = 20;
/** A private file this old belongs to a process that died before it could link or remove it. */
export const STRAY_FILE_AGE = 60_000;
/** Data of a message or batch from this size on goes through a file where that is possible; measured. */
export const SHORTEST_FILED_BYTES = 128 * KiB;
/** A peer has so many such files under way, twice what fits into a window: each takes a descriptor of its process, which needs some itself. */
export const MAX_MESSAGE_FILES = 64;
/** After a file could not be written, messages go through the host for so long. */
export const MESSAGE_FILE_PAUSE = 1_000;
/** A file this old whose publisher is not on the bus has been read by all, unless a member of a group still holds its message. */
export const STRAY_MESSAGE_AGE = 60_000;
/** …and how often a host looks for them. */
export const MESSAGE_SWEEP_INTERVAL = 60_000;

/** A message may hold this many byte strings of any length; each costs some 200 bytes of heap, however short. */
export const FREE_BYTE_STRINGS = 4_096;
/** …and beyond them one for so many of its bytes, so that decoding takes at most 80 times the frame. */
export const BYTES_PER_BYTE_STRING = 3;
/** Most bytes of a pointer file; it holds an endpoint's base name and a process id. */
export const MAX_POINTER_BYTES = 256;
/** Attempts to read or make the key; in each of them somebody succeeds, unless the folder is being changed. */
export const KEY_ROUNDS = 20;
/** Highest sequence or order that a JOIN may name; counting on from half of the exact range never leaves it. */
export const MAX_JOIN_COUNT = 2 ** 52;
/** Of the error that a handler threw an asker is told so much; guess, more is data and belongs there. */
export const MAX_ERROR_MESSAGE_BYTES = 64 * KiB;
/** …and so much of its `code`. */
export const MAX_RESPONDER_CODE_BYTES = 128;
/** Longest option `directory`; Linux's PATH_MAX, and far more than a socket path can have. */
export const MAX_DIRECTORY_BYTES = 4 * KiB;
/** The longest delay a timer of Node takes, and so the longest time-out; a longer one would fire at once. */
export const MAX_TIMEOUT = 0x7fff_ffff;

/** Free memory that a receiver keeps for the batches that it reads from files: four of them. */
export const SPARE_BATCH_BYTES = 2 * MiB + 64 * KiB;
/** Free memory that a publisher keeps for its next messages: two windows. */
export const SPARE_SLAB_BYTES = 2 * WINDOW_BYTES_MAX;
/** Free memory that a host keeps for frames that cross chunks: two windows of one busy publisher. */
export const SPARE_FRAME_BYTES = 2 * WINDOW_BYTES_MAX;

/** Things wrong with one message that an error of a contract lists. Origin: guess; a person reads the first few. */
export const CONTRACT_ISSUES = 16;

/** A new host waits at most this long for those who were on the bus; far more than a blocked event loop usually takes. */
export const GATE_TIMEOUT = 2_000;
/** How often it looks whether one of them has died meanwhile. */
export const GATE_LOOK_INTERVAL = 20;
/** …and so many times later than a look takes, if that is more. */
export const GATE_LOOK_SHARE = 20;
/** …and the first time: a process that was killed a moment ago is often still ending. */
export const GATE_FIRST_LOOK = 1;
/** Longest roster that is read: some 60,000 peers, more than a process has descriptors for links. */
export const MAX_ROSTER_BYTES = 4 * MiB;
/** A roster of few peers is not written anew before it has so many lines beyond twice their number; guess. */
export const ROSTER_SPARE_LINES = 64;
/** Longest name of a pid namespace; Linux's are texts of some 16 characters. */
export const MAX_PID_NAMESPACE_BYTES = 64;
/**
 * Who was not awake for so long may have been counted as stalled, by clocks that do not agree: three quarters of the time
 * after which a host does that.
 */
export const SLOW_READING_TIMEOUT = 0.75 * PEER_STALL_TIMEOUT;

/** Longest `ttl`: the wire has 32 bits for it, 49 days. */
export const MAX_TTL = 0xffff_ffff;
/** Most last values that a host keeps, and their bytes; guess, a store of settings and states and no data base. */
export const MAX_RETAINED_VALUES = 4_096;
export const MAX_RETAINED_BYTES = 64 * MiB;
/** The file of retained values is written anew when it is twice as long as they are, and longer than this. */
export const RETAINED_FILE_SLACK_BYTES = 4 * MiB;
/** So a longer file is not a host's. */
export const MAX_RETAINED_FILE_BYTES = 2 * MAX_RETAINED_BYTES + RETAINED_FILE_SLACK_BYTES;
/** New objects that a host's thread may have before they are looked through, MiB; with 8 a peer costs half as much again. */
export const HOST_YOUNG_GENERATION_MB = 6;
/** A standby starts its host thread so long after it was named: a bus that lasts a moment only never needs it. */
export const WARM_THREAD_DELAY = 1_000;
/** Who is not the standby leaves it so much time to take over: its thread stands within 10 ms. */
export const STANDBY_GRACE_MIN = 30;
export const STANDBY_GRACE_MAX = 60;
/** …and so many times that while waiting itself takes longer than it should. */
export const STANDBY_GRACES = 8;
/** One process at a time starts a cold thread to stand, which takes some 70 ms. If it died, others wait only this long. */
export const CANDIDATE_GRACE_MIN = 200;
/** …and up to twice as much again, so that they do not all lose patience together. */
export const CANDIDATE_GRACE_MAX = 400;
/** …and so many times that while it lives: a machine on which a crowd starts is slow. */
export const LIVING_CANDIDATE = 5;
/** Silence after which the standby asks its host, which should have asked before: the host wakes for all its peers at once. */
export const STANDBY_PING_DELAY = 3_500;
/**
 * …and after which every other peer does. Each look wakes a process, and this one finds two heartbeats instead of one;
 * it is in time to take over as soon as a hung host may be replaced.
 */
export const PEER_PING_DELAY = 6_500;
/** A host that has not answered after this long is gone. */
export const PONG_TIMEOUT = 500;
/** How often a host touches its pointer, for cleaners that go by age. Whoever watches the folder wakes each time. */
export const POINTER_TOUCH_INTERVAL = 600_000;

/** Most names that one peer owns or waits for; guess, a peer with more should claim something coarser. */
export const MAX_CLAIMS_PER_PEER = 4_096;
/** An owner that is away keeps its claims for this long in the host… */
export const CLAIM_GRACE = 30_000;
/** …and gives them up by itself before that: the difference is what two clocks and a late timer may be apart. */
export const CLAIM_OWNER_GRACE = 25_000;
/** Whether the process of an absent owner has ended is looked at after this time, then twice that, and so on… */
export const CLAIM_FIRST_LOOK = 5;
/** …up to this, so that the next in line never waits longer for a death to be seen. */
export const CLAIM_LOOK_INTERVAL = 50;
/** Largest will, bytes of its frame; guess: every host keeps one per peer for as long as it is on the bus. */
export const MAX_WILL_BYTES = 64 * KiB;
/** What may wait in the host for one tap; guess, a few hundred milliseconds of a busy bus. */
export const TAP_QUEUE_BYTES = 8 * MiB;

/** A reply of a stream costs one more credit for each so many bytes of its frame: 64 credits are 4 MiB, as a window. */
export const STREAM_CREDIT_BYTES = 64 * KiB;

/** An attempt to reach a host that takes longer ends when the host is replaced; on a busy machine few do. */
export const SLOW_ATTEMPT = 100;
/** A new host that does not know who was on the bus waits at most this long: a deleted folder is to be healed within 2 s. */
export const BLIND_GATE_TIMEOUT = 1_000;
/** A host that cannot read its folder serves on for so long: less than HUNG_HOST_TIMEOUT, after which others may replace it. */
export const BLIND_REIGN_TIMEOUT = 3_300;

/** An attempt that ends so much too late was made by a process that hardly gets its turn; timers are punctual to some 10 ms. */
export const LATE_ATTEMPT = 100;
/** So many of them are forgiven a host: with two seconds each, about twice what it is given otherwise. */
export const MAX_LATE_ATTEMPTS = 4;
