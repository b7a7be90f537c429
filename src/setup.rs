//! From mosquitto.conf to a broker that can be started: every file that the configuration names is read here, once
//! before any port is bound, and again when the operator asks for it.

mod http;

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Read as _};
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use acl::{Acl, LineFault, PasswordFile, PskFile};
use broker::{Appliance, Autosave, Durability, Keeping, ListenerConfig, Protection, Reloaded, WebSocketRules};
use broker_conf::{Listener, Located, Protocol, Settings, SocketDomain};
use broker_core::{ListenerSettings, VersionSet};
use mqtt::QoS;
use openssl::ssl::SslContext;

use crate::moving::place;

/// Bytes of a password, ACL or PSK file: a million users fit.
const FILE_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// A file that the configuration names cannot be used: what, where, and how to mend it; each one line or more.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct SetupError(pub String);

/// Reads everything and joins it.
///
/// `warnings` gets what can be used and is probably not meant.
///
/// # Errors
/// Everything that is wrong, not only the first.
pub(crate) fn appliance(settings: &Settings, warnings: &mut Vec<String>) -> Result<Appliance, Vec<SetupError>> {
    let mut errors = Vec::new();
    let rules = rules(&settings.listeners, &mut errors, warnings);
    let mut listeners = Vec::new();
    for listener in &settings.listeners {
        let addresses = addresses(listener).unwrap_or_else(|error| {
            errors.push(error);
            Vec::new()
        });
        let protection = protection(settings, listener, &mut errors, warnings);
        listeners.push(ListenerConfig { addresses, max_connections: listener.max_connections, protection });
    }
    let http_api = http::api(settings, &mut errors, warnings);
    if !errors.is_empty() {
        return Err(errors);
    }
    Ok(Appliance {
        listeners,
        http_api,
        settings: core_settings(settings),
        acl: rules.acl,
        passwords: rules.passwords,
        connection_messages: settings.log.connection_messages,
        connections_max: settings.global_max_connections,
        strangers_max: broker::STRANGERS_MAX,
        stalled_time_max: broker::STALLED_TIME_MAX,
        io_threads: 0,
        keeping: None,
        gather: broker::GATHER_TIME,
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

/// Reads the files again, as `read` names them, for the listeners of `running`. What is wrong leaves everything as it
/// was; what counts only after a restart is told in `warnings`.
pub(crate) fn reloaded(
    running: &Settings,
    read: &Settings,
    warnings: &mut Vec<String>,
) -> Result<Reloaded, Vec<SetupError>> {
    let mut errors = Vec::new();
    let rules = rules(&read.listeners, &mut errors, warnings);
    let mut protections = Vec::new();
    for listener in &running.listeners {
        // By its place, not by its number: a listener written before it must not give it another's door.
        let again = read.listeners.iter().find(|other| place(other) == place(listener));
        let again = again.filter(|again| doors(again) == doors(listener));
        protections.push(again.map(|again| protection(read, again, &mut errors, warnings)));
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    let http_access = if http::are_same(running, read) { http::access(read, &mut errors, warnings) } else { None };
    if !errors.is_empty() {
        return Err(errors);
    }
    let waits = waits_for_restart(running, read);
    if !waits.is_empty() {
        warnings.push(format!("changes that count only after a restart: {}.", waits.join("; ")));
    }
    let settings = are_same_listeners(running, read).then(|| core_settings(read));
    Ok(Reloaded { acl: rules.acl, passwords: rules.passwords, protections, http_access, settings })
}

/// What makes a listener of one reading that of another.
fn place(listener: &Listener) -> (u16, Option<&str>, SocketDomain) {
    (listener.port, listener.address.as_deref(), listener.socket_domain)
}

fn are_same_listeners(before: &Settings, now: &Settings) -> bool {
    before.listeners.iter().map(place).eq(now.listeners.iter().map(place))
}

/// Certificates, pre-shared keys, both, or neither, and what is spoken behind them.
const fn doors(listener: &Listener) -> (bool, bool, Protocol) {
    (listener.certificates.is_some(), listener.psk.is_some(), listener.protocol)
}

/// What was changed since the start and is not taken over by a running appliance.
fn waits_for_restart(before: &Settings, now: &Settings) -> Vec<&'static str> {
    let are_same = are_same_listeners(before, now);
    let limits = |settings: &Settings| {
        let each = settings.listeners.iter().map(|listener| listener.max_connections).collect::<Vec<_>>();
        (each, settings.global_max_connections)
    };
    let log = |settings: &Settings| {
        let file = path_of(settings.log.to_file.as_ref());
        (file, broker_conf::LogSettings { to_file: None, ..settings.log.clone() })
    };
    let user = |settings: &Settings| settings.user.as_ref().map(|user| user.value.clone());
    let pid_file = |settings: &Settings| path_of(settings.pid_file.as_ref());
    let is_other_door = |(one, other): (&Listener, &Listener)| doors(one) != doors(other);
    [
        (!are_same, "listeners were added, removed or moved (until then all options but the files stay as they are)"),
        (
            are_same && before.listeners.iter().zip(&now.listeners).any(is_other_door),
            "a listener got or lost its TLS options, or has another protocol",
        ),
        (!http::are_same(before, now), "a listener with 'protocol http_api' was added, removed or changed"),
        (are_same && limits(before) != limits(now), "max_connections, global_max_connections"),
        (log(before) != log(now), "the options of the log"),
        (user(before) != user(now), "user"),
        (pid_file(before) != pid_file(now), "pid_file"),
        (before.persistence != now.persistence, "the options of persistence"),
    ]
    .into_iter()
    .filter_map(|(is_changed, what)| is_changed.then_some(what))
    .collect()
}

struct Rules {
    acl: Acl,
    passwords: Option<PasswordFile>,
}

fn path_of(file: Option<&Located<PathBuf>>) -> Option<PathBuf> {
    file.map(|file| file.value.clone())
}

/// The files of these listeners, which have the same.
fn rules(listeners: &[Listener], errors: &mut Vec<SetupError>, warnings: &mut Vec<String>) -> Rules {
    let first = listeners.first();
    let differ = listeners.iter().any(|listener| {
        let files = |of: &Listener| (path_of(of.acl_file.as_ref()), path_of(of.password_file.as_ref()));
        first.is_some_and(|first| files(first) != files(listener))
    });
    if differ {
        // With the first listener's files for all, the wrong people would come in.
        errors.push(SetupError(
            "Error: per_listener_settings with a different acl_file or password_file for each listener is not carried \
             out yet: give all listeners the same files, or run an appliance for each."
                .to_owned(),
        ));
    }
    let acl_file = first.and_then(|listener| listener.acl_file.as_ref());
    let password_file = first.and_then(|listener| listener.password_file.as_ref());
    let acl = acl_file.map_or_else(
        || Ok(Acl::open()),
        |file| {
            let acl = parsed(file, "acl_file", Acl::parse)?;
            warnings.extend(acl.warnings().iter().map(|warning| format!("{}, {warning}", file.value.display())));
            Ok(acl)
        },
    );
    let passwords = password_file.map(|file| parsed(file, "password_file", PasswordFile::parse)).transpose();
    let acl = acl.unwrap_or_else(|error| {
        errors.push(error);
        Acl::open() // never used: there are errors
    });
    let passwords = passwords.unwrap_or_else(|error| {
        errors.push(error);
        None
    });
    Rules { acl, passwords }
}

fn parsed<T>(
    file: &Located<PathBuf>,
    option: &str,
    parse: impl FnOnce(&[u8]) -> Result<T, Vec<LineFault>>,
) -> Result<T, SetupError> {
    let path = &file.value;
    let bytes = read(path).map_err(|cause| SetupError(cannot_open(path, option, &file.at.to_string(), &cause)))?;
    parse(&bytes).map_err(|faults| {
        let mut text = format!("Error: {option} {} cannot be used:", path.display());
        for fault in faults {
            let _ = write!(text, "\n  {}, {fault}", path.display());
        }
        SetupError(text)
    })
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(FILE_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The path, the cause, and a path that is there and looks like it.
pub(crate) fn cannot_open(path: &Path, option: &str, at: &str, cause: &io::Error) -> String {
    let mut text = format!("Error: Unable to open {option} file \"{}\": {cause} ({at}).", path.display());
    if cause.kind() == io::ErrorKind::NotFound
        && let Some(near) = certs::closest_existing(path)
    {
        let _ = write!(text, " Did you mean \"{}\"?", near.display());
    }
    text
}

fn addresses(listener: &Listener) -> Result<Vec<SocketAddr>, SetupError> {
    let wanted = |address: &SocketAddr| match listener.socket_domain {
        SocketDomain::Any => true,
        SocketDomain::Ipv4 => address.is_ipv4(),
        SocketDomain::Ipv6 => address.is_ipv6(),
    };
    let Some(host) = &listener.address else {
        let mut all = vec![SocketAddr::from(([0, 0, 0, 0], listener.port))];
        if has_ipv6() {
            all.push(SocketAddr::from(([0_u16; 8], listener.port)));
        }
        return Ok(all.into_iter().filter(wanted).collect());
    };
    let at = listener.at.as_ref().map_or_else(String::new, |at| format!(" ({at})"));
    let found: Vec<SocketAddr> = (host.as_str(), listener.port)
        .to_socket_addrs()
        .map_err(|cause| {
            SetupError(format!(
                "Error: the listener's address {host} cannot be found: {cause}{at}. Use an address of this machine."
            ))
        })?
        .filter(wanted)
        .collect();
    if found.is_empty() {
        return Err(SetupError(format!("Error: {host} has no address of the listener's socket_domain{at}.")));
    }
    Ok(found)
}

/// Whether this machine speaks IPv6: where it does not, listening on all addresses means IPv4.
fn has_ipv6() -> bool {
    std::net::UdpSocket::bind("[::]:0").is_ok()
}

/// Which listener a file belongs to, behind a message that names the file: several may have certificates.
pub(crate) fn of_listener(listener: &Listener) -> String {
    listener.at.as_ref().map_or_else(String::new, |at| format!(" (for the listener of {at})"))
}

/// The certificate files of a listener, if it has any.
pub(crate) fn server_files(listener: &Listener) -> Option<certs::ServerFiles> {
    let files = listener.certificates.as_ref()?;
    Some(certs::ServerFiles {
        cafile: files.cafile.as_ref().map(|file| file.value.clone()),
        capath: files.capath.as_ref().map(|file| file.value.clone()),
        certfile: files.certfile.value.clone(),
        keyfile: files.keyfile.value.clone(),
        require_certificate: files.require_certificate,
        min_version: match files.tls_version_min {
            broker_conf::TlsVersion::V12 => certs::TlsVersion::Tls12,
            broker_conf::TlsVersion::V13 => certs::TlsVersion::Tls13,
        },
    })
}

fn protection(
    settings: &Settings,
    listener: &Listener,
    errors: &mut Vec<SetupError>,
    warnings: &mut Vec<String>,
) -> Protection {
    let mut protection = Protection { websocket: websocket(settings, listener), ..Protection::default() };
    if let Some(files) = server_files(listener) {
        match certs::server_config(&files) {
            Ok(config) => protection.certificates = Some(config),
            Err(error) => errors.push(SetupError(format!("Error: {error}{}", of_listener(listener)))),
        }
    }
    if let Some(psk) = &listener.psk {
        match psk_context(psk, warnings) {
            Ok(context) => protection.psk = Some(context),
            Err(error) => errors.push(error),
        }
    }
    protection
}

fn websocket(settings: &Settings, listener: &Listener) -> Option<Arc<WebSocketRules>> {
    let is_one = listener.protocol == Protocol::WebSockets;
    is_one.then(|| {
        Arc::new(WebSocketRules {
            head_bytes_max: settings.packet_buffer_size.into(),
            origins: listener.websockets_origins.clone(),
        })
    })
}

fn psk_context(psk: &broker_conf::Psk, warnings: &mut Vec<String>) -> Result<SslContext, SetupError> {
    let keys = match &psk.file {
        Some(file) => {
            let keys = parsed(file, "psk_file", PskFile::parse)?;
            warnings.extend(keys.warnings().iter().map(|warning| format!("{}, {warning}", file.value.display())));
            Some(keys)
        }
        None => None,
    };
    let keys = Arc::new(keys);
    let lookup: certs::PskLookup =
        Arc::new(move |identity| keys.as_ref().as_ref()?.key_of(identity).map(<[u8]>::to_vec));
    let ciphers = psk.ciphers.as_ref().map(|list| list.value.as_str());
    certs::psk_server_context(Some(&psk.hint.value), ciphers, lookup)
        .map_err(|error| SetupError(format!("Error: {error}")))
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
        upgrade_outgoing_qos: settings.upgrade_outgoing_qos,
        persistent_client_expiration_s: settings.persistent_client_expiration_s,
        retained_bytes_max: memory_bytes().map_or(broker_core::RETAINED_BYTES_MAX, |all| all / 4),
        subscribed_bytes_per_session_max: broker_core::SUBSCRIBED_BYTES_PER_SESSION_MAX,
        backlogs_bytes_max: memory_bytes().map_or(broker_core::BACKLOGS_BYTES_MAX, |all| all / 8),
        reason_strings: false,
        listeners: settings.listeners.iter().map(listener_settings).collect(),
    }
}

/// The machine's memory.
fn memory_bytes() -> Option<usize> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok().and_then(|kib: usize| kib.checked_mul(1024))
}

fn listener_settings(listener: &Listener) -> ListenerSettings {
    let versions = listener.protocol_versions;
    ListenerSettings {
        allow_anonymous: listener.allow_anonymous,
        allow_zero_length_clientid: listener.allow_zero_length_clientid,
        auto_id_prefix: listener.auto_id_prefix.clone(),
        checks_passwords: listener.password_file.is_some(),
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

    const TLS: &str = "listener 8883\nallow_anonymous true\npsk_file DIR/keys\npsk_hint h\n";

    fn settings(dir: &Path, conf: &str) -> Settings {
        let path = dir.join("mosquitto.conf");
        fs::write(&path, conf.replace("DIR", &dir.display().to_string())).expect("a file");
        broker_conf::parse(Some(&path), &mut OnDisk, &broker_conf::Overrides::default()).expect("a configuration")
    }

    fn folder() -> tempfile::TempDir {
        let dir = tempfile::tempdir().expect("a folder");
        fs::write(dir.path().join("keys"), "router:0badc0de\n").expect("a file");
        dir
    }

    #[test]
    fn a_listener_keeps_its_own_door_when_another_is_written_before_it() {
        let dir = folder();
        let running = settings(dir.path(), TLS);
        let read = settings(dir.path(), &format!("listener 1883\nallow_anonymous true\n{TLS}"));
        let mut warnings = Vec::new();
        let reloaded = reloaded(&running, &read, &mut warnings).expect("files that can be read");
        let doors: Vec<_> = reloaded.protections.iter().map(|p| p.as_ref().is_some_and(|p| p.psk.is_some())).collect();
        assert_eq!(doors, [true]);
        assert!(reloaded.settings.is_none(), "the core numbers its listeners");
        assert!(warnings.iter().any(|warning| warning.contains("listeners were added")), "{warnings:?}");
    }

    #[test]
    fn a_listener_does_not_lose_its_encryption_to_an_edited_file() {
        let dir = folder();
        let running = settings(dir.path(), TLS);
        let read = settings(dir.path(), "listener 8883\nallow_anonymous true\n");
        let mut warnings = Vec::new();
        let reloaded = reloaded(&running, &read, &mut warnings).expect("files that can be read");
        assert!(reloaded.protections[0].is_none());
        assert!(warnings.iter().any(|warning| warning.contains("lost its TLS options")), "{warnings:?}");
    }

    #[test]
    fn what_a_reload_does_not_take_over_is_said_and_what_it_does_is_not() {
        let dir = folder();
        let base = "listener 1883\nallow_anonymous true\n";
        let running = settings(dir.path(), base);
        let rows = [
            ("", None),
            ("max_keepalive 60\n", None),
            ("max_connections 7\n", Some("max_connections")),
            ("pid_file DIR/pid\n", Some("pid_file")),
            ("log_type error\n", Some("the options of the log")),
            ("user root\n", Some("user")),
        ];
        for (line, wanted) in rows {
            let mut warnings = Vec::new();
            let read = settings(dir.path(), &format!("{base}{line}"));
            let reloaded = reloaded(&running, &read, &mut warnings).expect("files that can be read");
            let said = warnings.iter().find(|warning| warning.contains("after a restart"));
            match wanted {
                None => assert_eq!(said, None, "{line}"),
                Some(words) => assert!(said.is_some_and(|said| said.contains(words)), "{line}: {warnings:?}"),
            }
            let settings = reloaded.settings.expect("the listeners are the same");
            assert_eq!(settings.max_keepalive_s, read.max_keepalive_s, "{line}");
        }
    }
}
