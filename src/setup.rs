//! From mosquitto.conf to a broker that can be started: every file that the configuration names is read here, once
//! before any port is bound, and again when the operator asks for it.

mod http;
mod protection;
mod reload;
mod rules;

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use acl::LineFault;
use broker::{Appliance, Autosave, Durability, Keeping, ListenerConfig};
use broker_conf::{Listener, Located, Protocol, Settings};
use broker_core::{ListenerInfo, ListenerSettings, VersionSet};
use mqtt::QoS;

use crate::moving::place;
use crate::{addresses, called};
use protection::{key_log, protection, tell_key_log};
pub(crate) use protection::{of_listener, server_files};
pub(crate) use reload::{Slots, protections, reloaded};
pub(crate) use rules::acl_of;
use rules::{Files, Rules, rules};

/// Bytes of a password, ACL or PSK file: a million users fit.
const FILE_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// What keeps the broker from starting: what, where, and how to mend it, in one line or more, of which the first is
/// mosquitto's where it has a fixed one; and the status that the process ends with.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct SetupError(pub String, pub Status);

/// The status of a start that failed, which is mosquitto's: scripts and units look at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// The machine does not have or give what is asked for: an address, a good certificate, a place to write.
    Refused = 1,
    /// Something is written wrongly, in the configuration or in a file that it names.
    Wrong = 3,
    /// A file of passwords, rules or keys cannot be opened.
    Unopened = 13,
}

/// Reads everything and joins it.
///
/// `warnings` gets what can be used and is probably not meant.
///
/// # Errors
/// Everything that is wrong, not only the first.
pub(crate) fn appliance(settings: &Settings, warnings: &mut Vec<String>) -> Result<Appliance, Vec<SetupError>> {
    let mut errors = Vec::new();
    let mut files = Files::default();
    let Rules { rules, acl_files, passwords } =
        rules(settings.listeners.iter().map(Some), &mut files, &mut errors, warnings);
    let key_log = key_log(settings, warnings);
    if key_log.is_some() {
        tell_key_log(settings);
    }
    let mut listeners = Vec::new();
    for listener in &settings.listeners {
        let addresses = addresses::of(listener, warnings).unwrap_or_else(|error| {
            errors.push(error);
            Vec::new()
        });
        let protection = protection(settings, listener, key_log.as_ref(), &mut errors, warnings);
        listeners.push(ListenerConfig {
            addresses,
            unix: listener.unix.clone(),
            max_connections: listener.max_connections,
            protection,
        });
    }
    let http_api = http::api(settings, &mut files, key_log.as_ref(), &mut errors, warnings);
    if !errors.is_empty() {
        return Err(errors);
    }
    Ok(Appliance {
        listeners,
        http_api,
        settings: core_settings(settings),
        rules,
        acl_files,
        passwords,
        connection_messages: settings.log.connection_messages,
        connections_max: settings.global_max_connections,
        strangers_max: broker::STRANGERS_MAX,
        stalled_time_max: broker::STALLED_TIME_MAX,
        io_threads: 0,
        keeping: None,
        gather: broker::GATHER_TIME,
        heartbeat: None,
        heap: crate::heap::bytes,
    })
}

/// Cores that this process may use.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// How what must outlive the process is kept; `None`: nothing is to.
pub(crate) fn keeping(settings: &Settings, durability: Durability, warnings: &mut Vec<String>) -> Option<Keeping> {
    let persistence = &settings.persistence;
    if !persistence.is_on {
        if durability != Durability::default() {
            warnings.push(
                "durability (nightjar.toml) does nothing without 'persistence true' in mosquitto.conf: sessions and \
                 retained messages are in memory only."
                    .to_owned(),
            );
        }
        return None;
    }
    if let Some(autosave) = persistence.autosave.as_ref().filter(|_| durability != Durability::Relaxed) {
        warnings.push(format!(
            "autosave_interval ({}) has a meaning with 'durability = \"relaxed\"' in nightjar.toml only: without it everything \
             is on the disk when it is acknowledged, or soon after.",
            autosave.at
        ));
    }
    let number = persistence.autosave.as_ref().map_or(AUTOSAVE_DEFAULT, |autosave| autosave.value);
    let autosave = match (number, persistence.autosave_on_changes) {
        (0, _) => Autosave::AtTheEnd,
        (changes, true) => Autosave::After(changes.into()),
        (seconds, false) => Autosave::Every(Duration::from_secs(seconds.into())),
    };
    Some(Keeping { dir: place::store_dir(place::location(settings).as_deref()), durability, autosave })
}

