//! From what was written to what it means: defaults filled in, listeners completed, contradictions refused.

use std::path::PathBuf;

use crate::draft::{Draft, Global, ListenerDraft, Security};
use crate::fault::{Level, Warning};
use crate::log::{LogSettings, LogTypes};
use crate::{Certificates, ConfigError, Fault, Listener, Located, Overrides, ProtocolVersions, Psk, Settings};

/// MQTT's own port.
const PORT_DEFAULT: u16 = 1883;

const ALL_VERSIONS: ProtocolVersions = ProtocolVersions { v31: true, v311: true, v5: true };

/// The settings, good only if there are no errors, and the errors.
pub(crate) fn settle(draft: Draft, overrides: &Overrides, files: Vec<PathBuf>) -> (Settings, Vec<ConfigError>) {
    let Draft { global, security, default_listener, listeners, mut warnings, .. } = draft;
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
    let listeners = if local_only {
        local_listeners(overrides).into_iter().map(|listener| settling.listener(listener)).collect()
    } else {
        settling.ports_not_heeded(overrides);
        settling.same_port_twice(&written);
        written.into_iter().map(|listener| settling.listener(listener)).collect::<Vec<_>>()
    };
    settling.psk_file_without_door(&listeners);
    if local_only {
        warnings.extend(local_only_notes());
    }
    warnings.append(&mut settling.warnings);
    (settings(global, overrides, listeners, local_only, files, warnings), settling.errors)
}

fn settings(
    global: Global,
    overrides: &Overrides,
    listeners: Vec<Listener>,
    local_only: bool,
    files: Vec<PathBuf>,
    warnings: Vec<Warning>,
) -> Settings {
    Settings {
        listeners,
        local_only,
        per_listener_settings: global.per_listener_settings.or(false),
        log: log_settings(&global, overrides),
        user: global.user.0,
        pid_file: global.pid_file.path(),
        allow_duplicate_messages: global.allow_duplicate_messages.or(true),
        check_retain_source: global.check_retain_source.or(false),
        global_max_connections: global.max_connections.limit(),
        max_inflight_messages: global.max_inflight_messages.number(20),
        max_inflight_bytes: 0,
        max_queued_messages: global.max_queued_messages.number(1_000),
        max_queued_bytes: global.max_queued_bytes.number(0),
        max_keepalive_s: global.max_keepalive.number(0),
        max_packet_size: global.max_packet_size.number(2_000_000),
        message_size_limit: global.message_size_limit.number(0),
        persistent_client_expiration_s: global.persistent_client_expiration_s,
        queue_qos0_messages: global.queue_qos0_messages.or(false),
        retain_available: global.retain_available.or(true),
        set_tcp_nodelay: global.set_tcp_nodelay.or(false),
        sys_interval_s: global.sys_interval.number(10),
        upgrade_outgoing_qos: global.upgrade_outgoing_qos.or(false),
        files,
        warnings,
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
    ports.iter().flat_map(|port| [local(port, "127.0.0.1"), local(port, "::1")]).collect()
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
                self.fail(alone, "'certfile' is given without 'keyfile'.", "Name its private key with 'keyfile'.");
                return None;
            }
            (None, Some(alone)) => {
                self.fail(alone, "'keyfile' is given without 'certfile'.", "Name its certificate with 'certfile'.");
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
                let message = format!("'{name}' is given without 'certfile' and 'keyfile'.");
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
