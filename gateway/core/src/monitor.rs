//! The kernel's monitor channel: each packet has a head of six octets that says what it is and of which adapter.
//!
//! The kinds are those of a recording ([`crate::btsnoop`]), which is this channel written into a file.
//!
//! Source: BlueZ `doc/btsnoop.txt` (opcodes); Linux `include/net/bluetooth/hci_mon.h` (the head).

use crate::MacAddress;
use crate::btsnoop::PacketKind;

/// Octets of the head.
pub const HEAD_BYTES: usize = 6;

/// A packet of the monitor channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MonitorPacket<'a> {
    /// What `data` is.
    pub kind: PacketKind,
    /// Index of the adapter; 0xFFFF where it is of none.
    pub adapter: u16,
    /// What follows the head.
    pub data: &'a [u8],
}

impl<'a> MonitorPacket<'a> {
    /// The packet in `bytes`. `None`: it is shorter than its head, or not as long as the head says.
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (&[o0, o1, i0, i1, l0, l1], data) = bytes.split_first_chunk::<HEAD_BYTES>()?;
        (usize::from(u16::from_le_bytes([l0, l1])) == data.len()).then_some(Self {
            kind: PacketKind::of_monitor(u16::from_le_bytes([o0, o1])),
            adapter: u16::from_le_bytes([i0, i1]),
            data,
        })
    }

    /// What this says of an adapter's scan, when it is a command that switches it: `Some(true)` is on.
    pub fn scan_switched(&self) -> Option<bool> {
        const LE_SET_SCAN_ENABLE: u16 = 0x200C;
        const LE_SET_EXTENDED_SCAN_ENABLE: u16 = 0x2042;
        let &[o0, o1, _, enable, ..] = self.data else { return None };
        let known = [LE_SET_SCAN_ENABLE, LE_SET_EXTENDED_SCAN_ENABLE].contains(&u16::from_le_bytes([o0, o1]));
        (self.kind == PacketKind::Command && known).then_some(enable != 0)
    }

    /// Whether this is the event by which a controller says that its hardware failed
    /// [Core 5.4, Vol 4, Part E, §7.7.16].
    pub fn is_hardware_error(&self) -> bool {
        self.kind == PacketKind::Event && self.data.first() == Some(&0x10)
    }

    /// Whether this is an event with advertising reports. They are not looked into.
    pub fn is_advertising(&self) -> bool {
        self.kind == PacketKind::Event && matches!(self.data, [0x3E, _, 0x02 | 0x0D, ..])
    }

    /// The address in a New Index or Index Info, all zeros if it is not known yet. `None`: it is another packet.
    pub fn address(&self) -> Option<MacAddress> {
        let octets = match self.kind {
            PacketKind::NewIndex => self.data.get(2..8)?,
            PacketKind::IndexInfo => self.data.get(..6)?,
            _ => return None,
        };
        octets.try_into().ok().map(MacAddress::from_hci)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(opcode: u16, data: &[u8]) -> Vec<u8> {
        [&opcode.to_le_bytes()[..], &1u16.to_le_bytes(), &(data.len() as u16).to_le_bytes(), data].concat()
    }

    #[test]
    fn packets_are_told_apart() {
        type Row<'a> = (&'a str, u16, &'a [u8], Option<bool>, bool, bool);
        let rows: [Row<'_>; 8] = [
            ("scan on", 2, &[0x0C, 0x20, 2, 1, 0], Some(true), false, false),
            ("extended scan off", 2, &[0x42, 0x20, 6, 0, 0, 0, 0, 0, 0], Some(false), false, false),
            ("another command", 2, &[0x03, 0x0C, 0, 1], None, false, false),
            ("the same octets as an event", 3, &[0x0C, 0x20, 2, 1, 0], None, false, false),
            ("hardware error", 3, &[0x10, 1, 0x42], None, true, false),
            ("legacy report", 3, &[0x3E, 2, 0x02, 0], None, false, true),
            ("extended report", 3, &[0x3E, 2, 0x0D, 0], None, false, true),
            ("another LE event", 3, &[0x3E, 2, 0x0A, 0], None, false, false),
        ];
        for (what, opcode, data, scan, hardware, advertising) in rows {
            let bytes = packet(opcode, data);
            let packet = MonitorPacket::parse(&bytes).unwrap();
            assert_eq!((packet.adapter, packet.data), (1, data), "{what}");
            let found = (packet.scan_switched(), packet.is_hardware_error(), packet.is_advertising());
            assert_eq!(found, (scan, hardware, advertising), "{what}");
        }
    }

    #[test]
    fn addresses_of_adapters_are_found() {
        let mac: MacAddress = "00:AA:01:00:00:42".parse().unwrap();
        let new = packet(0, &[0, 0, 0x42, 0, 0, 1, 0xAA, 0, b'h', b'c', b'i', b'0', 0, 0, 0, 0]);
        let info = packet(10, &[0x42, 0, 0, 1, 0xAA, 0, 0xF1, 0x05]);
        for bytes in [new, info] {
            assert_eq!(MonitorPacket::parse(&bytes).unwrap().address(), Some(mac));
        }
        assert_eq!(MonitorPacket::parse(&packet(8, &[])).unwrap().address(), None);
    }

    #[test]
    fn a_packet_that_is_not_as_long_as_it_says_is_none() {
        let whole = packet(3, &[0x10, 1, 0x42]);
        for cut in 0..whole.len() {
            assert_eq!(MonitorPacket::parse(&whole[..cut]), None, "{cut}");
        }
        assert_eq!(MonitorPacket::parse(&[&whole[..], &[0]].concat()), None);
    }
}
