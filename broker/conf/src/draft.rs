//! What was written, line by line, before anything is concluded from it.

use std::path::PathBuf;

use crate::bridge::BridgeDraft;
use crate::fault::{Level, Warning};
use crate::log::LogTypes;
use crate::plugin::PluginDraft;
use crate::{Fault, Located, Place, Protocol, ProtocolVersions, SocketDomain, TlsVersion};

/// A value, if its line was there.
#[derive(Clone, Debug)]
pub(crate) struct Written<T>(pub(crate) Option<Located<T>>);

impl<T> Default for Written<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T> From<Located<T>> for Written<T> {
    fn from(value: Located<T>) -> Self {
        Self(Some(value))
    }
}

impl<T> Written<T> {
    pub(crate) const fn is_none(&self) -> bool {
        self.0.is_none()
    }

    pub(crate) const fn get(&self) -> Option<&Located<T>> {
        self.0.as_ref()
    }
}

impl Written<bool> {
    pub(crate) fn or(&self, default: bool) -> bool {
        self.get().map_or(default, |given| given.value)
    }
}

impl Written<i64> {
    /// mosquitto takes what is below zero for zero; the table keeps what is too large out.
    pub(crate) fn number<T: TryFrom<i64>>(&self, default: T) -> T {
        self.get().and_then(|given| T::try_from(given.value.max(0)).ok()).unwrap_or(default)
    }

    /// Zero and what is below it is no limit, as with mosquitto.
    pub(crate) fn limit(&self) -> Option<u32> {
        self.get().and_then(|given| u32::try_from(given.value).ok()).filter(|most| *most > 0)
    }
}

impl Written<String> {
    pub(crate) fn path(&self) -> Option<Located<PathBuf>> {
        self.0.clone().map(Into::into)
    }
}

/// Everything read so far, and where the next line belongs.
#[derive(Default)]
pub(crate) struct Draft {
    pub(crate) global: Global,
    pub(crate) security: Security,
    /// The listener that `port` and its like speak of without naming it.
    pub(crate) default_listener: Option<ListenerDraft>,
    pub(crate) listeners: Vec<ListenerDraft>,
    /// The latest `listener` of the file being read.
    pub(crate) current: Option<usize>,
    pub(crate) bridges: Vec<BridgeDraft>,
    /// The latest `connection` of the file being read.
    pub(crate) current_bridge: Option<usize>,
    pub(crate) plugins: Vec<PluginDraft>,
    /// A plugin was named in the file being read.
    pub(crate) has_plugin: bool,
    /// Values of the command line take the place of those in the files.
    pub(crate) overriding: bool,
    /// The line being read.
    pub(crate) at: Option<Place>,
    pub(crate) warnings: Vec<Warning>,
    /// Asked for by the line just read.
    pub(crate) include_dir: Option<String>,
}

/// What holds for the whole broker.
#[derive(Default)]
pub(crate) struct Global {
    pub(crate) per_listener_settings: Written<bool>,
    pub(crate) user: Written<String>,
    pub(crate) pid_file: Written<String>,
    pub(crate) log_dest: LogDestinations,
    pub(crate) log_types: Option<LogTypes>,
    pub(crate) log_facility: Written<i64>,
    pub(crate) log_timestamp: Written<bool>,
    pub(crate) log_timestamp_format: Written<String>,
    pub(crate) connection_messages: Written<bool>,
    pub(crate) allow_duplicate_messages: Written<bool>,
    pub(crate) check_retain_source: Written<bool>,
    pub(crate) max_connections: Written<i64>,
    pub(crate) max_inflight_messages: Written<i64>,
    pub(crate) max_queued_messages: Written<i64>,
    pub(crate) max_inflight_bytes: Written<i64>,
    pub(crate) max_queued_bytes: Written<i64>,
    pub(crate) max_keepalive: Written<i64>,
    pub(crate) max_packet_size: Written<i64>,
    pub(crate) packet_buffer_size: Written<i64>,
    pub(crate) message_size_limit: Written<i64>,
    pub(crate) persistence: Written<bool>,
    pub(crate) persistence_location: Written<String>,
    pub(crate) persistence_file: Written<String>,
    pub(crate) autosave_interval: Written<i64>,
    pub(crate) autosave_on_changes: Written<bool>,
    pub(crate) persistent_client_expiration_s: Option<u64>,
    pub(crate) queue_qos0_messages: Written<bool>,
    pub(crate) retain_available: Written<bool>,
    pub(crate) set_tcp_nodelay: Written<bool>,
    pub(crate) sys_interval: Written<i64>,
    pub(crate) upgrade_outgoing_qos: Written<bool>,
    pub(crate) max_clients: Written<i64>,
    pub(crate) memory_limit: Written<i64>,
    pub(crate) retain_expiry_interval: Written<i64>,
    pub(crate) clientid_prefixes: Written<String>,
    pub(crate) enable_control_api: Written<bool>,
}

#[derive(Default)]
pub(crate) struct LogDestinations {
    pub(crate) given: bool,
    pub(crate) stderr: bool,
    pub(crate) stdout: bool,
    pub(crate) json: bool,
    pub(crate) syslog: bool,
    pub(crate) journal: bool,
    pub(crate) topic: bool,
    pub(crate) file: Written<String>,
}

