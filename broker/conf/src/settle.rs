//! From what was written to what it means: defaults filled in, listeners completed, contradictions refused.

mod doors;
#[cfg(test)]
mod tests;
mod web;

use std::path::PathBuf;

use crate::bridge;
use crate::draft::{Draft, Global, ListenerDraft, Security};
use crate::fault::{Level, Warning, shown};
use crate::log::{LogSettings, LogTypes};
use crate::plugin;
use crate::{ConfigError, Fault, Listener, Located, Overrides, Persistence, Protocol, ProtocolVersions, Psk, Settings};

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
    let defaults = default_listener.iter().filter(|listener| !listener.is_broken).count();
    let mut written: Vec<ListenerDraft> =
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
        // mosquitto opens the one of the options before any `listener` last.
        written.rotate_left(defaults);
        written.into_iter().map(|listener| settling.listener(listener)).collect()
    };
    settling.psk_file_without_door(&all);
    let (http_listeners, listeners): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|listener| listener.protocol == Protocol::HttpApi);
    settling.no_mqtt(&listeners, &http_listeners);
    settling.errors.extend(bridge::check(&bridges));
    settling.errors.extend(plugin::check(&plugins));
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
        global_max_clients: global.max_clients.limit(),
        memory_limit: global
            .memory_limit
            .get()
            .and_then(|most| u64::try_from(most.value).ok())
            .filter(|most| *most > 0),
        retain_expiry_s: global.retain_expiry_interval.get().map(|minutes| minutes.value.unsigned_abs() * 60),
        clientid_prefixes: global.clientid_prefixes.get().map(|prefix| prefix.value.clone()),
        enable_control_api: global.enable_control_api.or(false),
        tls_keylog: overrides.tls_keylog.clone(),
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

struct Settling {
    common: Security,
    per_listener: bool,
    local_only: bool,
    warnings: Vec<Warning>,
    errors: Vec<ConfigError>,
}

impl Settling {
    fn listener(&mut self, written: ListenerDraft) -> Listener {
        let proxy = self.proxy(&written);
        let certificates = self.certificates(&written);
        let username_from = self.username_from(&written);
        if let Some(mount) = written.mount_point.get().filter(|mount| !mount.value.ends_with('/')).cloned() {
            self.warn(&mount, &format!(
                "Warning: the mount_point '{0}' does not end with '/': the topic 'a' of a client is '{0}a', and no filter of a \
                 client may begin with a wildcard. Most likely '{0}/' is meant.",
                shown(&mount.value),
            ));
        }
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
            unix: written.unix.path().map(|path| path.value),
            interface: written.interface.0.clone(),
            mount_point: written.mount_point.0.clone(),
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
            username_from,
            proxy,
            use_username_as_clientid: written.use_username_as_clientid.or(false),
            address: written.address.0.map(|address| address.value),
            certificates,
            psk,
        }
    }

    fn same_port_twice(&mut self, written: &[ListenerDraft]) {
        let place = |listener: &ListenerDraft| {
            let address = listener.address.get().or(listener.unix.get());
            (listener.port.number(PORT_DEFAULT), address.map(|address| address.value.clone()))
        };
        for (index, later) in written.iter().enumerate() {
            let earlier = written.iter().take(index).find(|earlier| place(earlier) == place(later));
            if let (Some(_), Some(at)) = (earlier, later.port.get()) {
                let (message, mend) = match later.unix.get() {
                    None => (
                        format!("two listeners have the port {} and the same address.", at.value),
                        "Remove one of them, or give them different ports.",
                    ),
                    Some(path) => (
                        format!("two listeners have the unix socket {}.", shown(&path.value)),
                        "Remove one of them, or give them different paths.",
                    ),
                };
                self.fail(at, &message, mend);
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
