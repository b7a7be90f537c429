//! The kernel's management of Bluetooth adapters: the few commands that we give, and what it answers and tells.
//!
//! A packet is a head of six octets (opcode of the command or event, adapter, length) and parameters; all is
//! little-endian.
//!
//! Source: BlueZ `doc/mgmt-api.txt`.

use std::fmt;

use crate::MacAddress;
use crate::duty::Duty;

/// The adapter of what concerns none.
pub const NO_ADAPTER: u16 = 0xFFFF;

/// The longest packet that is read: 512 octets are more than any of the events that we look at has.
pub const PACKET_BYTES_MAX: usize = 512;

/// What can be asked of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Which adapters there are.
    ReadIndexList,
    /// What is known of one.
    ReadInfo,
    /// Switch one on or off.
    SetPowered(bool),
    /// Look for Low Energy devices, actively, for some ten seconds.
    StartDiscovery,
    /// Stop looking for them.
    StopDiscovery,
    /// What its scans are set to, among others. See [`crate::duty`].
    ReadDefaults,
    /// Set some of it. What is under way goes on as it was.
    SetDefaults(Duty),
    /// What monitors of advertisements there are, and whether the controller filters by them itself.
    ReadMonitorFeatures,
    /// Have the kernel scan until the monitor is removed again. See [`PATTERN`].
    AddMonitor,
    /// Remove the monitor of that handle (never 0, which would be everybody's).
    RemoveMonitor(u16),
}

/// What our monitor looks for: data of the company 0xFFFF, which none may have, and 29 octets more. What the kernel
/// does not filter by it (and it does not) it hands to all; so the less it matches, the better.
const PATTERN: [u8; 31] = *b"\xFF\xFFnightjar makes the kernel sca";
const MANUFACTURER_DATA: u8 = 0xFF;
/// Low Energy, public and random addresses.
const LE_ADDRESSES: u8 = 0b110;

impl Command {
    /// Its opcode.
    pub const fn opcode(self) -> u16 {
        match self {
            Self::ReadIndexList => 0x0003,
            Self::ReadInfo => 0x0004,
            Self::SetPowered(_) => 0x0005,
            Self::StartDiscovery => 0x0023,
            Self::StopDiscovery => 0x0024,
            Self::ReadDefaults => 0x004B,
            Self::SetDefaults(_) => 0x004C,
            Self::ReadMonitorFeatures => 0x0051,
            Self::AddMonitor => 0x0052,
            Self::RemoveMonitor(_) => 0x0053,
        }
    }

    /// In words, as they stand after "the kernel refused to".
    pub fn words(self) -> &'static str {
        match self {
            Self::ReadIndexList => "list the adapters",
            Self::ReadInfo => "tell of the adapter",
            Self::SetPowered(true) => "power the adapter on",
            Self::SetPowered(false) => "power the adapter off",
            Self::StartDiscovery => "start discovery",
            Self::StopDiscovery => "stop discovery",
            Self::ReadDefaults => "tell how long its scans listen",
            Self::SetDefaults(_) => "set how long its scans listen",
            Self::ReadMonitorFeatures => "list the advertisement monitors",
            Self::AddMonitor => "add an advertisement monitor",
            Self::RemoveMonitor(_) => "remove our advertisement monitor",
        }
    }

    /// The packet.
    pub fn encode(self, adapter: u16) -> Vec<u8> {
        let parameters = match self {
            Self::ReadIndexList | Self::ReadInfo | Self::ReadDefaults | Self::ReadMonitorFeatures => Vec::new(),
            Self::SetDefaults(duty) => duty.encode(),
            Self::SetPowered(on) => vec![on.into()],
            Self::StartDiscovery | Self::StopDiscovery => vec![LE_ADDRESSES],
            Self::AddMonitor => [&[1, MANUFACTURER_DATA, 0, PATTERN.len() as u8][..], &PATTERN].concat(),
            Self::RemoveMonitor(handle) => handle.to_le_bytes().to_vec(),
        };
        let head = [self.opcode(), adapter, parameters.len() as u16].map(u16::to_le_bytes);
        [head.as_flattened(), &parameters].concat()
    }
}

