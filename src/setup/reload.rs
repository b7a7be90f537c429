//! What a reload takes over: everything is read and checked, and new ports are opened, before anything counts. What
//! cannot be taken over while the appliance runs is named.

use std::io;
use std::path::Path;

use broker::{ListenerConfig, Protection, Reloaded, ReloadedListener, StartError};
use broker_conf::{Listener, Protocol, Settings, SocketDomain};
use broker_core::ListenerSettings;

use crate::addresses;

use super::protection::{key_log, protection};
use super::{Files, Rules, SetupError, core_settings, http, listener_settings, path_of, rules};

/// The listeners by their numbers in the broker; `None` for a number that is free.
pub(crate) type Slots = Vec<Option<Listener>>;

/// Reads everything again, as `read` names it, and opens the ports that are new. `slots` and `running` are what counts now.
/// What is wrong leaves everything as it was; what counts only after a restart is told in `warnings`. Besides what the
/// broker is to be told come the listeners by their new numbers.
pub(crate) fn reloaded(
    slots: &Slots,
    running: &Settings,
    read: &Settings,
    warnings: &mut Vec<String>,
) -> Result<(Reloaded, Slots), Vec<SetupError>> {
    let mut errors = Vec::new();
    let after = numbered(slots, &read.listeners);
    let mut files = Files::default();
    let Rules { rules, acl_files, passwords } =
        rules(after.iter().map(Option::as_ref), &mut files, &mut errors, warnings);
    let key_log = key_log(read, warnings);
    let mut changed_doors = Vec::new();
    let mut prepared = Vec::new();
    for (at, listener) in after.iter().enumerate() {
        let Some(listener) = listener else {
            prepared.push(None);
            continue;
        };
        let before = slots.get(at).and_then(Option::as_ref);
        let is_other_door = before.is_some_and(|before| doors(before) != doors(listener));
        if is_other_door {
            changed_doors.push(listener.at.as_ref().map_or_else(|| listener.port.to_string(), ToString::to_string));
        }
        let protection = (!is_other_door).then(|| protection(read, listener, key_log.as_ref(), &mut errors, warnings));
        let addresses = match before {
            Some(_) => Vec::new(),
            None => addresses::of(listener, warnings).unwrap_or_else(|error| {
                errors.push(error);
                Vec::new()
            }),
        };
        prepared.push(Some((protection, addresses, before.is_none())));
    }
    let in_force = Settings { http_listeners: http::in_force(running, read), ..read.clone() };
    let http_access = http::access(&in_force, &mut files, key_log.as_ref(), &mut errors, warnings);
    if !errors.is_empty() {
        return Err(errors);
    }
    // Ports last: what could be wrong otherwise is known by now.
    let mut listeners = Vec::new();
    for (listener, prepared) in after.iter().zip(prepared) {
        listeners.push(match (listener, prepared) {
            (Some(listener), Some((protection, addresses, true))) => {
                let protection = protection.unwrap_or_default();
                let (unix, max_connections) = (listener.unix.clone(), listener.max_connections);
                let config = ListenerConfig { addresses, unix, max_connections, protection };
                ReloadedListener::Opened(config.open().map_err(|error| vec![cannot_listen(&error)])?)
            }
            (Some(listener), Some((protection, ..))) => {
                ReloadedListener::Stays { protection, max_connections: listener.max_connections }
            }
            _ => ReloadedListener::Closed,
        });
    }
    let mut waits = waits_for_restart(running, read);
    if !changed_doors.is_empty() {
        waits.push("a listener got or lost its TLS options, or has another protocol");
    }
    if !waits.is_empty() {
        warnings.push(format!("changes that count only after a restart: {}.", waits.join("; ")));
    }
    let closed = || ListenerSettings { is_closed: true, ..ListenerSettings::default() };
    let settings = broker_core::Settings {
        listeners: after.iter().map(|listener| listener.as_ref().map_or_else(closed, listener_settings)).collect(),
        ..core_settings(&in_force)
    };
    let reloaded = Reloaded {
        rules,
        acl_files,
        passwords,
        listeners,
        http_access,
        settings,
        connections_max: read.global_max_connections,
        connection_messages: read.log.connection_messages,
    };
    Ok((reloaded, after))
}

