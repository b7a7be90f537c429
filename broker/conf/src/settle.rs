//! From what was written to what it means: defaults filled in, listeners completed, contradictions refused.

mod web;

use std::path::PathBuf;

use crate::bridge;
use crate::draft::{Draft, Global, ListenerDraft, Security};
use crate::fault::{Level, Warning};
use crate::log::{LogSettings, LogTypes};
use crate::plugin;
use crate::{
    Certificates, ConfigError, Fault, Listener, Located, Overrides, Persistence, Protocol, ProtocolVersions, Psk,
    Settings,
};

/// MQTT's own port.
const PORT_DEFAULT: u16 = 1883;

/// Where the `http_api` of local-only mode is, as mosquitto 2.1 has it.
const HTTP_PORT_LOCAL: u16 = 9883;

/// Bytes.
const PACKET_BUFFER_SIZE_DEFAULT: u16 = 4_096;
/// mosquitto's words.
const BOTH_FILES: &str = "Both certfile and keyfile must be provided to enable a TLS listener.";

const ALL_VERSIONS: ProtocolVersions = ProtocolVersions { v31: true, v311: true, v5: true };

/// The settings, good only if there are no errors, and the errors.
pub(crate) fn settle(draft: Draft, overrides: &Overrides, files: Vec<PathBuf>) -> (Settings, Vec<ConfigError>) {
    let Draft { global, security, default_listener, listeners, bridges, plugins, mut warnings, .. } = draft;
    let written: Vec<ListenerDraft> =
        default_listener.into_iter().chain(listeners).filter(|listener| !listener.is_broken).collect();
    let local_only = written.is_empty();
    let mut settling = Settling {
        common: security,
        per_listener: global.per_listener_settings.or(false),
        local_only,
        warnings: Vec::new(),
        errors: Vec::new(),
    };
    let all: Vec<_> = if local_only {
        local_listeners(overrides).into_iter().map(|listener| settling.listener(listener)).collect()
    } else {
        settling.ports_not_heeded(overrides);
        settling.same_port_twice(&written);
        for listener in &written {
            settling.web_options(listener);
        }
        written.into_iter().map(|listener| settling.listener(listener)).collect()
    };
    settling.psk_file_without_door(&all);
    let (http_listeners, listeners): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|listener| listener.protocol == Protocol::HttpApi);
    settling.no_mqtt(&listeners, &http_listeners);
    settling.errors.extend(bridge::check(&bridges));
    settling.errors.extend(plugin::check(&plugins));
    if local_only {
        warnings.extend(local_only_notes());
    }
    warnings.append(&mut settling.warnings);
    (settings(&global, overrides, [listeners, http_listeners], local_only, files, warnings), settling.errors)
}

fn settings(
    global: &Global,
    overrides: &Overrides,
    [listeners, http_listeners]: [Vec<Listener>; 2],
    local_only: bool,
    files: Vec<PathBuf>,
    warnings: Vec<Warning>,
) -> Settings {
    Settings {
        listeners,
        http_listeners,
        local_only,
        per_listener_settings: global.per_listener_settings.or(false),
        log: log_settings(global, overrides),
        user: global.user.0.clone(),
        pid_file: global.pid_file.path(),
        persistence: persistence(global),
        allow_duplicate_messages: global.allow_duplicate_messages.or(true),
        check_retain_source: global.check_retain_source.or(false),
        global_max_connections: global.max_connections.limit(),
        max_inflight_messages: global.max_inflight_messages.number(20),
        max_inflight_bytes: global.max_inflight_bytes.number(0),
        max_queued_messages: global.max_queued_messages.number(1_000),
        max_queued_bytes: global.max_queued_bytes.number(0),
        max_keepalive_s: global.max_keepalive.number(0),
        max_packet_size: global.max_packet_size.number(2_000_000),
        packet_buffer_size: global.packet_buffer_size.number(PACKET_BUFFER_SIZE_DEFAULT),
        message_size_limit: global.message_size_limit.number(0),
        persistent_client_expiration_s: global.persistent_client_expiration_s,
        queue_qos0_messages: global.queue_qos0_messages.or(false),
        retain_available: global.retain_available.or(true),
        set_tcp_nodelay: global.set_tcp_nodelay.or(false),
        sys_interval_s: global.sys_interval.number(10),
        upgrade_outgoing_qos: global.upgrade_outgoing_qos.or(false),
        // As mosquitto: 0 is no limit, too.
        global_max_clients: global.max_clients.limit().filter(|most| *most > 0),
        memory_limit: global
            .memory_limit
            .get()
            .and_then(|most| u64::try_from(most.value).ok())
            .filter(|most| *most > 0),
        retain_expiry_s: global.retain_expiry_interval.get().map(|minutes| minutes.value.unsigned_abs() * 60),
        clientid_prefixes: global.clientid_prefixes.get().map(|prefix| prefix.value.clone()),
        enable_control_api: global.enable_control_api.or(false),
        files,
        warnings,
    }
}