/// What is global, or a listener's own with `per_listener_settings true`.
#[derive(Clone, Default)]
pub(crate) struct Security {
    pub(crate) allow_anonymous: Written<bool>,
    pub(crate) allow_zero_length_clientid: Written<bool>,
    pub(crate) auto_id_prefix: Written<String>,
    pub(crate) password_file: Written<String>,
    pub(crate) acl_file: Written<String>,
    pub(crate) psk_file: Written<String>,
}

impl Security {
    pub(crate) fn is_untouched(&self) -> bool {
        self.allow_anonymous.is_none()
            && self.allow_zero_length_clientid.is_none()
            && self.auto_id_prefix.is_none()
            && self.password_file.is_none()
            && self.acl_file.is_none()
            && self.psk_file.is_none()
    }
}

#[derive(Clone, Default)]
pub(crate) struct ListenerDraft {
    /// Its line was refused; it is here so that the options below have something to speak of.
    pub(crate) is_broken: bool,
    pub(crate) port: Written<i64>,
    pub(crate) address: Written<String>,
    pub(crate) protocol: Protocol,
    pub(crate) websockets_origins: Vec<Located<String>>,
    pub(crate) http_dir: Written<String>,
    pub(crate) unix: Written<String>,
    pub(crate) socket_domain: SocketDomain,
    pub(crate) interface: Written<String>,
    pub(crate) mount_point: Written<String>,
    pub(crate) max_connections: Written<i64>,
    pub(crate) protocol_versions: Option<ProtocolVersions>,
    pub(crate) max_qos: Written<i64>,
    pub(crate) max_topic_alias: Written<i64>,
    pub(crate) max_topic_alias_broker: Written<i64>,
    pub(crate) allow_anonymous: Written<bool>,
    pub(crate) auto_id_prefix: Written<String>,
    pub(crate) security: Security,
    pub(crate) certfile: Written<String>,
    pub(crate) keyfile: Written<String>,
    pub(crate) cafile: Written<String>,
    pub(crate) capath: Written<String>,
    pub(crate) require_certificate: Written<bool>,
    pub(crate) tls_version: Option<TlsVersion>,
    pub(crate) ciphers: Written<String>,
    pub(crate) ciphers_tls13: Written<String>,
    pub(crate) crlfile: Written<String>,
    pub(crate) any_client_dates: Written<bool>,
    pub(crate) psk_hint: Written<String>,
    pub(crate) proxy: Written<i64>,
    pub(crate) proxy_requires_tls: Written<bool>,
    pub(crate) use_identity_as_username: Written<bool>,
    pub(crate) use_subject_as_username: Written<bool>,
    pub(crate) use_username_as_clientid: Written<bool>,
}

impl Draft {
    /// The listener that the line being read belongs to; the default one comes to be when first spoken of.
    pub(crate) fn listener(&mut self) -> &mut ListenerDraft {
        match self.current.and_then(|index| self.listeners.get_mut(index)) {
            Some(listener) => listener,
            None => self.default_listener.get_or_insert_default(),
        }
    }

    pub(crate) fn default_listener(&mut self) -> &mut ListenerDraft {
        self.default_listener.get_or_insert_default()
    }

    pub(crate) fn has_listener(&self) -> bool {
        self.current.is_some() || self.default_listener.is_some()
    }

    /// The bridge that the line being read belongs to; where there is none the line was refused before.
    pub(crate) fn bridge(&mut self) -> &mut BridgeDraft {
        let at = self.current_bridge.unwrap_or(self.bridges.len());
        if at >= self.bridges.len() {
            self.bridges.push(BridgeDraft { is_broken: true, ..BridgeDraft::default() });
        }
        let last = self.bridges.len() - 1;
        &mut self.bridges[at.min(last)]
    }

    /// `value`, or `least` with a notice that says so.
    pub(crate) fn raised(&mut self, value: i64, least: i64, notice: &str) -> i64 {
        if value < least {
            self.warn(Level::Notice, notice);
        }
        value.max(least)
    }

    pub(crate) fn security(&mut self) -> &mut Security {
        if self.is_per_listener() { &mut self.listener().security } else { &mut self.security }
    }

    pub(crate) fn is_per_listener(&self) -> bool {
        self.global.per_listener_settings.or(false)
    }

    pub(crate) fn place(&self) -> Place {
        self.at.clone().unwrap_or(Place::command_line())
    }

    pub(crate) fn located<T>(&self, value: T) -> Located<T> {
        Located::new(value, self.place())
    }

    pub(crate) fn warn(&mut self, level: Level, message: impl Into<String>) {
        self.warnings.push(Warning { at: self.at.clone(), level, message: message.into() });
    }

    pub(crate) fn set_text(
        &mut self,
        slot: fn(&mut Self) -> &mut Written<String>,
        name: &str,
        value: String,
    ) -> Result<(), Fault> {
        let value = self.located(value);
        let overriding = self.overriding;
        let written = slot(self);
        match written.get() {
            Some(first) if !overriding => {
                return Err(Fault::Duplicate { name: name.to_owned(), first: first.at.clone() });
            }
            _ => *written = value.into(),
        }
        Ok(())
    }
}

impl Draft {
    /// Whether no security option was given yet, here or on any listener.
    pub(crate) fn security_is_untouched(&self) -> bool {
        self.security.is_untouched()
            && self.plugins.is_empty()
            && self.default_listener.iter().chain(&self.listeners).all(|listener| listener.security.is_untouched())
    }
}
