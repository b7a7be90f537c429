//! What a reload takes over: everything is read and checked, and new ports are opened, before anything counts. What
//! cannot be taken over while the appliance runs is named.

use std::io;
use std::path::Path;

use broker::{
    Aside, Handle, HttpAccess, HttpFate, HttpListener, ListenerConfig, Owner, Protection, Reloaded, ReloadedHttp,
    ReloadedListener, StartError,
};
use broker_conf::{Listener, Settings, SocketDomain};
use broker_core::ListenerSettings;

use crate::addresses;

use super::protection::{key_log, protection};
use super::{Files, Rules, SetupError, Status, core_settings, http, listener_settings, path_of, rules};

/// The listeners by their numbers in the broker; `None` for a number that is free.
pub(crate) type Slots = Vec<Option<Listener>>;

/// What a reload takes over; ports that are new are open. Until it is handed over nothing has changed but that who knocks at a
/// port that is to change hands is refused, and if it is dropped instead, that port is what it was.
pub(crate) struct Prepared {
    // In this order they are dropped: what is new makes room for what was.
    pub(crate) reloaded: Reloaded,
    aside: Aside,
    slots: Slots,
}

impl Prepared {
    /// All of it counts from now on. Gives back the listeners by their new numbers.
    pub(crate) fn hand_over(self, broker: &Handle) -> Slots {
        self.aside.leave();
        broker.reload(self.reloaded);
        self.slots
    }
}

/// What becomes of a listener for MQTT.
enum Fate {
    Stays(Protection, Option<u32>),
    Moved(ListenerConfig),
    Opened(ListenerConfig),
    Closed,
}

/// What becomes of one for HTTP: it has the sockets of the one that had this number, or others.
enum HttpPorts {
    Stay(usize),
    Open(HttpListener),
}

/// Reads everything again, as `read` names it, and opens the ports that are new. `slots` and `running` are what counts now.
/// What is wrong leaves everything as it was; what counts only after a restart is told in `warnings`. `broker`: the one that
/// runs, whose ports may have to make room.
pub(crate) fn reloaded(
    slots: &Slots,
    running: &Settings,
    read: &Settings,
    broker: Option<&Handle>,
    warnings: &mut Vec<String>,
) -> Result<Prepared, Vec<SetupError>> {
    let mut errors = Vec::new();
    let after = numbered(slots, &read.listeners);
    let mut files = Files::default();
    let Rules { rules, acl_files, passwords } =
        rules(after.iter().map(Option::as_ref), &mut files, &mut errors, warnings);
    let key_log = key_log(read, warnings);
    let before = slots.iter().map(Option::as_ref).chain(std::iter::repeat(None));
    let fates = after.iter().zip(before).map(|(slot, before)| {
        let Some(listener) = slot else { return Fate::Closed };
        let protection = protection(read, listener, key_log.as_ref(), &mut errors, warnings);
        let max_connections = listener.max_connections;
        if before.is_some_and(|before| place(before) == place(listener)) {
            return Fate::Stays(protection, max_connections);
        }
        let addresses = addresses::of(listener, warnings).unwrap_or_else(|error| {
            errors.push(error);
            Vec::new()
        });
        let config = ListenerConfig { addresses, unix: listener.unix.clone(), max_connections, protection };
        if before.is_some() { Fate::Moved(config) } else { Fate::Opened(config) }
    });
    let fates: Vec<_> = fates.collect();
    let access = http::access(read, &mut files, key_log.as_ref(), &mut errors, warnings);
    let http_ports = read.http_listeners.iter().map(|listener| {
        let was = running.http_listeners.iter().position(|before| place(before) == place(listener));
        was.map_or_else(|| HttpPorts::Open(http::ports(read, listener, &mut errors, warnings)), HttpPorts::Stay)
    });
    let http_ports: Vec<_> = http_ports.collect();
    if !errors.is_empty() {
        return Err(errors);
    }
    // Ports last: what could be wrong otherwise is known by now.
    let mut room = Room::new(broker, |owner| match owner {
        Owner::Mqtt(number) => !matches!(fates.get(number), Some(Fate::Stays(..))),
        Owner::Http(number) => !http_ports.iter().any(|ports| matches!(ports, HttpPorts::Stay(was) if *was == number)),
    });
    let (listeners, http) = open(&fates, &http_ports, access, &mut room).map_err(|error| vec![error])?;
    let aside = room.into_aside();
    let waits = waits_for_restart(running, read);
    if !waits.is_empty() {
        warnings.push(format!("changes that count only after a restart: {}.", waits.join("; ")));
    }
    let closed = || ListenerSettings { is_closed: true, ..ListenerSettings::default() };
    let settings = broker_core::Settings {
        listeners: after.iter().map(|listener| listener.as_ref().map_or_else(closed, listener_settings)).collect(),
        ..core_settings(read)
    };
    let reloaded = Reloaded {
        rules,
        acl_files,
        passwords,
        listeners,
        http,
        settings,
        connections_max: read.global_max_connections,
        connection_messages: read.log.connection_messages,
    };
    Ok(Prepared { reloaded, aside, slots: after })
}

