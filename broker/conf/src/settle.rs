//! From what was written to what it means: defaults filled in, listeners completed, contradictions refused.

use std::path::PathBuf;

use crate::draft::{Draft, Global, ListenerDraft, Security, Written};
use crate::fault::{Level, Warning};
use crate::log::{LogSettings, LogTypes};
use crate::{Certificates, ConfigError, Fault, Listener, Overrides, ProtocolVersions, Psk, Settings};

/// MQTT's own port.
const PORT_DEFAULT: u16 = 1883;

const ALL_VERSIONS: ProtocolVersions = ProtocolVersions { v31: true, v311: true, v5: true };

/// At least one error.
pub(crate) struct Errors {
    pub(crate) first: ConfigError,
    pub(crate) rest: Vec<ConfigError>,
}

pub(crate) fn settle(draft: Draft, overrides: &Overrides, files: Vec<PathBuf>) -> Result<Settings, Errors> {
    let Draft { global, security, default_listener, listeners, mut warnings, .. } = draft;
    let written: Vec<ListenerDraft> = default_listener.into_iter().chain(listeners).collect();
    let local_only = written.is_empty();
    let mut settling = Settling {
        common: security,
        per_listener: given(&global.per_listener_settings, false),
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
    let mut errors = settling.errors.into_iter();
    if let Some(first) = errors.next() {
        return Err(Errors { first, rest: errors.collect() });
    }
    Ok(settings(global, overrides, listeners, local_only, files, warnings))
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
        per_listener_settings: given(&global.per_listener_settings, false),
        log: log_settings(&global, overrides),
        user: global.user,
        pid_file: global.pid_file.map(Into::into),
        allow_duplicate_messages: given(&global.allow_duplicate_messages, true),
        check_retain_source: given(&global.check_retain_source, false),
        global_max_connections: limit(&global.global_max_connections),
        max_inflight_messages: number(&global.max_inflight_messages, 20),
        max_inflight_bytes: 0,
        max_queued_messages: number(&global.max_queued_messages, 1_000),
        max_queued_bytes: number(&global.max_queued_bytes, 0),
        max_keepalive_s: number(&global.max_keepalive, 0),
        max_packet_size: number(&global.max_packet_size, 2_000_000),
        message_size_limit: number(&global.message_size_limit, 0),
        persistent_client_expiration_s: global.persistent_client_expiration_s,
        queue_qos0_messages: given(&global.queue_qos0_messages, false),
        retain_available: given(&global.retain_available, true),
        set_tcp_nodelay: given(&global.set_tcp_nodelay, false),
        sys_interval_s: number(&global.sys_interval, 10),
        upgrade_outgoing_qos: given(&global.upgrade_outgoing_qos, false),
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
        to_file: dest.file.clone().map(Into::into),
        types,
        timestamp: given(&global.log_timestamp, true),
        timestamp_format: global.log_timestamp_format.as_ref().map(|format| format.value.clone()),
        connection_messages: given(&global.connection_messages, true),
    }
}

