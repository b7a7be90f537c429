//! Bridges to other brokers, which come later: their lines are read and checked whole already now. How each is read
//! is in `bridge.rs` of this crate; nothing here connects to anything.

use super::{Carry, OptionSpec, PLAIN, Scope, Takes};
use crate::bridge::{
    address, certificate_text, connection, idle_timeout, insecure, keepalive, protocol_version, psk_text,
    receive_maximum, reload_type, restart_timeout, start_type, tcp_keepalive, threshold, tls_version, topic,
};

pub(super) const OPTIONS: &[OptionSpec] = &[
    OptionSpec {
        name: "connection",
        takes: Takes::Form("a name"),
        default: "none",
        repeatable: true,
        means: "Starts a bridge to another broker; the options below it speak of this bridge.",
        carry: Carry::Own(connection),
        later: true,
        ..PLAIN
    },
    OptionSpec {
        name: "address",
        aliases: &["addresses"],
        scope: Scope::Bridge,
        takes: Takes::Form("host or host:port, several with blanks between"),
        default: "none",
        means: "The broker to connect to, and others to try.",
        carry: Carry::Own(address),
        later: true,
        ..PLAIN
    },
    OptionSpec {
        name: "bridge_attempt_unsubscribe",
        scope: Scope::Bridge,
        takes: Takes::Bool,
        default: "true",
        means: "Unsubscribe at the start from topics that only go out.",
        carry: Carry::Bool(|draft| &mut draft.bridge().attempt_unsubscribe),
        later: true,
        ..PLAIN
    },
    OptionSpec {
        name: "bridge_bind_address",
        scope: Scope::Bridge,
        default: "any",
        means: "The local address to connect from.",
        carry: Carry::Text(|draft| &mut draft.bridge().bind_address),
        later: true,
        ..PLAIN
    },
    OptionSpec {
        name: "bridge_max_packet_size",
        scope: Scope::Bridge,
        takes: Takes::Int { min: i32::MIN as i64, max: i32::MAX as i64, words: "a number of bytes; 0 for no limit" },
        default: "0",
        means: "The largest packet sent to the other broker.",
        carry: Carry::Int(|draft| &mut draft.bridge().max_packet_size),
        later: true,
        ..PLAIN
    },
    OptionSpec {
        name: "bridge_max_topic_alias",
        scope: Scope::Bridge,
        takes: Takes::Int { min: 0, max: 65_535, words: "0 to 65535" },
        default: "10",
        means: "Topic aliases that the other broker may use.",
        out_of_bounds: Some("bridge_max_topic_alias must be > 0 and <= 65535."),
        carry: Carry::Int(|draft| &mut draft.bridge().max_topic_alias),
        later: true,
        ..PLAIN
    },
    OptionSpec {
        name: "bridge_outgoing_retain",
        scope: Scope::Bridge,
        takes: Takes::Bool,
        default: "true",
        means: "Whether messages sent to the other broker may stay retained.",
        carry: Carry::Bool(|draft| &mut draft.bridge().outgoing_retain),
        later: true,
        ..PLAIN
    },
    OptionSpec {
        name: "bridge_protocol_version",
        scope: Scope::Bridge,
        takes: Takes::Form("mqttv31, mqttv311 or mqttv50"),
        default: "mqttv311",
        means: "The version of MQTT to speak.",
        carry: Carry::Own(protocol_version),
        later: true,
        ..PLAIN
    },
    OptionSpec {
        name: "bridge_receive_maximum",
        scope: Scope::Bridge,
        takes: Takes::Int { min: 1, max: 65_535, words: "1 to 65535" },
        default: "max_inflight_messages",
        means: "Messages under way to us at a time.",
        carry: Carry::Own(receive_maximum),
        later: true,
        ..PLAIN
    },
    OptionSpec {
        name: "bridge_reload_type",
        scope: Scope::Bridge,
        takes: Takes::Form("lazy or immediate"),
        default: "lazy",
        means: "When a reload takes effect.",
        carry: Carry::Own(reload_type),
        later: true,
        ..PLAIN
    },
    OptionSpec {
        name: "bridge_session_expiry_interval",
        scope: Scope::Bridge,
        takes: Takes::Int { min: 0, max: i32::MAX as i64, words: "a number of seconds" },
        default: "0",
        means: "How long the other broker keeps the session.",
        out_of_bounds: Some("bridge_session_expiry_interval must not be negative."),
        carry: Carry::Int(|draft| &mut draft.bridge().session_expiry_interval),
        later: true,
        ..PLAIN
    },
    OptionSpec {
        name: "bridge_tcp_keepalive",
        scope: Scope::Bridge,
        takes: Takes::Form("idle time, interval and count"),
        default: "off",
        means: "TCP's own keep-alive.",
        carry: Carry::Own(tcp_keepalive),
        later: true,
        ..PLAIN
    },
    OptionSpec {
        name: "bridge_tcp_user_timeout",
        scope: Scope::Bridge,
        takes: Takes::Int { min: 0, max: i32::MAX as i64, words: "a number of milliseconds" },
        default: "the system's",
        means: "How long sent bytes may stay without an answer.",
        out_of_bounds: Some("invalid TCP user timeout value."),
        carry: Carry::Int(|draft| &mut draft.bridge().tcp_user_timeout),
        later: true,
        ..PLAIN
    },
    OptionSpec {
        name: "cleansession",
        scope: Scope::Bridge,
        takes: Takes::Bool,
        default: "false",
        means: "Whether the other broker forgets the session when the connection ends.",
        carry: Carry::Bool(|draft| &mut draft.bridge().cleansession),
        later: true,
        ..PLAIN
    },
    OptionSpec {
        name: "local_cleansession",
        scope: Scope::Bridge,
        takes: Takes::Bool,
        default: "cleansession",
        means: "The same on this side.",
        carry: Carry::Bool(|draft| &mut draft.bridge().local_cleansession),
        later: true,
        ..PLAIN
    },
    OptionSpec {
        name: "remote_clientid",
        aliases: &["clientid"],
        scope: Scope::Bridge,
        default: "hostname.name",
        means: "The Client Identifier at the other broker.",
        said: Some("bridge remote clientid"),
        carry: Carry::Text(|draft| &mut draft.bridge().remote_clientid),
        later: true,
        ..PLAIN
    },
    OptionSpec {
        name: "local_clientid",
        scope: Scope::Bridge,
        default: "local. and remote_clientid",
        means: "The Client Identifier on this side.",
        said: Some("bridge local clientd"),
        carry: Carry::Text(|draft| &mut draft.bridge().local_clientid),
        later: true,
        ..PLAIN
    },
    OptionSpec {
        name: "local_username",
        scope: Scope::Bridge,
        default: "none",
        means: "The user name that the bridge has in the ACL of this side.",
        said: Some("bridge local_username"),
        carry: Carry::Text(|draft| &mut draft.bridge().local_username),
        later: true,
        ..PLAIN
    },
    OptionSpec {
        name: "local_password",
        scope: Scope::Bridge,
        default: "none",
        means: "Its password.",
        said: Some("bridge local_password"),
        carry: Carry::Text(|draft| &mut draft.bridge().local_password),
        later: true,
        ..PLAIN
    },
    OptionSpec {
        name: "remote_username",
        aliases: &["username"],
        scope: Scope::Bridge,
        default: "none",
        means: "The user name at the other broker.",
        said: Some("bridge remote_username"),
        carry: Carry::Text(|draft| &mut draft.bridge().remote_username),
        later: true,
        ..PLAIN
    },
    OptionSpec {
        name: "remote_password",
        aliases: &["password"],
        scope: Scope::Bridge,
        default: "none",
        means: "Its password.",
        said: Some("bridge remote_password"),
        carry: Carry::Text(|draft| &mut draft.bridge().remote_password),
        later: true,
        ..PLAIN
    },
    OptionSpec {
        name: "idle_timeout",
        scope: Scope::Bridge,
        takes: Takes::Int { min: i32::MIN as i64, max: i32::MAX as i64, words: "1 second or more" },
        default: "60",
        means: "How long a lazy bridge stays without work.",
        carry: Carry::Own(idle_timeout),
        later: true,
        ..PLAIN
    },
    OptionSpec {
        name: "keepalive_interval",
        scope: Scope::Bridge,
        takes: Takes::Int { min: i32::MIN as i64, max: 65_535, words: "5 to 65535 seconds" },
        default: "60",
        means: "The keep-alive towards the other broker.",
        out_of_bounds: Some("Bridge keepalive value too high."),
        carry: Carry::Own(keepalive),
        later: true,
        ..PLAIN
    },
    OptionSpec {
        name: "notifications",
        scope: Scope::Bridge,
        takes: Takes::Bool,
        default: "true",
        means: "Publish whether the bridge is connected.",
        carry: Carry::Bool(|draft| &mut draft.bridge().notifications),
        later: true,
        ..PLAIN
    },
    OptionSpec {
        name: "notifications_local_only",
        scope: Scope::Bridge,
        takes: Takes::Bool,
        default: "false",
        means: "Publish that on this side only.",
        carry: Carry::Bool(|draft| &mut draft.bridge().notifications_local_only),
        later: true,
        ..PLAIN
    },
    OptionSpec {
        name: "notification_topic",
        scope: Scope::Bridge,
        default: "$SYS/broker/connection/<remote_clientid>/state",
        means: "Where it is published.",
        carry: Carry::Text(|draft| &mut draft.bridge().notification_topic),
        later: true,
        ..PLAIN
    },
    OptionSpec {
        name: "restart_timeout",
        scope: Scope::Bridge,
        takes: Takes::Form("seconds, or a least and a greatest number of them, and stable"),
        default: "5 30",
        means: "How long to wait before the next try.",
        carry: Carry::Own(restart_timeout),
        later: true,
        ..PLAIN
    },
    OptionSpec {
        name: "round_robin",
        scope: Scope::Bridge,
        takes: Takes::Bool,
        default: "false",
        means: "Stay with an address that works instead of going back to the first.",
        carry: Carry::Bool(|draft| &mut draft.bridge().round_robin),
        later: true,
        ..PLAIN
    },
    OptionSpec {
        name: "start_type",
        scope: Scope::Bridge,
        takes: Takes::Form("automatic, lazy or once"),
        default: "automatic",
        means: "When the bridge connects.",
        carry: Carry::Own(start_type),
        later: true,
        ..PLAIN
    },
    OptionSpec {
        name: "threshold",
        scope: Scope::Bridge,
        takes: Takes::Int { min: i32::MIN as i64, max: i32::MAX as i64, words: "1 message or more" },
        default: "10",
        means: "How many waiting messages start a lazy bridge.",
        carry: Carry::Own(threshold),
        later: true,
        ..PLAIN
    },
    OptionSpec {
        name: "topic",
        scope: Scope::Bridge,
        takes: Takes::Form("a filter, and optionally out, in or both, a QoS and two prefixes"),
        default: "none",
        repeatable: true,
        means: "What is passed on, which way.",
        carry: Carry::Own(topic),
        later: true,
        ..PLAIN
    },
    OptionSpec {
        name: "try_private",
        scope: Scope::Bridge,
        takes: Takes::Bool,
        default: "true",
        means: "Tell the other broker that this is a bridge.",
        carry: Carry::Bool(|draft| &mut draft.bridge().try_private),
        later: true,
        ..PLAIN
    },
    OptionSpec {
        name: "bridge_alpn",
        scope: Scope::Bridge,
        default: "none",
        means: "The name of the protocol within TLS.",
        carry: Carry::Text(|draft| &mut draft.bridge().alpn),
        later: true,
        ..PLAIN
    },
    OptionSpec {
        name: "bridge_cafile",
        scope: Scope::Bridge,
        takes: Takes::Path,
        default: "none",
        means: "Roots that the other broker's certificate must lead to.",
        carry: Carry::Own(certificate_text),
        later: true,
        ..PLAIN
    },
    OptionSpec {
        name: "bridge_capath",
        scope: Scope::Bridge,
        takes: Takes::Path,
        default: "none",
        means: "The same as a folder.",
        carry: Carry::Own(certificate_text),
        later: true,
        ..PLAIN
    },
    OptionSpec {
        name: "bridge_certfile",
        scope: Scope::Bridge,
        takes: Takes::Path,
        default: "none",
        means: "The certificate shown to the other broker.",
        carry: Carry::Own(certificate_text),
        later: true,
        ..PLAIN
    },
    OptionSpec {
        name: "bridge_keyfile",
        scope: Scope::Bridge,
        takes: Takes::Path,
        default: "none",
        means: "Its private key.",
        carry: Carry::Own(certificate_text),
        later: true,
        ..PLAIN
    },
    OptionSpec {
        name: "bridge_tls_use_os_certs",
        scope: Scope::Bridge,
        takes: Takes::Bool,
        default: "false",
        means: "Trust the roots of this system.",
        carry: Carry::Bool(|draft| &mut draft.bridge().tls_use_os_certs),
        later: true,
        ..PLAIN
    },
    OptionSpec {
        name: "bridge_insecure",
        scope: Scope::Bridge,
        takes: Takes::Bool,
        default: "false",
        means: "Do not compare the other broker's name with its certificate.",
        carry: Carry::Own(insecure),
        later: true,
        ..PLAIN
    },
    OptionSpec {
        name: "bridge_require_ocsp",
        scope: Scope::Bridge,
        takes: Takes::Bool,
        default: "false",
        means: "Ask whether that certificate was revoked.",
        carry: Carry::Bool(|draft| &mut draft.bridge().require_ocsp),
        later: true,
        ..PLAIN
    },
    OptionSpec {
        name: "bridge_tls_version",
        scope: Scope::Bridge,
        takes: Takes::Form("tlsv1.2 or tlsv1.3"),
        default: "tlsv1.2",
        means: "The version of TLS.",
        carry: Carry::Own(tls_version),
        later: true,
        ..PLAIN
    },
    OptionSpec {
        name: "bridge_ciphers",
        scope: Scope::Bridge,
        default: "the defaults of OpenSSL",
        means: "Cipher suites up to TLS 1.2.",
        carry: Carry::Text(|draft| &mut draft.bridge().ciphers),
        later: true,
        ..PLAIN
    },
    OptionSpec {
        name: "bridge_ciphers_tls1.3",
        scope: Scope::Bridge,
        default: "the defaults of OpenSSL",
        means: "Cipher suites of TLS 1.3.",
        carry: Carry::Text(|draft| &mut draft.bridge().ciphers_tls13),
        later: true,
        ..PLAIN
    },
    OptionSpec {
        name: "bridge_identity",
        scope: Scope::Bridge,
        default: "none",
        means: "The PSK identity shown to the other broker.",
        carry: Carry::Own(psk_text),
        later: true,
        ..PLAIN
    },
    OptionSpec {
        name: "bridge_psk",
        scope: Scope::Bridge,
        default: "none",
        means: "The pre-shared key, hexadecimal.",
        carry: Carry::Own(psk_text),
        later: true,
        ..PLAIN
    },
];
