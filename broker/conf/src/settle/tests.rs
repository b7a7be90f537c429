//! What is written and what it comes to, option by option.

use super::*;
use crate::{InMemory, Proxy, SocketDomain, TlsVersion, UsernameFrom, parse};
use std::path::Path;

fn read(text: &str) -> Result<Settings, ConfigError> {
    read_with(text, &Overrides::default())
}

fn read_with(text: &str, overrides: &Overrides) -> Result<Settings, ConfigError> {
    parse(Some(Path::new("m.conf")), &mut InMemory::one("m.conf", text), overrides)
}

fn told(settings: &Settings) -> String {
    settings.warnings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

fn doors(settings: &Settings) -> Vec<(u16, Option<&str>)> {
    settings.listeners.iter().map(|listener| (listener.port, listener.address.as_deref())).collect()
}

#[test]
fn without_a_listener_only_this_machine_can_connect() {
    for text in ["", "user root", "password_file p\nacl_file a"] {
        let settings = read(text).expect("good");
        assert!(settings.local_only);
        assert_eq!(doors(&settings), [(1883, Some("127.0.0.1")), (1883, Some("::1"))]);
        assert!(settings.listeners.iter().all(|listener| listener.allow_anonymous && listener.at.is_none()));
    }
    let none = parse(None, &mut InMemory::default(), &Overrides::default()).expect("good");
    assert!(none.local_only && none.files.is_empty());
    assert!(!read("allow_anonymous false").expect("good").listeners[0].allow_anonymous);
}

#[test]
fn ports_of_the_command_line_hold_in_local_only_mode_and_nowhere_else() {
    let overrides = Overrides { ports: vec![18831, 18832], ..Overrides::default() };
    let local = read_with("", &overrides).expect("good");
    let wanted = [(18831, "127.0.0.1"), (18831, "::1"), (18832, "127.0.0.1"), (18832, "::1")];
    assert_eq!(doors(&local), wanted.map(|(port, address)| (port, Some(address))));
    let listening = read_with("listener 1883", &overrides).expect("good");
    assert_eq!(doors(&listening), [(1883, None)]);
    assert!(told(&listening).contains("-p is ignored"));
}

#[test]
fn each_option_of_the_default_listener_makes_it() {
    for text in [
        "port 1883",
        "bind_address ::1",
        "max_connections -1",
        "socket_domain ipv4",
        "psk_hint x",
        "protocol mqtt",
        "use_identity_as_username false",
        "dhparamfile x",
    ] {
        let settings = read(text).expect(text);
        assert!(!settings.local_only, "{text}");
        assert_eq!(settings.listeners.len(), 1, "{text}");
        assert!(!settings.listeners[0].allow_anonymous, "{text}");
    }
    let both = read("port 18831\nlistener 18832 127.0.0.1\nsocket_domain ipv6").expect("good");
    assert_eq!(doors(&both), [(18832, Some("127.0.0.1")), (18831, None)]);
    assert_eq!(both.listeners[0].socket_domain, SocketDomain::Ipv6);
    assert_eq!(both.listeners[1].socket_domain, SocketDomain::Any);
}

#[test]
fn what_is_not_written_is_as_in_mosquitto() {
    let settings = read("listener 1883").expect("good");
    assert_eq!(settings.max_inflight_messages, 20);
    assert_eq!(settings.max_queued_messages, 1_000);
    assert_eq!(settings.max_packet_size, 2_000_000);
    assert_eq!(settings.sys_interval_s, 10);
    assert_eq!((settings.max_keepalive_s, settings.message_size_limit, settings.max_queued_bytes), (0, 0, 0));
    assert!(settings.allow_duplicate_messages && settings.retain_available);
    assert!(!settings.set_tcp_nodelay && !settings.queue_qos0_messages && !settings.upgrade_outgoing_qos);
    assert_eq!((settings.global_max_connections, settings.persistent_client_expiration_s), (None, None));
    assert!(settings.log.to_stderr && settings.log.timestamp && settings.log.connection_messages);
    assert_eq!(settings.log.types, LogTypes::DEFAULT);
    let listener = &settings.listeners[0];
    assert_eq!((listener.max_qos, listener.max_topic_alias, listener.max_topic_alias_broker), (2, 10, 10));
    assert_eq!(listener.protocol_versions, ALL_VERSIONS);
    assert_eq!(listener.auto_id_prefix, "auto-");
    assert!(listener.allow_zero_length_clientid && !listener.allow_anonymous);
    assert_eq!(listener.at.as_ref().map(ToString::to_string).as_deref(), Some("m.conf:1"));
    assert!(settings.warnings.is_empty(), "{}", told(&settings));
}

#[test]
fn zero_and_numbers_below_it_are_no_limit() {
    let rows = [("-1", None), ("-2147483648", None), ("0", None), ("7", Some(7)), ("0x10", Some(16))];
    for (number, wanted) in rows {
        let text = format!(
            "global_max_clients {number}\nglobal_max_connections {number}\nlistener 1\nmax_connections {number}"
        );
        let settings = read(&text).expect("good");
        let limits =
            (settings.global_max_clients, settings.global_max_connections, settings.listeners[0].max_connections);
        assert_eq!(limits, (wanted, wanted, wanted), "{number}");
    }
    assert_eq!(read("max_queued_messages -1\nlistener 1").expect("good").max_queued_messages, 0);
}

#[test]
fn versions_of_mqtt_are_listed_with_commas_blanks_or_tabs_and_may_be_repeated() {
    let of = |v31, v311, v5| crate::ProtocolVersions { v31, v311, v5 };
    let rows = [
        ("3", of(true, false, false)),
        ("4,5", of(false, true, true)),
        ("5 , 4", of(false, true, true)),
        (" 5\t3 ", of(true, false, true)),
        ("4,4,,4,", of(false, true, false)),
    ];
    for (list, wanted) in rows {
        let settings = read(&format!("listener 1\naccept_protocol_versions {list}")).expect("good");
        assert_eq!(settings.listeners[0].protocol_versions, wanted, "{list:?}");
    }
}

#[test]
fn limits_and_choices_of_the_whole_broker_are_carried_over() {
    let text =
        "listener 1\nmemory_limit 5000000000\nretain_expiry_interval 2\nclientid_prefixes gw- \nenable_control_api 1";
    let settings = read(text).expect("good");
    assert_eq!((settings.memory_limit, settings.retain_expiry_s), (Some(5_000_000_000), Some(120)));
    assert_eq!(settings.clientid_prefixes.as_deref(), Some("gw-"));
    assert!(settings.enable_control_api && told(&settings).contains("'clientid_prefixes' option is now deprecated"));
    let much = read("listener 1\nretain_expiry_interval 10000001\nmemory_limit 0").expect("good");
    assert_eq!((much.retain_expiry_s, much.memory_limit), (Some(600_000_000), None));
    assert!(told(&much).contains("Warning: retain_expiry_interval being capped at 19 years."));
}

#[test]
fn security_is_common_to_all_listeners_unless_it_is_theirs() {
    let common = read("listener 1\nallow_anonymous true\npassword_file a\nlistener 2\n").expect("good");
    assert!(common.listeners.iter().all(|listener| listener.allow_anonymous && listener.password_file.is_some()));

    let own = "per_listener_settings true\nlistener 1\nallow_anonymous true\npassword_file a\nlistener 2\nacl_file b";
    let own = read(own).expect("good");
    assert!(own.per_listener_settings);
    let [first, second] = &own.listeners[..] else { panic!("two listeners") };
    assert!(first.allow_anonymous && first.password_file.is_some() && first.acl_file.is_none());
    assert!(!second.allow_anonymous && second.password_file.is_none() && second.acl_file.is_some());

    let mixed = read("allow_anonymous true\nlistener 1\nlistener_allow_anonymous false\nlistener 2").expect("good");
    let anonymous: Vec<bool> = mixed.listeners.iter().map(|listener| listener.allow_anonymous).collect();
    assert_eq!(anonymous, [false, true]);
}

#[test]
fn certificates_and_psk_may_be_given_for_one_listener() {
    let text = "listener 8883\ncafile ca\ncertfile c\nkeyfile k\nrequire_certificate true\ntls_version tlsv1.3\n\
                psk_hint hint\npsk_file p\nciphers PSK-AES128-CBC-SHA";
    let settings = read(text).expect("good");
    let listener = &settings.listeners[0];
    let certificates = listener.certificates.as_ref().expect("certificates");
    assert!(certificates.require_certificate);
    assert_eq!(certificates.tls_version_min, TlsVersion::V13);
    assert_eq!(certificates.keyfile.at.to_string(), "m.conf:4");
    let psk = listener.psk.as_ref().expect("psk");
    assert_eq!(psk.file.as_ref().map(|file| file.value.as_path()), Some(Path::new("p")));
    assert_eq!(psk.ciphers.as_ref().map(|list| list.value.as_str()), Some("PSK-AES128-CBC-SHA"));
    assert!(settings.warnings.is_empty(), "{}", told(&settings));
}

#[test]
fn contradictions_are_refused_where_they_were_written() {
    // text, line, message
    let rows = [
        ("listener 1\ncertfile c", 2, BOTH_FILES),
        ("listener 1\nkeyfile k", 2, BOTH_FILES),
        ("listener 1\ncafile c", 2, "Error: cafile specified without certfile and keyfile."),
        ("listener 1\ncapath c", 2, "Error: capath specified without certfile and keyfile."),
        ("listener 1\ncertfile c\nkeyfile k\nrequire_certificate true", 4, "without 'cafile' or 'capath'"),
        (
            "listener 1\nenable_proxy_protocol 2\ncertfile c\nkeyfile k",
            3,
            "'certfile' cannot be used with 'enable_proxy",
        ),
        (
            "listener 1\nenable_proxy_protocol 2\nuse_subject_as_username 1",
            3,
            "'use_subject_as_username' cannot be used",
        ),
        ("listener 1883\nlistener 1883", 2, "two listeners have the port 1883"),
        ("listener 1\nprotocol http_api", 1, "there is an http_api, but no listener for MQTT"),
        ("listener 2\nlistener 1\nprotocol http_api\npsk_hint x", 4, "no browser has a pre-shared key"),
        ("listener 2\nlistener 0 /s\nprotocol http_api", 2, "no browser can use one"),
        ("listener 2\nlistener 1\nprotocol http_api\nenable_proxy_protocol 1", 4, "not for an http_api"),
        ("port 1883\nlistener 1883", 2, "two listeners have the port 1883"),
        ("listener 0 /run/m\nlistener 0 /run/m", 2, "two listeners have the unix socket /run/m"),
    ];
    for (text, line, message) in rows {
        let error = read(text).expect_err(text).to_string();
        assert!(error.contains(message), "{text:?}: {error}");
        assert!(error.ends_with(&format!("Error found at m.conf:{line}.")), "{text:?}: {error}");
    }
    assert!(read("listener 1883 127.0.0.1\nlistener 1883 ::1").is_ok());
}

#[test]
fn what_does_not_do_what_it_seems_to_say_is_warned_of() {
    let rows = [
        ("port 1", "m.conf:1: The 'port' option is now deprecated and will be removed in version 3.0. Please use"),
        ("port 1\nport 2", "m.conf:2: Warning: Default listener port specified multiple times."),
        ("retry_interval 5", "m.conf:1: Warning: The 'retry_interval' option is no longer available."),
        ("dhparamfile x", "m.conf:1: Warning: The 'dhparamfile' option is no longer required."),
        ("listener 1\nwebsockets_origin x", "m.conf:2: Warning: 'websockets_origin' does nothing"),
        ("listener 1\nhttp_dir x", "m.conf:2: Warning: 'http_dir' does nothing"),
        ("listener 1\nrequire_certificate true", "m.conf:2: Warning: 'require_certificate' does nothing"),
        (
            "listener 1\nuse_identity_as_username 1",
            "m.conf:2: Warning: 'use_identity_as_username' does nothing without",
        ),
        (
            "listener 1\ncertfile c\nkeyfile k\nuse_subject_as_username true",
            "m.conf:4: Warning: 'use_subject_as_username' without 'require_certificate true' lets nobody in",
        ),
        ("listener 1\npsk_hint x\npsk_file p\nuse_subject_as_username 1", "a pre-shared key has no subject"),
        ("listener 1\npsk_hint x", "m.conf:2: Warning: 'psk_hint' is given without 'psk_file'"),
        ("listener 1\npsk_file x", "m.conf:2: Warning: 'psk_file' does nothing without 'psk_hint'"),
        ("listener 1\ncertfile c\nkeyfile k\ncrlfile x", "m.conf:4: Warning: 'crlfile' does nothing without"),
    ];
    for (text, wanted) in rows {
        let told = told(&read(text).expect(text));
        assert!(told.contains(wanted), "{text:?}: {told} should hold {wanted}");
    }
    for silent in ["persistence true", "sys_interval 60", "websockets_log_level 0"] {
        let told = told(&read(&format!("{silent}\nlistener 1")).expect(silent));
        assert_eq!(told, "", "{silent}");
    }
}

#[test]
fn a_listener_with_port_0_has_a_path_in_the_place_of_an_address() {
    let settings = read("listener 0 /run/m.sock\nlistener 0 m.sock\nbind_interface lo\nlistener 1883").expect("good");
    let places: Vec<_> = settings
        .listeners
        .iter()
        .map(|of| (of.port, of.unix.as_deref().and_then(Path::to_str), of.address.as_deref()))
        .collect();
    assert_eq!(places, [(0, Some("/run/m.sock"), None), (0, Some("m.sock"), None), (1883, None, None)]);
    assert_eq!(settings.listeners[1].interface.as_ref().map(|name| name.value.as_str()), Some("lo"));
}

#[test]
fn the_identity_wins_over_the_subject() {
    let tls = "listener 1\ncafile a\ncertfile c\nkeyfile k\nrequire_certificate true\n";
    let rows = [
        ("", None),
        ("use_identity_as_username false", None),
        ("use_subject_as_username true", Some(UsernameFrom::Subject)),
        ("use_subject_as_username true\nuse_identity_as_username true", Some(UsernameFrom::Identity)),
    ];
    for (text, wanted) in rows {
        let settings = read(&format!("{tls}{text}")).expect(text);
        assert_eq!(settings.listeners[0].username_from, wanted, "{text}");
        assert_eq!(told(&settings), "", "{text}");
    }
}

#[test]
fn a_proxy_of_version_2_is_asked_for_tls_and_certificates_and_one_of_version_1_passes_them_through() {
    let text = "listener 1\nenable_proxy_protocol 2\nproxy_protocol_v2_require_tls true\nrequire_certificate true\n\
                use_identity_as_username true\nlistener 2\nenable_proxy_protocol 1\ncertfile c\nkeyfile k\nlistener 3";
    let settings = read(text).expect("good");
    let proxies: Vec<_> = settings.listeners.iter().map(|listener| listener.proxy).collect();
    let two = Proxy { is_version_2: true, requires_tls: true, requires_certificate: true };
    let one = Proxy { is_version_2: false, requires_tls: false, requires_certificate: false };
    assert_eq!(proxies, [Some(two), Some(one), None]);
    assert_eq!(settings.listeners[0].username_from, Some(UsernameFrom::Identity));
    assert_eq!(told(&settings), "");
    assert!(read("listener 1\nenable_proxy_protocol 3").is_err());
}

#[test]
fn what_outlives_the_process_and_where() {
    let none = read("").expect("good").persistence;
    assert_eq!((none.is_on, none.location, none.file.as_str(), none.autosave), (false, None, "mosquitto.db", None));
    let text = "persistence true\npersistence_location /var/lib/a b/\npersistence_file x.db\nautosave_interval -1\nautosave_on_changes 1";
    let all = read(text).expect("good").persistence;
    assert!(all.is_on && all.autosave_on_changes);
    assert_eq!(all.location.as_ref().and_then(|at| at.value.to_str()), Some("/var/lib/a b/"));
    assert_eq!((all.file.as_str(), all.autosave.map(|of| of.value)), ("x.db", Some(0)));
    assert!(read("retained_persistence true").expect("good").persistence.is_on, "its older name");
}

#[test]
fn where_the_log_goes() {
    let all = "log_dest syslog\nlog_dest topic\nlog_dest journal\nlog_dest json\nlog_facility 7";
    let log = read(all).expect("good").log;
    assert!(log.to_syslog && log.to_topic && log.to_journal && log.to_json && !log.to_stderr && !log.to_stdout);
    assert_eq!((log.facility, read("").expect("good").log.facility), (Some(7), None));
    let none = read(&format!("{all}\nlog_dest none")).expect("good").log;
    assert!(!none.to_syslog && !none.to_topic && !none.to_journal && !none.to_json && !none.to_stderr);
    assert!(told(&read("log_dest dlt").expect("good")).contains("nothing is sent there"));
    // text, (stderr, stdout, file)
    let rows = [
        ("", (true, false, None)),
        ("log_dest stdout", (false, true, None)),
        ("log_dest file /var/log/a b.log", (false, false, Some("/var/log/a b.log"))),
        ("log_dest stdout\nlog_dest none", (false, false, None)),
        ("log_dest none\nlog_dest stderr", (true, false, None)),
        ("log_dest dlt", (true, false, None)),
        ("log_dest dlt\nlog_dest stdout", (false, true, None)),
    ];
    for (text, wanted) in rows {
        let log = read(text).expect(text).log;
        let file = log.to_file.as_ref().and_then(|file| file.value.to_str());
        assert_eq!((log.to_stderr, log.to_stdout, file), wanted, "{text}");
    }
    let verbose = Overrides { verbose: true, ..Overrides::default() };
    assert_eq!(read_with("log_type error", &verbose).expect("good").log.types, LogTypes::ALL);
    let quiet = Overrides { quiet: true, ..Overrides::default() };
    assert_eq!(read_with("log_type error", &quiet).expect("good").log.types, LogTypes::NONE);
}