/// mosquitto's.
const AUTOSAVE_DEFAULT: u32 = 1800;

fn path_of(file: Option<&Located<PathBuf>>) -> Option<PathBuf> {
    file.map(|file| file.value.clone())
}

fn parsed<T>(
    file: &Located<PathBuf>,
    option: &str,
    parse: impl FnOnce(&[u8]) -> Result<T, Vec<LineFault>>,
) -> Result<T, SetupError> {
    let path = &file.value;
    let bytes = read(path)
        .map_err(|cause| SetupError(cannot_open(path, option, &file.at.to_string(), &cause), Status::Unopened))?;
    parse(&bytes).map_err(|faults| {
        let mut text = format!("Error: {option} {} cannot be used:", path.display());
        for fault in faults {
            let _ = write!(text, "\n  {}, {fault}", path.display());
        }
        SetupError(text, Status::Wrong)
    })
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut options = fs::OpenOptions::new();
    options.read(true);
    if std::env::var_os("MOSQUITTO_UNSAFE_ALLOW_SYMLINKS").is_none() {
        // As mosquitto 2.1: who may put a link there could have root read what is not theirs.
        std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, nix::libc::O_NOFOLLOW);
    }
    let file = options.open(path).map_err(|error| match error.raw_os_error() {
        Some(nix::libc::ELOOP) => io::Error::other(
            "it is a symbolic link: name the file itself, or set the environment variable \
             MOSQUITTO_UNSAFE_ALLOW_SYMLINKS where links are put by nobody else (Kubernetes)",
        ),
        _ => error,
    })?;
    file.take(FILE_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// mosquitto's line, which knows one word for files of passwords and of keys; then the path, the cause, and a path that is
/// there and looks like it.
pub(crate) fn cannot_open(path: &Path, option: &str, at: &str, cause: &io::Error) -> String {
    let what = match option {
        "password_file" | "psk_file" => "pwfile",
        other => other,
    };
    let path_text = path.display();
    let mut text = format!("Error: Unable to open {what} \"{path_text}\".\n{option} \"{path_text}\": {cause} ({at}).");
    if cause.kind() == io::ErrorKind::NotFound
        && let Some(near) = certs::closest_existing(path)
    {
        let _ = write!(text, " Did you mean \"{}\"?", near.display());
    }
    text
}

fn core_settings(settings: &Settings) -> broker_core::Settings {
    broker_core::Settings {
        allow_duplicate_messages: settings.allow_duplicate_messages,
        max_inflight_messages: settings.max_inflight_messages,
        max_inflight_bytes: usize::try_from(settings.max_inflight_bytes).unwrap_or(usize::MAX),
        max_queued_messages: settings.max_queued_messages as usize,
        max_queued_bytes: usize::try_from(settings.max_queued_bytes).unwrap_or(usize::MAX),
        queue_qos0_messages: settings.queue_qos0_messages,
        max_keepalive_s: settings.max_keepalive_s,
        max_packet_size: settings.max_packet_size,
        message_size_limit: settings.message_size_limit,
        retain_available: settings.retain_available,
        check_retain_source: settings.check_retain_source,
        sys_interval_s: settings.sys_interval_s,
        version: called::name_and_version(),
        upgrade_outgoing_qos: settings.upgrade_outgoing_qos,
        persistent_client_expiration_s: settings.persistent_client_expiration_s,
        retained_bytes_max: memory_bytes().map_or(broker_core::RETAINED_BYTES_MAX, |all| all / 4),
        subscribed_bytes_per_session_max: broker_core::SUBSCRIBED_BYTES_PER_SESSION_MAX,
        backlogs_bytes_max: memory_bytes().map_or(broker_core::BACKLOGS_BYTES_MAX, |all| all / 8),
        reason_strings: false,
        clients_max: settings.global_max_clients,
        client_id_prefix: settings.clientid_prefixes.clone(),
        retain_expiry_s: settings.retain_expiry_s,
        memory_bytes_max: settings.memory_limit,
        control_api: settings.enable_control_api.then(|| http::all(settings).map(listener_info).collect()),
        listeners: settings.listeners.iter().map(listener_settings).collect(),
    }
}

/// The machine's memory.
fn memory_bytes() -> Option<usize> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok().and_then(|kib: usize| kib.checked_mul(1024))
}

