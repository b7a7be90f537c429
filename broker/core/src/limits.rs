//! Every limit of the core that no option of mosquitto sets, with its reason.
//!
//! What options set (`max_queued_messages` and its like) is in [`crate::Settings`]. The memory of a connection in
//! the worst case is the sum of what stands here, what the options allow, and the edge's read buffer
//! (one unfinished packet, at most `max_packet_size`).

use std::time::Duration;

/// Bytes that may wait in front of one socket before QoS 0 messages for it are dropped and QoS 1 and 2 messages stay
/// in the session's queue. One slow subscriber may hold this much, however fast the publishers are.
pub const BACKLOG_BYTES_MAX: usize = 1 << 20;

/// Topics whose subscribers are remembered. Publishers repeat their topics; one who never does
/// must not make the cache grow without end. Past this it is emptied and fills again.
pub const ROUTES_MAX: usize = 16_384;

/// Bytes of the topics whose subscribers are remembered: they may be 64 KiB long each, which would be 1 GiB.
/// Twice this is held (the topic, and the key by which it is found).
pub const ROUTED_TOPIC_BYTES_MAX: usize = 8 << 20;

/// Subscribers remembered for all topics together (16 bytes each): without it, memory would be as large as the number
/// of topics times the number of clients that subscribe to `#`.
pub const ROUTED_SUBSCRIBERS_MAX: usize = 1 << 20;

/// Levels in a topic name or filter that the broker goes into: as mosquitto's, which stops at 200 separators.
/// Trees are walked and dropped a call per level.
pub const TOPIC_LEVELS_MAX: usize = 201;

/// Retained messages that may wait for one subscriber who asked for them faster than she reads.
/// Each is a reference to the stored message (about 40 bytes).
pub const RETAINED_QUEUED_MAX: usize = 1_000_000;

/// How long a connection may take from its first byte to a complete CONNECT, and to be let in.
pub const LOGIN_TIME_MAX: Duration = Duration::from_secs(20);

/// Length of a Client Identifier in bytes: what a UTF-8 string of MQTT can carry.
pub const CLIENT_ID_BYTES_MAX: usize = 65_535;

/// Topic aliases that a client of 5.0 may use towards us, told in CONNACK; mosquitto's `max_topic_alias`.
pub const TOPIC_ALIASES_MAX: u16 = 10;