fn persistence(global: &Global) -> Persistence {
    let file = global.persistence_file.get().map_or("mosquitto.db", |file| file.value.as_str());
    Persistence {
        is_on: global.persistence.or(false),
        location: global.persistence_location.path(),
        file: file.to_owned(),
        autosave: global.autosave_interval.get().map(|given| Located {
            // As mosquitto: what is below zero is zero.
            value: u32::try_from(given.value).unwrap_or(0),
            at: given.at.clone(),
        }),
        autosave_on_changes: global.autosave_on_changes.or(false),
    }
}

fn log_settings(global: &Global, overrides: &Overrides) -> LogSettings {
    let dest = &global.log_dest;
    let types = match (overrides.quiet, overrides.verbose) {
        (true, _) => LogTypes::NONE,
        (false, true) => LogTypes::ALL,
        (false, false) => global.log_types.unwrap_or(LogTypes::DEFAULT),
    };
    LogSettings {
        to_stderr: dest.stderr || !dest.given,
        to_stdout: dest.stdout,
        to_json: dest.json,
        to_syslog: dest.syslog,
        to_journal: dest.journal,
        to_topic: dest.topic,
        facility: global.log_facility.get().and_then(|local| u8::try_from(local.value).ok()),
        to_file: dest.file.path(),
        types,
        timestamp: global.log_timestamp.or(true),
        timestamp_format: global.log_timestamp_format.get().map(|format| format.value.clone()),
        connection_messages: global.connection_messages.or(true),
    }
}

fn local_listeners(overrides: &Overrides) -> Vec<ListenerDraft> {
    let ports = if overrides.ports.is_empty() { &[PORT_DEFAULT][..] } else { &overrides.ports };
    let local = |port: &u16, address: &str| ListenerDraft {
        port: Located::from_command_line(i64::from(*port)).into(),
        address: Located::from_command_line(address.to_owned()).into(),
        ..ListenerDraft::default()
    };
    let http = ListenerDraft { protocol: Protocol::HttpApi, ..local(&HTTP_PORT_LOCAL, "127.0.0.1") };
    let mqtt = ports.iter().flat_map(|port| [local(port, "127.0.0.1"), local(port, "::1")]);
    mqtt.chain(std::iter::once(http)).collect()
}

fn local_only_notes() -> [Warning; 2] {
    [
        "Starting in local only mode. Connections will only be possible from clients running on this machine.",
        "Create a configuration file which defines a listener to allow remote access.",
    ]
    .map(|message| Warning { at: None, level: Level::Notice, message: message.to_owned() })
}

struct Settling {
    common: Security,
    per_listener: bool,
    local_only: bool,
    warnings: Vec<Warning>,
    errors: Vec<ConfigError>,
}

