//! Every option of mosquitto 2.1.2 has its row, and says whether it is carried out.

use broker_conf::{Status, find, manual, options};

/// Carried out. From the manual page mosquitto.conf(5) and `conf.c` of 2.1.2.
const CARRIED: &[&str] = &[
    "accept_protocol_versions",
    "acl_file",
    "allow_anonymous",
    "allow_duplicate_messages",
    "allow_zero_length_clientid",
    "auto_id_prefix",
    "autosave_interval",
    "autosave_on_changes",
    "bind_address",
    "bind_interface",
    "cafile",
    "capath",
    "certfile",
    "check_retain_source",
    "ciphers",
    "ciphers_tls1.3",
    "clientid_prefixes",
    "connection_messages",
    "crlfile",
    "disable_client_cert_date_checks",
    "enable_control_api",
    "enable_proxy_protocol",
    "global_max_clients",
    "global_max_connections",
    "http_dir",
    "include_dir",
    "keyfile",
    "listener",
    "listener_allow_anonymous",
    "listener_auto_id_prefix",
    "log_dest",
    "log_facility",
    "log_timestamp",
    "log_timestamp_format",
    "log_type",
    "max_connections",
    "max_inflight_bytes",
    "max_inflight_messages",
    "max_keepalive",
    "max_packet_size",
    "max_qos",
    "max_queued_bytes",
    "max_queued_messages",
    "max_topic_alias",
    "max_topic_alias_broker",
    "maximum_qos",
    "memory_limit",
    "message_size_limit",
    "mount_point",
    "packet_buffer_size",
    "password_file",
    "per_listener_settings",
    "persistence",
    "persistence_file",
    "persistence_location",
    "persistent_client_expiration",
    "pid_file",
    "port",
    "protocol",
    "proxy_protocol_v2_require_tls",
    "psk_file",
    "psk_hint",
    "queue_qos0_messages",
    "require_certificate",
    "retain_available",
    "retain_expiry_interval",
    "retained_persistence",
    "set_tcp_nodelay",
    "socket_domain",
    "sys_interval",
    "tls_version",
    "upgrade_outgoing_qos",
    "use_identity_as_username",
    "use_subject_as_username",
    "use_username_as_clientid",
    "user",
    "websockets_headers_size",
    "websockets_origin",
];

/// Accepted, and nothing is to be done about it.
const IGNORED: &[&str] = &["dhparamfile", "retry_interval", "websockets_log_level"];

/// Known and refused, unless the value is the default.
const NOT_YET: &[&str] = &[
    "address",
    "addresses",
    "auth_opt_*",
    "auth_plugin",
    "auth_plugin_deny_special_chars",
    "bridge_alpn",
    "bridge_attempt_unsubscribe",
    "bridge_bind_address",
    "bridge_cafile",
    "bridge_capath",
    "bridge_certfile",
    "bridge_ciphers",
    "bridge_ciphers_tls1.3",
    "bridge_identity",
    "bridge_insecure",
    "bridge_keyfile",
    "bridge_max_packet_size",
    "bridge_max_topic_alias",
    "bridge_outgoing_retain",
    "bridge_protocol_version",
    "bridge_psk",
    "bridge_receive_maximum",
    "bridge_reload_type",
    "bridge_require_ocsp",
    "bridge_session_expiry_interval",
    "bridge_tcp_keepalive",
    "bridge_tcp_user_timeout",
    "bridge_tls_use_os_certs",
    "bridge_tls_version",
    "cleansession",
    "clientid",
    "connection",
    "global_plugin",
    "idle_timeout",
    "keepalive_interval",
    "local_cleansession",
    "local_clientid",
    "local_password",
    "local_username",
    "notification_topic",
    "notifications",
    "notifications_local_only",
    "password",
    "plugin",
    "plugin_load",
    "plugin_opt_*",
    "plugin_use",
    "remote_clientid",
    "remote_password",
    "remote_username",
    "restart_timeout",
    "round_robin",
    "start_type",
    "threshold",
    "topic",
    "try_private",
    "username",
];

/// Known and refused for good, unless the value is the default.
const CANNOT: &[&str] = &["tls_engine", "tls_engine_kpass_sha1", "tls_keyform"];

/// What is done about the options, their names, and whether a status is that.
type Group = (&'static str, &'static [&'static str], fn(Status) -> bool);

#[test]
fn every_option_of_mosquitto_has_a_row_that_says_what_is_done_about_it() {
    let rows: [Group; 4] = [
        ("carried out", CARRIED, |status| status == Status::Carried),
        ("ignored", IGNORED, |status| matches!(status, Status::Ignored(_))),
        ("not yet", NOT_YET, |status| status == Status::NotYet),
        ("not possible", CANNOT, |status| matches!(status, Status::Cannot(_))),
    ];
    let page = manual();
    for (group, names, is_so) in rows {
        for name in names {
            let option = find(name).unwrap_or_else(|| panic!("{name} is not in the table"));
            assert!(is_so(option.status()), "{name} should be {group}, but is {:?}", option.status());
            assert!(page.contains(&format!("`{name}`")), "{name} is not in the manual");
        }
    }
}

#[test]
fn nothing_is_in_the_table_that_mosquitto_does_not_know() {
    let known: Vec<&str> = [CARRIED, IGNORED, NOT_YET, CANNOT].concat();
    for option in options() {
        for name in std::iter::once(&option.name).chain(option.aliases) {
            assert!(known.contains(name), "{name} is not on the list");
        }
    }
}