fn local_listeners(overrides: &Overrides) -> Vec<ListenerDraft> {
    let ports = if overrides.ports.is_empty() { &[PORT_DEFAULT][..] } else { &overrides.ports };
    let local = |port: &u16, address: &str| ListenerDraft {
        port: Some(crate::Located::from_command_line(i64::from(*port))),
        address: Some(crate::Located::from_command_line(address.to_owned())),
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
        let psk = written.psk_hint.clone().map(|hint| Psk {
            hint,
            file: own.psk_file.clone().map(Into::into),
            ciphers: written.ciphers.clone(),
            tls_version_min: written.tls_version.unwrap_or_default(),
        });
        let allow_anonymous = written.allow_anonymous.as_ref().or(own.allow_anonymous.as_ref());
        let auto_id_prefix = written.auto_id_prefix.as_ref().or(own.auto_id_prefix.as_ref());
        Listener {
            at: written.port.as_ref().map(|port| port.at.clone()).filter(|_| !self.local_only),
            port: number(&written.port, PORT_DEFAULT),
            socket_domain: written.socket_domain,
            max_connections: limit(&written.max_connections),
            protocol_versions: written.protocol_versions.unwrap_or(ALL_VERSIONS),
            max_qos: number(&written.max_qos, 2),
            max_topic_alias: number(&written.max_topic_alias, 10),
            max_topic_alias_broker: number(&written.max_topic_alias_broker, 10),
            allow_anonymous: allow_anonymous.map_or(self.local_only, |given| given.value),
            allow_zero_length_clientid: given(&own.allow_zero_length_clientid, true),
            auto_id_prefix: auto_id_prefix.map_or_else(|| "auto-".to_owned(), |given| given.value.clone()),
            password_file: own.password_file.clone().map(Into::into),
            acl_file: own.acl_file.clone().map(Into::into),
            address: written.address.map(|address| address.value),
            certificates,
            psk,
        }
    }

    fn certificates(&mut self, written: &ListenerDraft) -> Option<Certificates> {
        let (certfile, keyfile) = match (&written.certfile, &written.keyfile) {
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
        let require_certificate = given(&written.require_certificate, false);
        if let (true, None, None, Some(at)) =
            (require_certificate, &written.cafile, &written.capath, &written.require_certificate)
        {
            self.fail(
                at,
                "'require_certificate' is given without 'cafile' or 'capath', so no client could come in.",
                "Name the roots of your clients' certificates with 'cafile'.",
            );
        }
        if let (Some(ciphers), None) = (&written.ciphers, &written.psk_hint) {
            self.warn(
                ciphers,
                "Warning: 'ciphers' is applied to PSK only; with certificates TLS has the suites of rustls, all of them \
                 with forward secrecy.",
            );
        }
        Some(Certificates {
            certfile: certfile.into(),
            keyfile: keyfile.into(),
            cafile: written.cafile.clone().map(Into::into),
            capath: written.capath.clone().map(Into::into),
            require_certificate,
            tls_version_min: written.tls_version.unwrap_or_default(),
        })
    }

    fn without_certificate(&mut self, written: &ListenerDraft) {
        for (option, name) in [(&written.cafile, "cafile"), (&written.capath, "capath")] {
            if let Some(alone) = option {
                let message = format!("'{name}' is given without 'certfile' and 'keyfile'.");
                self.fail(alone, &message, "Name the server's certificate and key, or remove the line.");
            }
        }
        if let Some(required) = written.require_certificate.as_ref().filter(|required| required.value) {
            self.warn(
                required,
                "Warning: 'require_certificate' does nothing without 'certfile' and 'keyfile': this listener asks no \
                 client for a certificate.",
            );
        }
    }

    fn psk_file_without_door(&mut self, listeners: &[Listener]) {
        let file = self.common.psk_file.clone();
        if let (Some(file), true) = (file, listeners.iter().all(|listener| listener.psk.is_none())) {
            self.warn(&file, "Warning: 'psk_file' does nothing without 'psk_hint', which turns TLS-PSK on.");
        }
        for psk in listeners.iter().filter_map(|listener| listener.psk.as_ref()).filter(|psk| psk.file.is_none()) {
            self.warn(&psk.hint, "Warning: 'psk_hint' is given without 'psk_file', so no client can come in here.");
        }
    }

    fn same_port_twice(&mut self, written: &[ListenerDraft]) {
        let place = |listener: &ListenerDraft| {
            (number(&listener.port, PORT_DEFAULT), listener.address.as_ref().map(|address| address.value.clone()))
        };
        for (index, later) in written.iter().enumerate() {
            let earlier = written.iter().take(index).find(|earlier| place(earlier) == place(later));
            if let (Some(_), Some(at)) = (earlier, &later.port) {
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

    fn fail<T>(&mut self, option: &crate::Located<T>, message: &str, mend: &str) {
        let fault = Fault::told(message, mend);
        self.errors.push(ConfigError { at: Some(option.at.clone()), included_at: None, fault });
    }

    fn warn<T>(&mut self, option: &crate::Located<T>, message: &str) {
        let at = Some(option.at.clone());
        self.warnings.push(Warning { at, level: Level::Warning, message: message.to_owned() });
    }
}

fn given(written: &Written<bool>, default: bool) -> bool {
    written.as_ref().map_or(default, |given| given.value)
}

/// mosquitto takes what is below zero for zero; the table keeps what is too large out.
fn number<T: TryFrom<i64>>(written: &Written<i64>, default: T) -> T {
    written.as_ref().and_then(|given| T::try_from(given.value.max(0)).ok()).unwrap_or(default)
}

/// Below zero is no limit.
fn limit(written: &Written<i64>) -> Option<u32> {
    written.as_ref().and_then(|given| u32::try_from(given.value).ok())
}