/// What became of a command; also why it was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status(pub u8);

impl Status {
    /// It was done.
    pub const SUCCESS: Self = Self(0x00);
    /// The kernel is too old.
    pub const UNKNOWN_COMMAND: Self = Self(0x01);
    /// No particular reason.
    pub const FAILED: Self = Self(0x03);
    /// No handle left for a monitor, and the like.
    pub const NO_RESOURCES: Self = Self(0x07);
    /// Something of the kind is under way.
    pub const BUSY: Self = Self(0x0A);
    /// It is in such a state already, or not; or the controller cannot.
    pub const REJECTED: Self = Self(0x0B);
    /// The adapter or the kernel cannot.
    pub const NOT_SUPPORTED: Self = Self(0x0C);
    /// No such monitor, and the like.
    pub const INVALID_PARAMETERS: Self = Self(0x0D);
    /// The adapter is off.
    pub const NOT_POWERED: Self = Self(0x0F);
    /// There is no such adapter.
    pub const INVALID_INDEX: Self = Self(0x11);
    /// The adapter is blocked by rfkill.
    pub const RFKILLED: Self = Self(0x12);
    /// It takes CAP_NET_ADMIN.
    pub const PERMISSION_DENIED: Self = Self(0x14);
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            0x00 => "success",
            0x01 => "unknown command (an older kernel)",
            0x02 => "not connected",
            0x03 => "failed",
            0x04 => "connect failed",
            // The kernel has no better word for a command of HCI that timed out.
            0x05 => "authentication failed, or the controller did not answer in time",
            0x06 => "not paired",
            0x07 => "no resources left",
            0x08 => "the controller did not answer in time",
            0x09 => "already connected",
            0x0A => "busy",
            0x0B => "rejected",
            0x0C => "not supported",
            0x0D => "invalid parameters",
            0x0E => "disconnected",
            0x0F => "not powered",
            0x10 => "cancelled",
            0x11 => "no such adapter",
            0x12 => "blocked by rfkill",
            0x13 => "already paired",
            0x14 => "permission denied (CAP_NET_ADMIN is missing)",
            other => return write!(f, "status {other:#04x}"),
        })
    }
}

/// What the kernel tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A command was carried out or refused. The parameters are empty where it was refused.
    Done {
        /// Of the command.
        opcode: u16,
        /// What became of it.
        status: Status,
        /// Its return parameters.
        parameters: &'a [u8],
    },
    /// An adapter has come.
    IndexAdded,
    /// An adapter has gone.
    IndexRemoved,
    /// An adapter's settings changed.
    NewSettings(Settings),
    /// Discovery began or ended, ours or that of others.
    Discovering(bool),
    /// A monitor was removed by another program.
    MonitorRemoved(u16),
    /// Something else.
    Other(u16),
}

/// An event, and the adapter that it is of. `None`: it is broken.
pub fn event(packet: &[u8]) -> Option<(u16, Event<'_>)> {
    let (&[e0, e1, a0, a1, l0, l1], parameters) = packet.split_first_chunk::<6>()?;
    if usize::from(u16::from_le_bytes([l0, l1])) != parameters.len() {
        return None;
    }
    let event = match (u16::from_le_bytes([e0, e1]), parameters) {
        (0x0001 | 0x0002, &[o0, o1, status, ref parameters @ ..]) => {
            Event::Done { opcode: u16::from_le_bytes([o0, o1]), status: Status(status), parameters }
        }
        (0x0004, []) => Event::IndexAdded,
        (0x0005, []) => Event::IndexRemoved,
        (0x0006, &[s0, s1, s2, s3]) => Event::NewSettings(Settings(u32::from_le_bytes([s0, s1, s2, s3]))),
        (0x0013, &[_, on]) => Event::Discovering(on != 0),
        (0x002C, &[h0, h1]) => Event::MonitorRemoved(u16::from_le_bytes([h0, h1])),
        (0x0001 | 0x0002 | 0x0004 | 0x0005 | 0x0006 | 0x0013 | 0x002C, _) => return None,
        (other, _) => Event::Other(other),
    };
    Some((u16::from_le_bytes([a0, a1]), event))
}