impl Settling {
    fn listener(&mut self, written: ListenerDraft) -> Listener {
        let certificates = self.certificates(&written);
        let own = if self.per_listener { &written.security } else { &self.common };
        let psk = written.psk_hint.0.clone().map(|hint| Psk {
            hint,
            file: own.psk_file.path(),
            ciphers: written.ciphers.0.clone(),
            tls_version_min: written.tls_version.unwrap_or_default(),
        });
        let allow_anonymous = written.allow_anonymous.get().or(own.allow_anonymous.get());
        let auto_id_prefix = written.auto_id_prefix.get().or(own.auto_id_prefix.get());
        Listener {
            at: written.port.get().map(|port| port.at.clone()).filter(|_| !self.local_only),
            port: written.port.number(PORT_DEFAULT),
            protocol: written.protocol,
            http_dir: written.http_dir.path(),
            websockets_origins: written.websockets_origins.into_iter().map(|origin| origin.value).collect(),
            socket_domain: written.socket_domain,
            max_connections: written.max_connections.limit(),
            protocol_versions: written.protocol_versions.unwrap_or(ALL_VERSIONS),
            max_qos: written.max_qos.number(2),
            max_topic_alias: written.max_topic_alias.number(10),
            max_topic_alias_broker: written.max_topic_alias_broker.number(10),
            allow_anonymous: allow_anonymous.map_or(self.local_only, |given| given.value),
            allow_zero_length_clientid: own.allow_zero_length_clientid.or(true),
            auto_id_prefix: auto_id_prefix.map_or_else(|| "auto-".to_owned(), |given| given.value.clone()),
            password_file: own.password_file.path(),
            acl_file: own.acl_file.path(),
            address: written.address.0.map(|address| address.value),
            certificates,
            psk,
        }
    }

    fn certificates(&mut self, written: &ListenerDraft) -> Option<Certificates> {
        let (certfile, keyfile) = match (written.certfile.get(), written.keyfile.get()) {
            (Some(certfile), Some(keyfile)) => (certfile.clone(), keyfile.clone()),
            (Some(alone), None) => {
                self.fail(alone, BOTH_FILES, "Name its private key with 'keyfile'.");
                return None;
            }
            (None, Some(alone)) => {
                self.fail(alone, BOTH_FILES, "Name its certificate with 'certfile'.");
                return None;
            }
            (None, None) => {
                self.without_certificate(written);
                return None;
            }
        };
        let require_certificate = written.require_certificate.or(false);
        if let (true, None, None, Some(at)) =
            (require_certificate, written.cafile.get(), written.capath.get(), written.require_certificate.get())
        {
            self.fail(
                at,
                "'require_certificate' is given without 'cafile' or 'capath', so no client could come in.",
                "Name the roots of your clients' certificates with 'cafile'.",
            );
        }
        if let (Some(ciphers), None) = (written.ciphers.get(), written.psk_hint.get()) {
            self.warn(
                ciphers,
                "Warning: 'ciphers' is applied to PSK only; with certificates TLS has the suites of rustls, all of them \
                 with forward secrecy.",
            );
        }
        Some(Certificates {
            certfile: certfile.into(),
            keyfile: keyfile.into(),
            cafile: written.cafile.path(),
            capath: written.capath.path(),
            require_certificate,
            tls_version_min: written.tls_version.unwrap_or_default(),
        })
    }

    fn without_certificate(&mut self, written: &ListenerDraft) {
        for (option, name) in [(written.cafile.get(), "cafile"), (written.capath.get(), "capath")] {
            if let Some(alone) = option {
                let message = format!("{name} specified without certfile and keyfile.");
                self.fail(alone, &message, "Name the server's certificate and key, or remove the line.");
            }
        }
        if let Some(required) = written.require_certificate.get().filter(|required| required.value) {
            self.warn(
                required,
                "Warning: 'require_certificate' does nothing without 'certfile' and 'keyfile': this listener asks no \
                 client for a certificate.",
            );
        }
    }

    fn psk_file_without_door(&mut self, listeners: &[Listener]) {
        let file = self.common.psk_file.0.clone();
        if let (Some(file), true) = (file, listeners.iter().all(|listener| listener.psk.is_none())) {
            self.warn(&file, "Warning: 'psk_file' does nothing without 'psk_hint', which turns TLS-PSK on.");
        }
        for psk in listeners.iter().filter_map(|listener| listener.psk.as_ref()).filter(|psk| psk.file.is_none()) {
            self.warn(&psk.hint, "Warning: 'psk_hint' is given without 'psk_file', so no client can come in here.");
        }
    }

    fn same_port_twice(&mut self, written: &[ListenerDraft]) {
        let place = |listener: &ListenerDraft| {
            (listener.port.number(PORT_DEFAULT), listener.address.get().map(|address| address.value.clone()))
        };
        for (index, later) in written.iter().enumerate() {
            let earlier = written.iter().take(index).find(|earlier| place(earlier) == place(later));
            if let (Some(_), Some(at)) = (earlier, later.port.get()) {
                let message = format!("two listeners have the port {} and the same address.", at.value);
                self.fail(at, &message, "Remove one of them, or give them different ports.");
            }
        }
    }

