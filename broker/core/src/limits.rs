//! Every limit of the core that no option of mosquitto sets, with its reason.
//!
//! What options set (`max_queued_messages` and its like) is in [`crate::Settings`]. The memory of a connection in
//! the worst case is the sum of what stands here, what the options allow, and the edge's read buffer
//! (one unfinished packet, at most `max_packet_size`).

use std::time::Duration;

/// Bytes that may wait in front of one socket before QoS 0 messages for it are dropped and QoS 1 and 2 messages stay
/// in the session's queue. One slow subscriber may hold this much, however fast the publishers are.
pub const BACKLOG_BYTES_MAX: usize = 1 << 20;

/// Bytes that may wait in front of all sockets together, where the edge sets nothing else (the appliance sets an eighth of
/// the machine's memory): a thousand clients that do not read must not add up to the machine. Nobody waits for this to be
/// reached: one socket has [`BACKLOG_BYTES_MAX`] or a sixteenth of what is still free, whichever is less, so the more
/// there are who do not read, the less each of them holds, and there is always room for one who does.
pub const BACKLOGS_BYTES_MAX: usize = 1 << 30;

/// See [`BACKLOGS_BYTES_MAX`].
pub(crate) const BACKLOG_SHARE: usize = 16;

/// Topics whose subscribers are remembered. Publishers repeat their topics; one who never does
/// must not make the cache grow without end. Past this it is emptied and fills again.
pub const ROUTES_MAX: usize = 16_384;

/// Bytes of the topics whose subscribers are remembered: they may be 64 KiB long each, which would be 1 GiB.
/// Twice this is held (the topic, and the key by which it is found).
pub const ROUTED_TOPIC_BYTES_MAX: usize = 8 << 20;

/// Subscribers remembered for all topics together (12 bytes each): without it, memory would be as large as the number
/// of topics times the number of clients that subscribe to `#`.
pub const ROUTED_SUBSCRIBERS_MAX: usize = 1 << 20;

/// Levels in a topic name or filter that the broker goes into: as mosquitto's, which stops at 200 separators.
/// Trees are walked and dropped a call per level.
pub const TOPIC_LEVELS_MAX: usize = 201;

/// Retained messages that may wait for one subscriber who asked for them faster than she reads.
/// Each is a reference to the stored message (64 bytes).
pub const RETAINED_QUEUED_MAX: usize = 1_000_000;

/// Memory that the retained messages of all topics may take, as [`KEPT_TOPIC_BYTES`] reckons it, where the edge sets
/// nothing else (the appliance sets a quarter of the machine's memory). mosquitto has no such limit: it is there so
/// that publishing to ever new topics is refused in the end, and does not fill the machine.
pub const RETAINED_BYTES_MAX: usize = 1 << 30;

/// Memory that the subscriptions of one session may take, as [`KEPT_TOPIC_BYTES`] reckons it: some 100,000 of
/// the usual length.
pub const SUBSCRIBED_BYTES_PER_SESSION_MAX: usize = 64 << 20;

/// What a topic or filter costs in a tree beside its text, which is there twice: this much, and
/// [`KEPT_LEVEL_BYTES`] for each of its levels.
pub const KEPT_TOPIC_BYTES: usize = 150;

/// See [`KEPT_TOPIC_BYTES`]: a node of its own where it has no neighbours.
pub const KEPT_LEVEL_BYTES: usize = 150;

/// Memory that a topic or filter takes in a tree, reckoned from above.
pub(crate) fn tree_bytes(topic: &str) -> usize {
    KEPT_TOPIC_BYTES + 2 * topic.len() + KEPT_LEVEL_BYTES * (1 + topic.bytes().filter(|byte| *byte == b'/').count())
}

/// Memory that the QoS 2 messages of one session may take that its client has sent and not released, reckoned like
/// retained ones. One more is refused with 0x97; before 5.0 the connection is closed.
pub const UNRELEASED_BYTES_MAX: usize = 64 << 20;

/// How long a connection may take from its first byte to a complete CONNECT, and to be let in.
pub const LOGIN_TIME_MAX: Duration = Duration::from_secs(20);

/// Authentication Data of one packet from a client, in bytes. A message of SCRAM is a user name and two nonces, a hundred
/// bytes or two; strangers keep this much twice in the exchanges that they leave open.
pub const AUTHENTICATION_DATA_BYTES_MAX: usize = 1_024;

/// Packets from a client in one exchange of enhanced authentication. SCRAM needs two, and a third where CONNECT came
/// without data; methods with tickets need some more.
pub const AUTHENTICATION_STEPS_MAX: u8 = 8;

/// Length of a Client Identifier in bytes: what a UTF-8 string of MQTT can carry.
pub const CLIENT_ID_BYTES_MAX: usize = 65_535;

/// Topic aliases that a client of 5.0 may use towards us, told in CONNACK; mosquitto's `max_topic_alias`.
pub const TOPIC_ALIASES_MAX: u16 = 10;

/// Commands in one message to `$CONTROL/broker/v1`: the rest is not looked at. Each answer tells of every listener, and
/// mosquitto's own program asks one thing at a time.
pub const CONTROL_COMMANDS_MAX: usize = 100;
