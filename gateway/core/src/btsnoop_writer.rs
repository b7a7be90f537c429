//! Writing a recording as `btmon -w` does: link type 2001 (monitor), one record after the other.
//!
//! What is written reads back with [`crate::btsnoop`], with `btmon -r` and with Wireshark. See there for the format.

use crate::Timestamp;
use crate::btsnoop::{EPOCH_MICROS, MAGIC, PacketKind, VERSION};

/// Octets of the longest ident of a note, without its NUL.
const IDENT_BYTES_MAX: usize = 254;
/// Octets of the longest text of a note; what is longer is cut off, at a character's border.
pub const NOTE_BYTES_MAX: usize = 512;

/// The head of a recording.
pub fn file_header() -> [u8; 16] {
    let mut header = [0; 16];
    for (to, from) in header.iter_mut().zip(MAGIC.into_iter().chain(VERSION.to_be_bytes()).chain(2001u32.to_be_bytes()))
    {
        *to = from;
    }
    header
}

/// Adds a record to `out`: a packet of `kind` ([`PacketKind::Other`] has no opcode and adds nothing) of `adapter`, heard at
/// `at`, after `dropped` packets were lost all in all.
pub fn record(out: &mut Vec<u8>, kind: PacketKind, adapter: u16, at: Timestamp, dropped: u32, packet: &[u8]) {
    let Some(opcode) = kind.monitor_opcode() else { return };
    let bytes = (packet.len() as u32).to_be_bytes();
    out.extend_from_slice(&bytes);
    out.extend_from_slice(&bytes);
    out.extend_from_slice(&(u32::from(adapter) << 16 | u32::from(opcode)).to_be_bytes());
    out.extend_from_slice(&dropped.to_be_bytes());
    let micros = EPOCH_MICROS.saturating_add_unsigned(at.as_micros());
    out.extend_from_slice(&micros.to_be_bytes());
    out.extend_from_slice(packet);
}

/// The packet of a note; see [`crate::btsnoop::note`].
pub fn note_packet(priority: u8, ident: &str, text: &str) -> Vec<u8> {
    let ident = beginning(ident, IDENT_BYTES_MAX);
    let text = beginning(text, NOTE_BYTES_MAX);
    [&[priority, ident.len() as u8 + 1][..], ident.as_bytes(), &[0], text.as_bytes(), &[0]].concat()
}

/// The beginning of `text`, no longer than `bytes`, cut between characters.
fn beginning(text: &str, bytes: usize) -> &str {
    (0..=bytes.min(text.len())).rev().find_map(|at| text.get(..at)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::btsnoop::{Note, note, records};

    #[test]
    fn what_is_written_reads_back() {
        let kinds = [
            PacketKind::NewIndex,
            PacketKind::DeleteIndex,
            PacketKind::Command,
            PacketKind::Event,
            PacketKind::OpenIndex,
            PacketKind::CloseIndex,
            PacketKind::IndexInfo,
            PacketKind::Note,
        ];
        let mut file = file_header().to_vec();
        for (number, kind) in (0u16..).zip(kinds) {
            let at = Timestamp::from_micros(1_700_000_000_000_000 + u64::from(number));
            record(&mut file, kind, number, at, number.into(), &vec![7; number.into()]);
        }
        record(&mut file, PacketKind::Other, 0, Timestamp::default(), 0, &[1]);
        let read: Vec<_> = records(&file).unwrap().collect::<Result<_, _>>().unwrap();
        assert_eq!(read.len(), kinds.len());
        for (number, (record, kind)) in (0u16..).zip(read.iter().zip(kinds)) {
            assert_eq!((record.kind, record.adapter, record.dropped), (kind, number, number.into()));
            assert_eq!(record.at.as_micros(), 1_700_000_000_000_000 + u64::from(number));
            assert_eq!(record.data, vec![7; number.into()]);
        }
    }

    #[test]
    fn a_note_reads_back_and_a_long_one_is_cut_between_characters() {
        let packet = note_packet(4, "nightjar", "hci0: gone");
        assert_eq!(note(&packet), Some(Note { priority: 4, ident: "nightjar", text: "hci0: gone" }));
        let long = note_packet(4, "n", &"é".repeat(400));
        assert_eq!(note(&long).unwrap().text.len(), 512);
        let odd = note_packet(4, "n", &format!("x{}", "é".repeat(400)));
        assert_eq!(note(&odd).unwrap().text.len(), 511);
        for broken in [&[][..], &[4], &[4, 9, b'n'], &[4, 2, 0xFF, 0], &[4, 2, b'n', 0, 0xFF]] {
            assert_eq!(note(broken), None, "{broken:?}");
        }
    }
}