/// An adapter's settings, a bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings(pub u32);

impl Settings {
    /// It is switched on.
    pub fn powered(self) -> bool {
        self.0 & 1 != 0
    }

    /// It can do, or does, Low Energy.
    pub fn low_energy(self) -> bool {
        self.0 & 1 << 9 != 0
    }
}

/// Reply to [`Command::ReadIndexList`]. `None`: it is broken.
pub fn index_list(parameters: &[u8]) -> Option<Vec<u16>> {
    let (count, indexes) = parameters.split_first_chunk::<2>()?;
    handles(u16::from_le_bytes(*count), indexes)
}

/// As many numbers as announced.
fn handles(count: u16, bytes: &[u8]) -> Option<Vec<u16>> {
    let (numbers, rest) = bytes.as_chunks::<2>();
    (numbers.len() == usize::from(count) && rest.is_empty())
        .then(|| numbers.iter().map(|number| u16::from_le_bytes(*number)).collect())
}

/// Reply to [`Command::ReadInfo`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Info {
    /// Its own public address; all zeros if it has none.
    pub address: MacAddress,
    /// Version of HCI.
    pub version: u8,
    /// The company that made it.
    pub manufacturer: u16,
    /// What it can do.
    pub supported: Settings,
    /// What it does.
    pub current: Settings,
    /// The name that it shows. What is not UTF-8 in it is replaced.
    pub name: String,
}

impl Info {
    /// Reads it. `None`: it is broken.
    pub fn parse(parameters: &[u8]) -> Option<Self> {
        const NAME_BYTES: usize = 249;
        let (&address, left) = parameters.split_first_chunk::<6>()?;
        let (&[version, m0, m1], left) = left.split_first_chunk::<3>()?;
        let (&supported, left) = left.split_first_chunk::<4>()?;
        let (&current, left) = left.split_first_chunk::<4>()?;
        let name = left.get(3..3 + NAME_BYTES)?;
        let name = name.split(|octet| *octet == 0).next().unwrap_or_default();
        Some(Self {
            address: MacAddress::from_hci(address),
            version,
            manufacturer: u16::from_le_bytes([m0, m1]),
            supported: Settings(u32::from_le_bytes(supported)),
            current: Settings(u32::from_le_bytes(current)),
            name: String::from_utf8_lossy(name).into_owned(),
        })
    }
}

/// Reply to [`Command::ReadMonitorFeatures`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MonitorFeatures {
    /// The controller filters by the monitors' patterns itself, and so hides from us what matches none.
    pub offloaded: bool,
    /// Handles of the monitors that are there, whoever added them.
    pub handles: Vec<u16>,
}

impl MonitorFeatures {
    /// Reads it. `None`: it is broken.
    pub fn parse(parameters: &[u8]) -> Option<Self> {
        let (&[supported, .., c0, c1], left) = parameters.split_first_chunk::<13>()?;
        Some(Self {
            // Patterns, or patterns with a threshold of RSSI: only the controller does that, never the kernel.
            offloaded: supported & 0b11 != 0,
            handles: handles(u16::from_le_bytes([c0, c1]), left)?,
        })
    }
}

/// The handle in the reply to [`Command::AddMonitor`]. `None`: it is broken.
pub fn monitor_handle(parameters: &[u8]) -> Option<u16> {
    <[u8; 2]>::try_from(parameters).ok().map(u16::from_le_bytes)
}

#[cfg(test)]
#[path = "mgmt_tests.rs"]
mod tests;