/// Opens what is new. What was opened before the first that cannot be had is closed again.
fn open(
    fates: &[Fate],
    http_ports: &[HttpPorts],
    access: Option<HttpAccess>,
    room: &mut Room<'_, impl Fn(Owner) -> bool>,
) -> Result<(Vec<ReloadedListener>, Option<ReloadedHttp>), SetupError> {
    let mut listeners = Vec::new();
    for fate in fates {
        listeners.push(match fate {
            Fate::Stays(protection, max_connections) => {
                ReloadedListener::Stays { protection: protection.clone(), max_connections: *max_connections }
            }
            Fate::Moved(config) => ReloadedListener::Moved(room.open(|| config.clone().open())?),
            Fate::Opened(config) => ReloadedListener::Opened(room.open(|| config.clone().open())?),
            Fate::Closed => ReloadedListener::Closed,
        });
    }
    let Some(access) = access else { return Ok((listeners, None)) };
    let mut http_listeners = Vec::new();
    for ports in http_ports {
        http_listeners.push(match ports {
            HttpPorts::Stay(was) => HttpFate::Stays(*was),
            HttpPorts::Open(listener) => HttpFate::Opened(room.open(|| listener.open())?),
        });
    }
    // Where HTTP is spoken already it is not needed, and ends.
    let thread = room.broker.map(Handle::http_thread).transpose();
    let thread = thread.map_err(|cause| {
        SetupError(format!("Error: unable to start the thread of the http api: {cause}."), Status::Refused)
    })?;
    Ok((listeners, Some(ReloadedHttp { access, listeners: http_listeners, thread })))
}

/// Opens ports, and has those make room that are in the way and go.
struct Room<'a, F> {
    broker: Option<&'a Handle>,
    aside: Option<Aside>,
    goes: F,
}

impl<'a, F: Fn(Owner) -> bool> Room<'a, F> {
    const fn new(broker: Option<&'a Handle>, goes: F) -> Self {
        Self { broker, aside: None, goes }
    }

    fn open<T>(&mut self, open: impl Fn() -> Result<T, StartError>) -> Result<T, SetupError> {
        loop {
            match open() {
                Err(StartError::Busy(address)) if self.is_made(address.port()) => {}
                result => return result.map_err(|error| cannot_listen(&error)),
            }
        }
    }

    /// `false`: nothing of ours is in the way at this port, or it stays.
    fn is_made(&mut self, port: u16) -> bool {
        let Some(broker) = self.broker else { return false };
        let aside = self.aside.get_or_insert_with(|| broker.lend());
        aside.stop(port, &self.goes).unwrap_or(false)
    }

    fn into_aside(self) -> Aside {
        self.aside.unwrap_or_default()
    }
}

/// The numbers of the listeners that are wanted: who stays keeps its number, for connections know their listener by it, and
/// so does who is at another address of its port now. A number that became free at an earlier reload is given anew.
fn numbered(slots: &Slots, wanted: &[Listener]) -> Slots {
    let stays = |slot: &Option<Listener>| {
        let before = slot.as_ref()?;
        wanted.iter().find(|listener| place(listener) == place(before)).cloned()
    };
    let mut after: Slots = slots.iter().map(stays).collect();
    let is_there = |after: &Slots, listener: &Listener| after.iter().flatten().any(|it| place(it) == place(listener));
    for (at, slot) in slots.iter().enumerate() {
        let Some(before) = slot.as_ref().filter(|before| before.unix.is_none() && after[at].is_none()) else {
            continue;
        };
        let moved = wanted.iter().find(|it| it.unix.is_none() && it.port == before.port && !is_there(&after, it));
        after[at] = moved.cloned();
    }
    for listener in wanted {
        if is_there(&after, listener) {
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
    SetupError(format!("{error}{why}"), Status::Refused)
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
fn place(listener: &Listener) -> (u16, Option<&Path>, Option<&str>, SocketDomain, Option<&str>) {
    if let Some(path) = &listener.unix {
        // Whatever else is said of it: at one path there is one socket.
        return (0, Some(path), None, SocketDomain::Any, None);
    }
    let interface = listener.interface.as_ref().map(|name| name.value.as_str());
    (listener.port, listener.unix.as_deref(), listener.address.as_deref(), listener.socket_domain, interface)
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
    fn a_listener_at_another_address_of_its_port_keeps_its_number() {
        let dir = folder();
        let of = |text: &str| settings(dir.path(), text).listeners;
        let mut numbers = slots(&settings(dir.path(), "listener 1\nlistener 2 127.0.0.1\nlistener 3\n"));
        for (text, wanted) in [
            ("listener 3\nlistener 2\nlistener 1 ::1\n", vec![Some(1), Some(2), Some(3)]),
            // The one that is there already is not taken for it.
            ("listener 2 127.0.0.2\nlistener 2\nlistener 3\n", vec![None, Some(2), Some(3), Some(2)]),
        ] {
            numbers = numbered(&numbers, &of(text));
            assert_eq!(ports(&numbers), wanted, "{text:?}");
        }
    }

    #[test]
    fn a_listener_that_loses_its_tls_options_has_another_door_and_that_is_no_reason_to_wait() {
        let dir = folder();
        let running = settings(dir.path(), TLS);
        let read = settings(dir.path(), "listener 8883\nallow_anonymous true\n");
        let mut warnings = Vec::new();
        let prepared =
            reloaded(&slots(&running), &running, &read, None, &mut warnings).expect("files that can be read");
        let [ReloadedListener::Stays { protection, .. }] = &prepared.reloaded.listeners[..] else { panic!("it stays") };
        assert!(protection.psk.is_none());
        assert!(!warnings.iter().any(|warning| warning.contains("restart")), "{warnings:?}");
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
            let prepared = reloaded(&slots(&running), &running, &read, None, &mut warnings);
            let reloaded = prepared.expect("files that can be read").reloaded;
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
}
