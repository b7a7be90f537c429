//! The HCI commands of a scanner that does without the kernel's help, and the controller's answers.
//!
//! A packet is what the raw channel takes and gives: the H4 packet type first.
//!
//! Source: Bluetooth Core 5.4, Vol 4, Part E, §7.8.10, §7.8.11 (legacy), §7.8.64, §7.8.65 (extended), §7.4.2.

use std::fmt;

use crate::scan::{Phys, ScanMode, ScanTiming};

/// The longest event with its packet type.
pub const EVENT_BYTES_MAX: usize = 258;

/// Scanned all the time: interval and window of 10 ms, as the kernel has it for discovery of the kind.
const ALWAYS: (u16, u16) = (16, 16);

/// A command for the controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HciCommand {
    /// Which commands the controller knows; see [`knows_extended_scan`].
    ReadSupportedCommands,
    /// How to scan. Only while it is off.
    SetScanParameters {
        /// By the commands of Bluetooth 5; else by those of 4, which know one PHY.
        extended: bool,
        /// Whether scan requests are sent.
        mode: ScanMode,
        /// `None`: all the time.
        timing: Option<ScanTiming>,
        /// `None`: 1M.
        phys: Option<Phys>,
    },
    /// On or off, without a filter of duplicates.
    SetScanEnable {
        /// By the commands of Bluetooth 5.
        extended: bool,
        /// On.
        on: bool,
    },
}

impl HciCommand {
    /// Its opcode.
    pub fn opcode(self) -> u16 {
        match self {
            Self::ReadSupportedCommands => 0x1002,
            Self::SetScanParameters { extended: false, .. } => 0x200B,
            Self::SetScanEnable { extended: false, .. } => 0x200C,
            Self::SetScanParameters { extended: true, .. } => 0x2041,
            Self::SetScanEnable { extended: true, .. } => 0x2042,
        }
    }

    /// In words, as they stand after "the controller refused to".
    pub fn words(self) -> &'static str {
        match self {
            Self::ReadSupportedCommands => "list its commands",
            Self::SetScanParameters { .. } => "take these scan parameters",
            Self::SetScanEnable { on: true, .. } => "scan",
            Self::SetScanEnable { on: false, .. } => "stop its scan",
        }
    }

    /// The packet.
    pub fn encode(self) -> Vec<u8> {
        const H4_COMMAND: u8 = 1;
        let parameters = match self {
            Self::ReadSupportedCommands => Vec::new(),
            Self::SetScanParameters { extended, mode, timing, phys } => {
                let (interval, window) = timing.map_or(ALWAYS, ScanTiming::units);
                let times = [interval, window].map(u16::to_le_bytes);
                let of_phy = [&[u8::from(mode == ScanMode::Active)][..], times.as_flattened()].concat();
                if extended {
                    // Own address public, no filter; then for each PHY its own parameters.
                    let (bits, count) = match phys {
                        None | Some(Phys::Le1M) => (0b001, 1),
                        Some(Phys::Coded) => (0b100, 1),
                        Some(Phys::Both) => (0b101, 2),
                    };
                    [&[0, 0, bits][..], &of_phy.repeat(count)].concat()
                } else {
                    [&of_phy[..], &[0, 0]].concat()
                }
            }
            Self::SetScanEnable { extended: false, on } => vec![on.into(), 0],
            // No duration and no period: until it is switched off.
            Self::SetScanEnable { extended: true, on } => vec![on.into(), 0, 0, 0, 0, 0],
        };
        let [o0, o1] = self.opcode().to_le_bytes();
        [&[H4_COMMAND, o0, o1, parameters.len() as u8][..], &parameters].concat()
    }
}

/// What became of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HciDone<'a> {
    /// Of the command.
    pub opcode: u16,
    /// 0 is success.
    pub status: HciStatus,
    /// The return parameters after the status.
    pub parameters: &'a [u8],
}

/// The event Command Complete or Command Status in `packet`. `None`: it is another, or broken.
pub fn done(packet: &[u8]) -> Option<HciDone<'_>> {
    match *packet {
        [4, 0x0E, length, _, o0, o1, status, ref parameters @ ..] if usize::from(length) == 4 + parameters.len() => {
            Some(HciDone { opcode: u16::from_le_bytes([o0, o1]), status: HciStatus(status), parameters })
        }
        [4, 0x0F, 4, status, _, o0, o1] => {
            Some(HciDone { opcode: u16::from_le_bytes([o0, o1]), status: HciStatus(status), parameters: &[] })
        }
        _ => None,
    }
}