/// The numbers of the listeners that are wanted: who stays keeps its number, for connections know their listener by it. A
/// number that became free at an earlier reload is given anew.
fn numbered(slots: &Slots, wanted: &[Listener]) -> Slots {
    let stays = |slot: &Option<Listener>| {
        let before = slot.as_ref()?;
        wanted.iter().find(|listener| place(listener) == place(before)).cloned()
    };
    let mut after: Slots = slots.iter().map(stays).collect();
    for listener in wanted {
        if after.iter().flatten().any(|there| place(there) == place(listener)) {
            continue;
        }
        match (0..slots.len()).find(|at| slots[*at].is_none() && after[*at].is_none()) {
            Some(free) => after[free] = Some(listener.clone()),
            None => after.push(Some(listener.clone())),
        }
    }
    after
}

/// A port that cannot be had. Privileges are given up once the first ports are open.
fn cannot_listen(error: &StartError) -> SetupError {
    let why = match error {
        StartError::Listen { address, cause } if cause.kind() == io::ErrorKind::PermissionDenied => format!(
            "\nPort {} needs a privilege (CAP_NET_BIND_SERVICE), which is given up when the first ports are open: a \
             listener there can be added by a restart only.",
            address.port()
        ),
        _ => String::new(),
    };
    SetupError(format!("{error}{why}"))
}

/// What stands before ports.
pub(crate) struct Protections {
    /// By the numbers of the listeners for MQTT.
    pub(crate) listeners: Vec<Option<Protection>>,
    /// Of those for HTTP.
    pub(crate) http: Vec<Protection>,
}

/// What stands before the listeners' ports, from the files as they are now.
pub(crate) fn protections(
    slots: &Slots,
    running: &Settings,
    warnings: &mut Vec<String>,
) -> Result<Protections, Vec<SetupError>> {
    let mut errors = Vec::new();
    let key_log = key_log(running, warnings);
    let mut read = |listener: &Listener| protection(running, listener, key_log.as_ref(), &mut errors, warnings);
    let listeners = slots.iter().map(|slot| slot.as_ref().map(&mut read)).collect();
    let http = running.http_listeners.iter().map(read).collect();
    if errors.is_empty() { Ok(Protections { listeners, http }) } else { Err(errors) }
}

/// What makes a listener of one reading that of another.
pub(super) fn place(listener: &Listener) -> (u16, Option<&Path>, Option<&str>, SocketDomain, Option<&str>) {
    if let Some(path) = &listener.unix {
        // Whatever else is said of it: at one path there is one socket.
        return (0, Some(path), None, SocketDomain::Any, None);
    }
    let interface = listener.interface.as_ref().map(|name| name.value.as_str());
    (listener.port, listener.unix.as_deref(), listener.address.as_deref(), listener.socket_domain, interface)
}

/// Certificates, pre-shared keys, both, or neither, and what is spoken behind them.
pub(super) const fn doors(listener: &Listener) -> (bool, bool, Protocol) {
    (listener.certificates.is_some(), listener.psk.is_some(), listener.protocol)
}

