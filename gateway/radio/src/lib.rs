//! The Bluetooth adapter: what it hears, as a stream of btsnoop records; how it is kept scanning.
//!
//! This is the only room that knows Bluetooth sockets. [`serve`] makes the kernel scan and writes every advertising
//! report as it was on the air into a stream, in the format of a recording (link type monitor), with what happens to the
//! adapters and what is to be logged as records between them. What it decides is decided in `gateway_core::watchdog`.
//! Here is no pipeline, no MQTT, no tokio.

mod bpf;
mod device;
mod fault;
mod radio;
mod settings;
mod socket;
mod state;
mod stream;
mod sys;
mod ward;

use std::os::unix::net::UnixStream;

use gateway_core::MacAddress;
use gateway_core::mgmt::{self, Command, Info};
pub use gateway_core::scan::{Phys, ScanMode, ScanTiming};

pub use fault::RadioError;
pub use settings::RadioSettings;
pub use socket::RECEIVE_BUFFER_BYTES;
pub use state::LIVES_MAX;
pub use stream::{STREAM_BYTES_MAX, STREAM_NOTES_BYTES_MAX};

/// A Bluetooth adapter of this machine, as the kernel tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adapter {
    /// `hci0` is 0. It changes when the adapter is plugged in again.
    pub index: u16,
    /// Its public address, which stays. All zeros for one that has none (a few embedded chips).
    pub address: MacAddress,
    /// The name that it shows to others; often that of the host. Not from a stranger, but any text.
    pub name: String,
    /// Whether it is switched on.
    pub powered: bool,
    /// Whether it can do Bluetooth Low Energy.
    pub low_energy: bool,
    /// Whether it is blocked by rfkill, by a switch or a program. It cannot be powered on until it is not.
    pub blocked: bool,
    /// Company that made it, by the Bluetooth SIG's list.
    pub manufacturer: u16,
    /// Version of HCI, as in the Bluetooth SIG's list: 9 is 5.0.
    pub version: u8,
}

/// The adapters of this machine, by index. Needs no privilege.
///
/// # Errors
///
/// The kernel has no Bluetooth, or does not answer.
pub fn adapters() -> Result<Vec<Adapter>, RadioError> {
    let control = socket::Control::open()?;
    let list = control.ask(Command::ReadIndexList, mgmt::NO_ADAPTER)?;
    let mut indexes = list.ok().and_then(|list| mgmt::index_list(&list)).unwrap_or_default();
    indexes.sort_unstable();
    let mut adapters = Vec::new();
    for index in indexes {
        // One that cannot be told of has just been unplugged.
        let Ok(info) = control.ask(Command::ReadInfo, index)? else { continue };
        adapters.extend(Info::parse(&info).map(|info| Adapter {
            index,
            address: info.address,
            name: info.name,
            powered: info.current.powered(),
            low_energy: info.supported.low_energy(),
            blocked: device::is_blocked(index),
            manufacturer: info.manufacturer,
            version: info.version,
        }));
    }
    Ok(adapters)
}

/// Scans until the other end of `out` is closed, and writes what is heard into it. Then undoes what was set in
/// the kernel, and returns.
///
/// It blocks its thread, and waits for `out` at no time: what does not fit is dropped and counted. The stream is a
/// btsnoop file of link type 2001 (monitor): first the records of the adapters that are there (New Index, Index Info,
/// Open Index), then
///
/// - Event: HCI events with (extended) advertising reports, and hardware errors, with the kernel's time;
/// - New, Delete, Open, Close Index and Index Info, when such happens to an adapter;
/// - User Logging (a *note*): for the log, with the ident `nightjar` and a syslog priority; or the counts, with the
///   ident `nightjar-counts` (see `gateway_core::radio_counts`), when they change and every minute at most.
///
/// Only adapters that were asked for show. The cumulative drops of a record are what was lost in the kernel and here.
///
/// # Errors
///
/// It cannot begin: a capability is missing, or the kernel has no Bluetooth. What befalls an adapter later is logged.
pub fn serve(settings: &RadioSettings, out: UnixStream) -> Result<(), RadioError> {
    radio::Radio::new(settings, out)?.run()
}