/// As `$CONTROL/broker/v1` tells of it.
fn listener_info(listener: &Listener) -> ListenerInfo {
    let protocol = match listener.protocol {
        Protocol::Mqtt => "mqtt",
        Protocol::WebSockets => "websockets",
        Protocol::HttpApi => "httpapi",
    };
    ListenerInfo {
        port: listener.port,
        protocol: Some(protocol.to_owned()),
        bind_address: listener.address.clone(),
        socket_path: listener.unix.as_ref().map(|path| path.display().to_string()),
        tls: listener.certificates.is_some() || listener.psk.is_some(),
    }
}

fn listener_settings(listener: &Listener) -> ListenerSettings {
    let versions = listener.protocol_versions;
    ListenerSettings {
        is_closed: false,
        allow_anonymous: listener.allow_anonymous,
        allow_zero_length_clientid: listener.allow_zero_length_clientid,
        auto_id_prefix: listener.auto_id_prefix.clone(),
        checks_passwords: listener.password_file.is_some(),
        names_by_door: listener.username_from.is_some(),
        username_as_client_id: listener.use_username_as_clientid,
        mount_point: listener.mount_point.as_ref().map(|mount| mount.value.clone()),
        versions: VersionSet { v31: versions.v31, v311: versions.v311, v5: versions.v5 },
        max_qos: QoS::from_u8(listener.max_qos).unwrap_or(QoS::ExactlyOnce),
        max_topic_alias: listener.max_topic_alias,
        max_topic_alias_broker: listener.max_topic_alias_broker,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config_files::OnDisk;

    #[test]
    fn what_only_time_shows_reaches_the_broker() {
        let dir = tempfile::tempdir().expect("a folder");
        let read = |text: &str| {
            let path = dir.path().join("mosquitto.conf");
            fs::write(&path, format!("listener 1883\npersistence true\n{text}")).expect("a file");
            broker_conf::parse(Some(&path), &mut OnDisk, &broker_conf::Overrides::default()).expect("a configuration")
        };
        let autosave = |text: &str| {
            let keeping = keeping(&read(text), Durability::Relaxed, &mut Vec::new());
            keeping.expect("persistence").autosave
        };
        assert_eq!(autosave(""), Autosave::Every(Duration::from_secs(1800)));
        assert_eq!(autosave("autosave_interval 7\n"), Autosave::Every(Duration::from_secs(7)));
        assert_eq!(autosave("autosave_interval 7\nautosave_on_changes true\n"), Autosave::After(7));
        assert_eq!(autosave("autosave_interval 0\n"), Autosave::AtTheEnd);
        assert_eq!(core_settings(&read("")).retain_expiry_s, None);
        assert_eq!(core_settings(&read("retain_expiry_interval 5\n")).retain_expiry_s, Some(300));
    }
}