/// What was changed since the start and is not taken over by a running appliance.
fn waits_for_restart(before: &Settings, now: &Settings) -> Vec<&'static str> {
    let user = |settings: &Settings| settings.user.as_ref().map(|user| user.value.clone());
    let pid_file = |settings: &Settings| path_of(settings.pid_file.as_ref());
    let kept = |settings: &Settings| {
        let kept = &settings.persistence;
        let autosave = kept.autosave.as_ref().map(|autosave| autosave.value);
        (kept.is_on, path_of(kept.location.as_ref()), kept.file.clone(), autosave, kept.autosave_on_changes)
    };
    [
        (!http::are_same(before, now), "a listener with 'protocol http_api' was added, removed or changed"),
        (user(before) != user(now), "user"),
        (pid_file(before) != pid_file(now), "pid_file"),
        (kept(before) != kept(now), "the options of persistence"),
    ]
    .into_iter()
    .filter_map(|(is_changed, what)| is_changed.then_some(what))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config_files::OnDisk;
    use std::fs;

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

    fn slots(settings: &Settings) -> Slots {
        settings.listeners.iter().cloned().map(Some).collect()
    }

    fn ports(slots: &Slots) -> Vec<Option<u16>> {
        slots.iter().map(|slot| slot.as_ref().map(|listener| listener.port)).collect()
    }

    #[test]
    fn a_listener_that_stays_keeps_its_number_and_a_free_number_is_given_anew() {
        let dir = folder();
        let of = |text: &str| settings(dir.path(), text).listeners;
        let mut numbers = slots(&settings(dir.path(), "listener 1\nlistener 2\nlistener 3\n"));
        for (text, wanted) in [
            ("listener 4\nlistener 3\nlistener 1\n", vec![Some(1), None, Some(3), Some(4)]),
            ("listener 1\nlistener 5\n", vec![Some(1), Some(5), None, None]),
            ("listener 6\n", vec![None, None, Some(6), None]),
        ] {
            numbers = numbered(&numbers, &of(text));
            assert_eq!(ports(&numbers), wanted, "{text:?}");
        }
    }

    #[test]
    fn a_listener_does_not_lose_its_encryption_to_an_edited_file() {
        let dir = folder();
        let running = settings(dir.path(), TLS);
        let read = settings(dir.path(), "listener 8883\nallow_anonymous true\n");
        let mut warnings = Vec::new();
        let (reloaded, _) = reloaded(&slots(&running), &running, &read, &mut warnings).expect("files that can be read");
        assert!(matches!(reloaded.listeners[..], [ReloadedListener::Stays { protection: None, .. }]));
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
            ("max_connections 7\n", None),
            ("log_type error\n", None),
            ("pid_file DIR/pid\n", Some("pid_file")),
            ("user root\n", Some("user")),
            ("persistence true\n", Some("the options of persistence")),
        ];
        for (line, wanted) in rows {
            let mut warnings = Vec::new();
            let read = settings(dir.path(), &format!("{base}{line}"));
            let reloaded = reloaded(&slots(&running), &running, &read, &mut warnings);
            let (reloaded, _) = reloaded.expect("files that can be read");
            let said = warnings.iter().find(|warning| warning.contains("after a restart"));
            match wanted {
                None => assert_eq!(said, None, "{line}"),
                Some(words) => assert!(said.is_some_and(|said| said.contains(words)), "{line}: {warnings:?}"),
            }
            assert_eq!(reloaded.settings.max_keepalive_s, read.max_keepalive_s, "{line}");
        }
    }

    #[test]
    fn a_port_that_needs_a_privilege_is_told_to_need_a_restart() {
        let address = std::net::SocketAddr::from(([127, 0, 0, 1], 83));
        let told = |kind: io::ErrorKind| cannot_listen(&StartError::Listen { address, cause: kind.into() }).to_string();
        let message = told(io::ErrorKind::PermissionDenied);
        assert!(message.contains("127.0.0.1:83") && message.contains("by a restart only"), "{message}");
        assert!(!told(io::ErrorKind::AddrNotAvailable).contains("restart"));
    }

    #[test]
    fn listeners_for_http_that_come_or_go_wait_and_those_that_stay_have_what_is_written_now() {
        let dir = folder();
        fs::write(dir.path().join("acl"), "topic read #\n").expect("a file");
        let base = "listener 1883\nallow_anonymous true\nlistener 9001\nprotocol http_api\n";
        let running = settings(dir.path(), base);
        let rows = [
            (base.to_owned(), false),
            (format!("acl_file DIR/acl\n{base}"), false),
            (format!("{base}listener 9002\nprotocol http_api\n"), true),
            ("listener 1883\nallow_anonymous true\n".to_owned(), true),
        ];
        for (text, waits) in rows {
            let read = settings(dir.path(), &text);
            let mut warnings = Vec::new();
            let reloaded = reloaded(&slots(&running), &running, &read, &mut warnings);
            let (reloaded, _) = reloaded.expect("files that can be read");
            assert_eq!(reloaded.http_access.map(|access| access.doors.len()), Some(1), "{text}");
            assert_eq!(warnings.iter().any(|said| said.contains("'protocol http_api' was added")), waits, "{text}");
            let in_force = http::in_force(&running, &read);
            assert_eq!(in_force[0].acl_file.is_some(), text.starts_with("acl_file"), "{text}");
        }
    }
}