/// Whether the commands of a controller (reply to [`HciCommand::ReadSupportedCommands`]) have those of the extended scan:
/// octet 37, bits 5 and 6. Then the legacy ones must not be used any more.
pub fn knows_extended_scan(parameters: &[u8]) -> bool {
    parameters.get(37).is_some_and(|octet| octet & 0b0110_0000 == 0b0110_0000)
}

/// A controller's error code [Core 5.4, Vol 1, Part F].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HciStatus(pub u8);

impl HciStatus {
    /// It was done.
    pub const SUCCESS: Self = Self(0);
    /// Such as: scan parameters while a scan is on.
    pub const DISALLOWED: Self = Self(0x0C);
}

impl fmt::Display for HciStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            0x00 => "success",
            0x01 => "unknown command",
            0x03 => "hardware failure",
            0x0C => "not allowed now",
            0x11 => "unsupported feature or parameter",
            0x12 => "invalid parameters",
            other => return write!(f, "error {other:#04x}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn commands_are_as_the_controller_reads_them() {
        let timing = ScanTiming::new(Duration::from_millis(100), Duration::from_millis(50)).unwrap();
        let parameters = |extended, mode, timing, phys| HciCommand::SetScanParameters { extended, mode, timing, phys };
        let rows: [(&str, HciCommand, &[u8]); 8] = [
            ("§7.4.2", HciCommand::ReadSupportedCommands, &[1, 0x02, 0x10, 0]),
            ("§7.8.10", parameters(false, ScanMode::Active, None, None), &[1, 0x0B, 0x20, 7, 1, 16, 0, 16, 0, 0, 0]),
            (
                "§7.8.10",
                parameters(false, ScanMode::Passive, Some(timing), Some(Phys::Le1M)),
                &[1, 0x0B, 0x20, 7, 0, 160, 0, 80, 0, 0, 0],
            ),
            ("§7.8.11", HciCommand::SetScanEnable { extended: false, on: true }, &[1, 0x0C, 0x20, 2, 1, 0]),
            ("§7.8.64", parameters(true, ScanMode::Passive, None, None), &[1, 0x41, 0x20, 8, 0, 0, 1, 0, 16, 0, 16, 0]),
            (
                "§7.8.64",
                parameters(true, ScanMode::Active, Some(timing), Some(Phys::Both)),
                &[1, 0x41, 0x20, 13, 0, 0, 5, 1, 160, 0, 80, 0, 1, 160, 0, 80, 0],
            ),
            (
                "§7.8.64",
                parameters(true, ScanMode::Active, None, Some(Phys::Coded)),
                &[1, 0x41, 0x20, 8, 0, 0, 4, 1, 16, 0, 16, 0],
            ),
            ("§7.8.65", HciCommand::SetScanEnable { extended: true, on: false }, &[1, 0x42, 0x20, 6, 0, 0, 0, 0, 0, 0]),
        ];
        for (source, command, wanted) in rows {
            assert_eq!(command.encode(), wanted, "{source} {command:?}");
        }
    }

    #[test]
    fn answers_are_found_and_others_are_not() {
        let complete = [4, 0x0E, 4, 1, 0x0C, 0x20, 0x0C];
        let found = done(&complete).unwrap();
        assert_eq!((found.opcode, found.status, found.parameters), (0x200C, HciStatus::DISALLOWED, &[][..]));
        assert_eq!(done(&[4, 0x0F, 4, 1, 1, 0x41, 0x20]).unwrap().status, HciStatus(1));
        for cut in 0..complete.len() {
            assert_eq!(done(&complete[..cut]), None);
        }
        assert_eq!(done(&[4, 0x3E, 4, 1, 0x0C, 0x20, 0x0C]), None);
        let mut commands = [0; 64];
        assert!(!knows_extended_scan(&commands) && !knows_extended_scan(&[]));
        commands[37] = 0x60;
        assert!(knows_extended_scan(&commands));
    }
}
