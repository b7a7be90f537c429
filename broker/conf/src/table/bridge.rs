//! Bridges to other brokers, which come later.

use super::{OptionSpec, PLAIN, Scope, Takes};

pub(super) const OPTIONS: &[OptionSpec] = &[
    OptionSpec {
        name: "connection",
        takes: Takes::Form("a name"),
        default: "none",
        repeatable: true,
        means: "Starts a bridge to another broker; the options below it speak of this bridge.",
        ..PLAIN
    },
    OptionSpec {
        name: "address",
        aliases: &["addresses"],
        scope: Scope::Bridge,
        takes: Takes::Form("host or host:port, several with blanks between"),
        default: "none",
        means: "The broker to connect to, and others to try.",
        ..PLAIN
    },
    OptionSpec {
        name: "bridge_attempt_unsubscribe",
        scope: Scope::Bridge,
        takes: Takes::Bool,
        default: "true",
        means: "Unsubscribe at the start from topics that only go out.",
        ..PLAIN
    },
    OptionSpec {
        name: "bridge_bind_address",
        scope: Scope::Bridge,
        default: "any",
        means: "The local address to connect from.",
        ..PLAIN
    },
    OptionSpec {
        name: "bridge_max_packet_size",
        scope: Scope::Bridge,
        takes: Takes::Int { min: i32::MIN as i64, max: i32::MAX as i64, words: "a number of bytes; 0 for no limit" },
        default: "0",
        means: "The largest packet sent to the other broker.",
        ..PLAIN
    },
    OptionSpec {
        name: "bridge_max_topic_alias",
        scope: Scope::Bridge,
        takes: Takes::Int { min: 0, max: 65_535, words: "0 to 65535" },
        default: "10",
        means: "Topic aliases that the other broker may use.",
        ..PLAIN
    },
    OptionSpec {
        name: "bridge_outgoing_retain",
        scope: Scope::Bridge,
        takes: Takes::Bool,
        default: "true",
        means: "Whether messages sent to the other broker may stay retained.",
        ..PLAIN
    },
    OptionSpec {
        name: "bridge_protocol_version",
        scope: Scope::Bridge,
        takes: Takes::Form("mqttv31, mqttv311 or mqttv50"),
        default: "mqttv311",
        means: "The version of MQTT to speak.",
        ..PLAIN
    },
    OptionSpec {
        name: "bridge_receive_maximum",
        scope: Scope::Bridge,
        takes: Takes::Int { min: 1, max: 65_535, words: "1 to 65535" },
        default: "max_inflight_messages",
        means: "Messages under way to us at a time.",
        ..PLAIN
    },
    OptionSpec {
        name: "bridge_reload_type",
        scope: Scope::Bridge,
        takes: Takes::Form("lazy or immediate"),
        default: "lazy",
        means: "When a reload takes effect.",
        ..PLAIN
    },
    OptionSpec {
        name: "bridge_session_expiry_interval",
        scope: Scope::Bridge,
        takes: Takes::Int { min: i32::MIN as i64, max: i32::MAX as i64, words: "a number of seconds" },
        default: "0",
        means: "How long the other broker keeps the session.",
        ..PLAIN
    },
    OptionSpec {
        name: "bridge_tcp_keepalive",
        scope: Scope::Bridge,
        takes: Takes::Form("idle time, interval and count"),
        default: "off",
        means: "TCP's own keep-alive.",
        ..PLAIN
    },
    OptionSpec {
        name: "bridge_tcp_user_timeout",
        scope: Scope::Bridge,
        takes: Takes::Int { min: i32::MIN as i64, max: i32::MAX as i64, words: "a number of milliseconds" },
        default: "the system's",
        means: "How long sent bytes may stay without an answer.",
        ..PLAIN
    },
    OptionSpec {
        name: "cleansession",
        scope: Scope::Bridge,
        takes: Takes::Bool,
        default: "false",
        means: "Whether the other broker forgets the session when the connection ends.",
        ..PLAIN
    },
    OptionSpec {
        name: "local_cleansession",
        scope: Scope::Bridge,
        takes: Takes::Bool,
        default: "cleansession",
        means: "The same on this side.",
        ..PLAIN
    },
    OptionSpec {
        name: "remote_clientid",
        aliases: &["clientid"],
        scope: Scope::Bridge,
        default: "hostname.name",
        means: "The Client Identifier at the other broker.",
        ..PLAIN
    },
    OptionSpec {
        name: "local_clientid",
        scope: Scope::Bridge,
        default: "local. and remote_clientid",
        means: "The Client Identifier on this side.",
        ..PLAIN
    },
    OptionSpec {
        name: "local_username",
        scope: Scope::Bridge,
        default: "none",
        means: "The user name that the bridge has in the ACL of this side.",
        ..PLAIN
    },
    OptionSpec { name: "local_password", scope: Scope::Bridge, default: "none", means: "Its password.", ..PLAIN },
    OptionSpec {
        name: "remote_username",
        aliases: &["username"],
        scope: Scope::Bridge,
        default: "none",
        means: "The user name at the other broker.",
        ..PLAIN
    },
    OptionSpec {
        name: "remote_password",
        aliases: &["password"],
        scope: Scope::Bridge,
        default: "none",
        means: "Its password.",
        ..PLAIN
    },
    OptionSpec {
        name: "idle_timeout",
        scope: Scope::Bridge,
        takes: Takes::Int { min: 1, max: i32::MAX as i64, words: "1 second or more" },
        default: "60",
        means: "How long a lazy bridge stays without work.",
        ..PLAIN
    },
    OptionSpec {
        name: "keepalive_interval",
        scope: Scope::Bridge,
        takes: Takes::Int { min: 5, max: i32::MAX as i64, words: "5 seconds or more" },
        default: "60",
        means: "The keep-alive towards the other broker.",
        ..PLAIN
    },
    OptionSpec {
        name: "notifications",
        scope: Scope::Bridge,
        takes: Takes::Bool,
        default: "true",
        means: "Publish whether the bridge is connected.",
        ..PLAIN
    },
    OptionSpec {
        name: "notifications_local_only",
        scope: Scope::Bridge,
        takes: Takes::Bool,
        default: "false",
        means: "Publish that on this side only.",
        ..PLAIN
    },
    OptionSpec {
        name: "notification_topic",
        scope: Scope::Bridge,
        default: "$SYS/broker/connection/<remote_clientid>/state",
        means: "Where it is published.",
        ..PLAIN
    },
    OptionSpec {
        name: "restart_timeout",
        scope: Scope::Bridge,
        takes: Takes::Form("seconds, or a least and a greatest number of them, and stable"),
        default: "5 30",
        means: "How long to wait before the next try.",
        ..PLAIN
    },
    OptionSpec {
        name: "round_robin",
        scope: Scope::Bridge,
        takes: Takes::Bool,
        default: "false",
        means: "Stay with an address that works instead of going back to the first.",
        ..PLAIN
    },
    OptionSpec {
        name: "start_type",
        scope: Scope::Bridge,
        takes: Takes::Form("automatic, lazy or once"),
        default: "automatic",
        means: "When the bridge connects.",
        ..PLAIN
    },
    OptionSpec {
        name: "threshold",
        scope: Scope::Bridge,
        takes: Takes::Int { min: 1, max: i32::MAX as i64, words: "1 message or more" },
        default: "10",
        means: "How many waiting messages start a lazy bridge.",
        ..PLAIN
    },
    OptionSpec {
        name: "topic",
        scope: Scope::Bridge,
        takes: Takes::Form("a filter, and optionally out, in or both, a QoS and two prefixes"),
        default: "none",
        repeatable: true,
        means: "What is passed on, which way.",
        ..PLAIN
    },
    OptionSpec {
        name: "try_private",
        scope: Scope::Bridge,
        takes: Takes::Bool,
        default: "true",
        means: "Tell the other broker that this is a bridge.",
        ..PLAIN
    },
    OptionSpec {
        name: "bridge_alpn",
        scope: Scope::Bridge,
        default: "none",
        means: "The name of the protocol within TLS.",
        ..PLAIN
    },
    OptionSpec {
        name: "bridge_cafile",
        scope: Scope::Bridge,
        takes: Takes::Path,
        default: "none",
        means: "Roots that the other broker's certificate must lead to.",
        ..PLAIN
    },
    OptionSpec {
        name: "bridge_capath",
        scope: Scope::Bridge,
        takes: Takes::Path,
        default: "none",
        means: "The same as a folder.",
        ..PLAIN
    },
    OptionSpec {
        name: "bridge_certfile",
        scope: Scope::Bridge,
        takes: Takes::Path,
        default: "none",
        means: "The certificate shown to the other broker.",
        ..PLAIN
    },
    OptionSpec {
        name: "bridge_keyfile",
        scope: Scope::Bridge,
        takes: Takes::Path,
        default: "none",
        means: "Its private key.",
        ..PLAIN
    },
    OptionSpec {
        name: "bridge_tls_use_os_certs",
        scope: Scope::Bridge,
        takes: Takes::Bool,
        default: "false",
        means: "Trust the roots of this system.",
        ..PLAIN
    },
    OptionSpec {
        name: "bridge_insecure",
        scope: Scope::Bridge,
        takes: Takes::Bool,
        default: "false",
        means: "Do not compare the other broker's name with its certificate.",
        ..PLAIN
    },
    OptionSpec {
        name: "bridge_require_ocsp",
        scope: Scope::Bridge,
        takes: Takes::Bool,
        default: "false",
        means: "Ask whether that certificate was revoked.",
        ..PLAIN
    },
    OptionSpec {
        name: "bridge_tls_version",
        scope: Scope::Bridge,
        takes: Takes::Form("tlsv1.2 or tlsv1.3"),
        default: "tlsv1.2",
        means: "The version of TLS.",
        ..PLAIN
    },
    OptionSpec {
        name: "bridge_ciphers",
        scope: Scope::Bridge,
        default: "the defaults of OpenSSL",
        means: "Cipher suites up to TLS 1.2.",
        ..PLAIN
    },
    OptionSpec {
        name: "bridge_ciphers_tls1.3",
        scope: Scope::Bridge,
        default: "the defaults of OpenSSL",
        means: "Cipher suites of TLS 1.3.",
        ..PLAIN
    },
    OptionSpec {
        name: "bridge_identity",
        scope: Scope::Bridge,
        default: "none",
        means: "The PSK identity shown to the other broker.",
        ..PLAIN
    },
    OptionSpec {
        name: "bridge_psk",
        scope: Scope::Bridge,
        default: "none",
        means: "The pre-shared key, hexadecimal.",
        ..PLAIN
    },
];
