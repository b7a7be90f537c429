//! What systemd is told of a service (`sd_notify(3)`): ready, reloading, stopping, how it is, and that it still goes
//! round. Without systemd (`NOTIFY_SOCKET` is not set) nothing is told and nothing is missed.

use std::ffi::OsString;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Arc;
use std::time::Duration;

/// Tells systemd; cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Notify(Option<Arc<(UnixDatagram, SocketAddr)>>);

impl Notify {
    /// From the environment. A socket that cannot be used is as none: systemd then says that nobody was ready.
    pub(crate) fn from_environment() -> Self {
        Self(std::env::var_os("NOTIFY_SOCKET").and_then(|name| Self::to(&name).ok()).map(Arc::new))
    }

    fn to(name: &OsString) -> io::Result<(UnixDatagram, SocketAddr)> {
        let address = match name.as_bytes().strip_prefix(b"@") {
            Some(name) => SocketAddr::from_abstract_name(name)?,
            None => SocketAddr::from_pathname(name)?,
        };
        let socket = UnixDatagram::unbound()?;
        // Who fails to listen must not stop who tells.
        socket.set_nonblocking(true)?;
        Ok((socket, address))
    }

    fn tell(&self, text: &str) {
        if let Some((socket, address)) = self.0.as_deref() {
            let _ = socket.send_to_addr(text.as_bytes(), address);
        }
    }

    /// It runs, or runs again after a reload.
    pub(crate) fn ready(&self, status: &str) {
        self.tell(&format!("READY=1\nSTATUS={status}\n"));
    }

    /// It reads its files again; systemd wants to know since when, or may take an older READY for the answer.
    pub(crate) fn reloading(&self) {
        let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC);
        let micros = now.map_or(0, |now| now.tv_sec() * 1_000_000 + now.tv_nsec() / 1_000);
        self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={micros}\nSTATUS=Reading the configuration again\n"));
    }

    /// It ends.
    pub(crate) fn stopping(&self) {
        self.tell("STOPPING=1\nSTATUS=Telling clients, and writing what must be kept\n");
    }

    /// What the broker's loop is to call, and how often: twice as often as `WatchdogSec` asks for. It must be that loop:
    /// a thread of its own would go on while the loop hangs. `None`: no watchdog waits for us.
    pub(crate) fn watchdog(&self) -> Option<broker::Heartbeat> {
        self.0.as_ref()?;
        let every = watchdog_every(|name| std::env::var(name).ok(), std::process::id())?;
        let notify = self.clone();
        Some(broker::Heartbeat { every, tell: Box::new(move || notify.tell("WATCHDOG=1\n")) })
    }
}

/// Half of `WATCHDOG_USEC`, if it is meant for this process.
fn watchdog_every(variable: impl Fn(&str) -> Option<String>, pid: u32) -> Option<Duration> {
    if variable("WATCHDOG_PID").is_some_and(|for_whom| for_whom != pid.to_string()) {
        return None;
    }
    let micros: u64 = variable("WATCHDOG_USEC")?.parse().ok()?;
    (micros > 0).then(|| Duration::from_micros(micros / 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_watchdog_is_fed_twice_as_often_as_it_asks_for_and_by_nobody_else() {
        let rows = [
            (Some("3000000"), None, Some(Duration::from_millis(1_500))),
            (Some("3000000"), Some("7"), Some(Duration::from_millis(1_500))),
            (Some("3000000"), Some("8"), None),
            (Some("0"), None, None),
            (Some("soon"), None, None),
            (None, None, None),
        ];
        for (micros, pid, wanted) in rows {
            let found = watchdog_every(|name| if name == "WATCHDOG_PID" { pid } else { micros }.map(str::to_owned), 7);
            assert_eq!(found, wanted, "{micros:?} {pid:?}");
        }
    }
}
