//! What may grow, and how far.

use super::{Carry, OptionSpec, PLAIN, Takes};

pub(super) const OPTIONS: &[OptionSpec] = &[
    OptionSpec {
        name: "global_max_connections",
        takes: Takes::Int {
            min: i32::MIN as i64,
            max: i32::MAX as i64,
            words: "a number of clients; 0 or less for no limit",
        },
        default: "-1",
        means: "Connected clients, all listeners together.",
        carry: Carry::Int(|draft| &mut draft.global.max_connections),
        ..PLAIN
    },
    OptionSpec {
        name: "global_max_clients",
        takes: Takes::Int {
            min: i32::MIN as i64,
            max: i32::MAX as i64,
            words: "a number of sessions; 0 or less for no limit",
        },
        default: "-1",
        means: "Sessions, their clients connected or not; one more is refused.",
        carry: Carry::Int(|draft| &mut draft.global.max_clients),
        ..PLAIN
    },
    OptionSpec {
        name: "max_inflight_messages",
        out_of_bounds: Some("'max_inflight_messages' must be <= 65535."),
        takes: Takes::Int { min: i32::MIN as i64, max: 65_535, words: "0 to 65535; 0 for no limit" },
        default: "20",
        means: "QoS 1 and 2 messages under way to one client at a time.",
        carry: Carry::Int(|draft| &mut draft.global.max_inflight_messages),
        ..PLAIN
    },
    OptionSpec {
        name: "max_inflight_bytes",
        takes: Takes::Int { min: i32::MIN as i64, max: i32::MAX as i64, words: "a number of bytes; 0 for no limit" },
        default: "0",
        means: "Bytes of payload under way to one client at a time; the message that reaches it may go past it.",
        carry: Carry::Int(|draft| &mut draft.global.max_inflight_bytes),
        ..PLAIN
    },
    OptionSpec {
        name: "max_queued_messages",
        takes: Takes::Int { min: i32::MIN as i64, max: i32::MAX as i64, words: "a number of messages; 0 for no limit" },
        default: "1000",
        means: "Messages that wait for one client beyond those under way.",
        carry: Carry::Int(|draft| &mut draft.global.max_queued_messages),
        ..PLAIN
    },
    OptionSpec {
        name: "max_queued_bytes",
        takes: Takes::Int { min: i32::MIN as i64, max: i32::MAX as i64, words: "a number of bytes; 0 for no limit" },
        default: "0",
        means: "Bytes that wait for one client beyond those under way.",
        carry: Carry::Int(|draft| &mut draft.global.max_queued_bytes),
        ..PLAIN
    },
    OptionSpec {
        name: "max_keepalive",
        takes: Takes::Int { min: 0, max: 65_535, words: "0 to 65535 seconds; 0 for no limit" },
        default: "0",
        means: "The longest keep-alive a client may have; MQTT 5.0 clients are told, others are refused.",
        carry: Carry::Int(|draft| &mut draft.global.max_keepalive),
        ..PLAIN
    },
    OptionSpec {
        name: "max_packet_size",
        out_of_bounds: Some("'max_packet_size' must be >= 20."),
        takes: Takes::Int { min: 20, max: i32::MAX as i64, words: "20 bytes or more" },
        default: "2000000",
        means: "The largest packet that is taken from a client.",
        carry: Carry::Int(|draft| &mut draft.global.max_packet_size),
        ..PLAIN
    },
    OptionSpec {
        name: "message_size_limit",
        note: Some("Note: It is recommended to replace `message_size_limit` with `max_packet_size`."),
        takes: Takes::Int { min: 0, max: 268_435_455, words: "0 to 268435455 bytes; 0 for no limit" },
        default: "0",
        means: "The largest payload; a larger message is acknowledged and dropped.",
        carry: Carry::Int(|draft| &mut draft.global.message_size_limit),
        ..PLAIN
    },
    OptionSpec {
        name: "memory_limit",
        takes: Takes::Int { min: 0, max: i64::MAX, words: "a number of bytes; 0 for no limit" },
        default: "none",
        means: "While more memory is in use, what would take more for longer is refused (docs/overload.md).",
        carry: Carry::Int(|draft| &mut draft.global.memory_limit),
        ..PLAIN
    },
    OptionSpec {
        name: "packet_buffer_size",
        aliases: &["websockets_headers_size"],
        out_of_bounds: Some("Packet buffer size must be between 0 and 65535 inclusive."),
        takes: Takes::Int { min: 0, max: 65_535, words: "0 to 65535 bytes" },
        default: "4096",
        means: "The longest request by which a client may begin to speak WebSocket.",
        carry: Carry::Int(|draft| &mut draft.global.packet_buffer_size),
        ..PLAIN
    },
];