    fn ports_not_heeded(&mut self, overrides: &Overrides) {
        if !overrides.ports.is_empty() {
            self.warnings.push(Warning {
                at: None,
                level: Level::Warning,
                message: "Warning: -p is ignored because the configuration file has a listener.".to_owned(),
            });
        }
    }

    fn fail<T>(&mut self, option: &Located<T>, message: &str, mend: &str) {
        let fault = Fault::told(message, mend);
        self.errors.push(ConfigError { at: Some(option.at.clone()), included_at: None, fault: fault.into() });
    }

    fn warn<T>(&mut self, option: &Located<T>, message: &str) {
        let at = Some(option.at.clone());
        self.warnings.push(Warning { at, level: Level::Warning, message: message.to_owned() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{InMemory, SocketDomain, TlsVersion, parse};
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
            assert!(told(&settings).contains("Starting in local only mode."), "{text}");
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
        assert_eq!(doors(&both), [(18831, None), (18832, Some("127.0.0.1"))]);
        assert_eq!(both.listeners[0].socket_domain, SocketDomain::Any);
        assert_eq!(both.listeners[1].socket_domain, SocketDomain::Ipv6);
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
    fn numbers_below_zero_are_no_limit() {
        let rows = [("-1", None), ("0", None), ("7", Some(7))];
        for (number, wanted) in rows {
            let settings = read(&format!("listener 1\nglobal_max_clients {number}")).expect("good");
            assert_eq!(settings.global_max_clients, wanted, "{number}");
        }
        let text = "max_queued_messages -1\nglobal_max_connections -1\nlistener 1\nmax_connections -7";
        let settings = read(text).expect("good");
        assert_eq!((settings.max_queued_messages, settings.global_max_connections), (0, None));
        assert_eq!(settings.listeners[0].max_connections, None);
        let none = read("listener 1\nmax_connections 0").expect("good");
        assert_eq!(none.listeners[0].max_connections, Some(0), "nobody may come in, as in mosquitto");
    }

    #[test]
    fn limits_and_choices_of_the_whole_broker_are_carried_over() {
        let text = "listener 1\nmemory_limit 5000000000\nretain_expiry_interval 2\nclientid_prefixes gw- \nenable_control_api 1";
        let settings = read(text).expect("good");
        assert_eq!((settings.memory_limit, settings.retain_expiry_s), (Some(5_000_000_000), Some(120)));
        assert_eq!(settings.clientid_prefixes.as_deref(), Some("gw-"));
        assert!(
            settings.enable_control_api && told(&settings).contains("'clientid_prefixes' option is now deprecated")
        );
        let much = read("listener 1\nretain_expiry_interval 10000001\nmemory_limit 0").expect("good");
        assert_eq!((much.retain_expiry_s, much.memory_limit), (Some(600_000_000), None));
        assert!(told(&much).contains("Warning: retain_expiry_interval being capped at 19 years."));
    }

    #[test]
    fn security_is_common_to_all_listeners_unless_it_is_theirs() {
        let common = read("listener 1\nallow_anonymous true\npassword_file a\nlistener 2\n").expect("good");
        assert!(common.listeners.iter().all(|listener| listener.allow_anonymous && listener.password_file.is_some()));

        let own =
            "per_listener_settings true\nlistener 1\nallow_anonymous true\npassword_file a\nlistener 2\nacl_file b";
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
            ("listener 1883\nlistener 1883", 2, "two listeners have the port 1883"),
            ("listener 1\nprotocol http_api", 1, "there is an http_api, but no listener for MQTT"),
            ("listener 2\nlistener 1\nprotocol http_api\npsk_hint x", 4, "no browser has a pre-shared key"),
            ("port 1883\nlistener 1883", 2, "two listeners have the port 1883"),
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
            ("listener 1\npsk_hint x", "m.conf:2: Warning: 'psk_hint' is given without 'psk_file'"),
            ("listener 1\npsk_file x", "m.conf:2: Warning: 'psk_file' does nothing without 'psk_hint'"),
            ("listener 1\ncertfile c\nkeyfile k\nciphers x", "m.conf:4: Warning: 'ciphers' is applied to PSK only"),
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
}
