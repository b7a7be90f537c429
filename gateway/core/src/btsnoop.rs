//! Recordings in the btsnoop format, as `btmon -w` writes them.
//!
//! [`records`] reads a recording that is in memory whole. Each fault tells the byte at which it lies,
//! and nothing is allocated for a length that is only announced.
//!
//! The file is a header of 16 bytes (magic, version, data link type), then records: original length,
//! included length, flags, drops so far (each 32 bits), time (64 bits), packet; all big-endian.
//! Three link types carry HCI events and are read: monitor (2001, what `btmon` writes: flags are
//! adapter index and opcode), UART (1002, a packet type byte first) and un-encapsulated (1001, the kind
//! is in the flags).
//!
//! Source: RFC 1761 (the format it grew from); BlueZ `doc/btsnoop.txt` (its link types, flags and epoch).

use crate::Timestamp;

pub(crate) const MAGIC: [u8; 8] = *b"btsnoop\0";
pub(crate) const VERSION: u32 = 1;
const HEADER_BYTES: usize = 16;
const RECORD_HEADER_BYTES: usize = 24;

/// The longest packet that is believed: twice the longest of HCI (ACL data, 65,539 bytes). A longer one
/// is damage, and reading on from there would be guessing.
pub const PACKET_BYTES_MAX: u32 = 131_072;

/// 1970-01-01 in microseconds since the format's epoch, the year 0.
pub(crate) const EPOCH_MICROS: i64 = 0x00DC_DDB3_0F2F_8000;

/// How the packets of a recording are wrapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkType {
    /// 1001: HCI, un-encapsulated.
    Unencapsulated,
    /// 1002: HCI UART (H4).
    Uart,
    /// 2001: Linux monitor.
    Monitor,
}

/// What kind of packet a record holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PacketKind {
    /// An HCI event, from its event code on.
    Event,
    /// An HCI command, from its opcode on.
    Command,
    /// An adapter has come: type, bus, address (least octet first), eight bytes of its name in the kernel.
    NewIndex,
    /// An adapter has gone.
    DeleteIndex,
    /// An adapter is in use.
    OpenIndex,
    /// An adapter is in use no longer.
    CloseIndex,
    /// What is known of an adapter in use: address (least octet first), manufacturer.
    IndexInfo,
    /// Something that a program said: see [`note`].
    Note,
    /// Data and the like: of no interest here.
    Other,
}

impl PacketKind {
    /// The kinds that have an opcode of the monitor, with it.
    const MONITOR: [(u16, Self); 8] = [
        (0, Self::NewIndex),
        (1, Self::DeleteIndex),
        (2, Self::Command),
        (3, Self::Event),
        (8, Self::OpenIndex),
        (9, Self::CloseIndex),
        (10, Self::IndexInfo),
        (13, Self::Note),
    ];

    /// What an opcode of the monitor stands for.
    pub fn of_monitor(opcode: u16) -> Self {
        Self::MONITOR.iter().find(|(known, _)| *known == opcode).map_or(Self::Other, |(_, kind)| *kind)
    }

    /// The opcode of the monitor; `None` for [`PacketKind::Other`], which is many.
    pub fn monitor_opcode(self) -> Option<u16> {
        Self::MONITOR.iter().find(|(_, kind)| *kind == self).map(|(opcode, _)| *opcode)
    }
}

/// What a program said into a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Note<'a> {
    /// As of syslog: 3 is an error, 4 a warning, 6 information, 7 for debugging.
    pub priority: u8,
    /// Who says it.
    pub ident: &'a str,
    /// What.
    pub text: &'a str,
}

/// The packet of a [`PacketKind::Note`] in its parts: priority, length of the ident with its NUL, ident, text (perhaps
/// with a NUL). `None`: it is broken, or not UTF-8.
pub fn note(packet: &[u8]) -> Option<Note<'_>> {
    let &[priority, ident_bytes, ref left @ ..] = packet else { return None };
    let (ident, text) = left.split_at_checked(ident_bytes.into())?;
    let ident = std::str::from_utf8(ident.strip_suffix(&[0]).unwrap_or(ident)).ok()?;
    let text = std::str::from_utf8(text.strip_suffix(&[0]).unwrap_or(text)).ok()?;
    Some(Note { priority, ident, text })
}

/// One packet of a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Where the record begins, in bytes from the beginning of the file.
    pub offset: usize,
    /// When it was heard. Not necessarily after the record before: clocks are set.
    pub at: Timestamp,
    /// Index of the adapter (`hci0` is 0); always 0 where the format does not tell.
    pub adapter: u16,
    /// What `data` is.
    pub kind: PacketKind,
    /// The packet, without its H4 packet type.
    pub data: &'a [u8],
    /// Packets that the recorder lost up to here.
    pub dropped: u32,
}

/// A recording that cannot be read, and the byte where that shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SnoopFault {
    /// Another format, or an empty file.
    #[error("byte 0: not a btsnoop recording (it does not begin with \"btsnoop\"); make one with `btmon -w FILE`")]
    Magic,
    /// Version other than 1.
    #[error("byte 8: btsnoop version {version}, but only version 1 is known")]
    Version {
        /// As read.
        version: u32,
    },
    /// Data link type without HCI events, or unknown.
    #[error(
        "byte 12: link type {link_type}, but only 1001 (HCI), 1002 (H4) and 2001 (monitor, `btmon -w`) can be read"
    )]
    LinkType {
        /// As read.
        link_type: u32,
    },
    /// The file ends inside its header or inside a record.
    #[error(
        "byte {at}: the file ends here, inside {inside} that begins at byte {begins}; cut it off there or record anew"
    )]
    Cut {
        /// Length of the file.
        at: usize,
        /// Where the unfinished part begins.
        begins: usize,
        /// "the header" or "a record".
        inside: &'static str,
    },
    /// Included length over [`PACKET_BYTES_MAX`].
    #[error("byte {at}: a record of {bytes} bytes, but no packet is over {PACKET_BYTES_MAX}; the file is damaged here")]
    TooLong {
        /// Where the record's lengths are.
        at: usize,
        /// As announced.
        bytes: u32,
    },
    /// More bytes included than the packet had.
    #[error("byte {at}: a record includes {included} bytes of a packet of {original}; the file is damaged here")]
    MoreThanOriginal {
        /// Where the record's lengths are.
        at: usize,
        /// Included length.
        included: u32,
        /// Original length.
        original: u32,
    },
    /// A time before 1970.
    #[error("byte {at}: a record from before 1970; the file is damaged here")]
    BeforeEpoch {
        /// Where the record's time is.
        at: usize,
    },
}

/// The records of a recording.
///
/// # Errors
///
/// The header is not that of a recording we can read.
pub fn records(file: &[u8]) -> Result<Records<'_>, SnoopFault> {
    let magic = file.get(..MAGIC.len()).unwrap_or(file);
    if magic.is_empty() || !MAGIC.starts_with(magic) {
        return Err(SnoopFault::Magic);
    }
    let cut = SnoopFault::Cut { at: file.len(), begins: 0, inside: "the header" };
    let header: &[u8; HEADER_BYTES] = file.first_chunk().ok_or(cut)?;
    let &[.., v0, v1, v2, v3, t0, t1, t2, t3] = header;
    let version = u32::from_be_bytes([v0, v1, v2, v3]);
    if version != VERSION {
        return Err(SnoopFault::Version { version });
    }
    let link_type = match u32::from_be_bytes([t0, t1, t2, t3]) {
        1001 => LinkType::Unencapsulated,
        1002 => LinkType::Uart,
        2001 => LinkType::Monitor,
        link_type => return Err(SnoopFault::LinkType { link_type }),
    };
    Ok(Records { file, link_type, at: HEADER_BYTES })
}

/// See [`records`]. Ends after the first fault: where the next record would begin is then unknown.
#[derive(Clone, Debug)]
pub struct Records<'a> {
    file: &'a [u8],
    link_type: LinkType,
    at: usize,
}

/// The record at the beginning of `left`, which is `offset` bytes into its stream, and its length. Where `left` ends
/// within it the fault is a [`SnoopFault::Cut`].
pub(crate) fn record_at(link_type: LinkType, offset: usize, left: &[u8]) -> Result<(Record<'_>, usize), SnoopFault> {
    Records { file: left, link_type, at: offset }.record(left)
}

impl Records<'_> {
    /// How the packets are wrapped.
    pub fn link_type(&self) -> LinkType {
        self.link_type
    }

    /// Where the next record begins, in bytes from the beginning of the file.
    pub fn offset(&self) -> usize {
        self.at
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, SnoopFault>;

    fn next(&mut self) -> Option<Self::Item> {
        let left = self.file.get(self.at..).filter(|left| !left.is_empty())?;
        let record = self.record(left);
        self.at = match &record {
            Ok((_, bytes)) => self.at + bytes,
            Err(_) => self.file.len(),
        };
        Some(record.map(|(record, _)| record))
    }
}

impl<'a> Records<'a> {
    /// The record at the beginning of `left`, and its length.
    fn record(&self, left: &'a [u8]) -> Result<(Record<'a>, usize), SnoopFault> {
        let offset = self.at;
        let cut = SnoopFault::Cut { at: self.file.len(), begins: offset, inside: "a record" };
        let (&header, left) = left.split_first_chunk::<RECORD_HEADER_BYTES>().ok_or(cut)?;
        let word = |at: usize| header.get(at..).and_then(|h| h.first_chunk()).map_or(0, |w| u32::from_be_bytes(*w));
        let (original, included, flags, dropped) = (word(0), word(4), word(8), word(12));
        if included > PACKET_BYTES_MAX {
            return Err(SnoopFault::TooLong { at: offset, bytes: included });
        }
        if included > original {
            return Err(SnoopFault::MoreThanOriginal { at: offset, included, original });
        }
        let micros = i64::from(word(16).cast_signed()) << 32 | i64::from(word(20));
        let micros = micros.checked_sub(EPOCH_MICROS).and_then(|m| u64::try_from(m).ok());
        let at = Timestamp::from_micros(micros.ok_or(SnoopFault::BeforeEpoch { at: offset + 16 })?);
        let packet = left.get(..included as usize).ok_or(cut)?;
        let (adapter, kind, data) = self.unwrap_packet(flags, packet);
        Ok((Record { offset, at, adapter, kind, data, dropped }, RECORD_HEADER_BYTES + packet.len()))
    }

    fn unwrap_packet(&self, flags: u32, packet: &'a [u8]) -> (u16, PacketKind, &'a [u8]) {
        /// Packet type of H4: an HCI event.
        const H4_EVENT: u8 = 4;
        /// Received by the host; a command or an event.
        const RECEIVED_EVENT: u32 = 0b11;
        match (self.link_type, packet) {
            (LinkType::Monitor, packet) => ((flags >> 16) as u16, PacketKind::of_monitor(flags as u16), packet),
            (LinkType::Uart, [H4_EVENT, event @ ..]) => (0, PacketKind::Event, event),
            (LinkType::Unencapsulated, event) if flags & 0b11 == RECEIVED_EVENT => (0, PacketKind::Event, event),
            (LinkType::Unencapsulated | LinkType::Uart, other) => (0, PacketKind::Other, other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENT: &[u8] = &[0x3E, 3, 0x02, 1, 0];

    fn header(link_type: u32) -> Vec<u8> {
        [&MAGIC[..], &1u32.to_be_bytes(), &link_type.to_be_bytes()].concat()
    }

    fn record(flags: u32, micros: i64, packet: &[u8]) -> Vec<u8> {
        let bytes = (packet.len() as u32).to_be_bytes();
        let time = (EPOCH_MICROS + micros).to_be_bytes();
        [&bytes[..], &bytes, &flags.to_be_bytes(), &7u32.to_be_bytes(), &time, packet].concat()
    }

    fn recording() -> Vec<u8> {
        [header(2001), record(0x0001_0003, 1_600_000_000_000_000, EVENT), record(2, 1_600_000_000_000_500, &[1, 2])]
            .concat()
    }

    fn read(file: &[u8]) -> Result<Vec<Record<'_>>, SnoopFault> {
        records(file)?.collect()
    }

    #[test]
    fn a_recording_of_the_monitor_is_read() {
        let file = recording();
        let [event, command] = read(&file).unwrap()[..] else { panic!("two records") };
        assert_eq!(event.at.as_micros(), 1_600_000_000_000_000);
        assert_eq!(
            (event.offset, event.adapter, event.kind, event.data, event.dropped),
            (16, 1, PacketKind::Event, EVENT, 7)
        );
        assert_eq!((command.offset, command.adapter, command.kind), (45, 0, PacketKind::Command));
        assert_eq!(records(&file).unwrap().link_type(), LinkType::Monitor);
    }

    #[test]
    fn the_other_link_types_tell_events_in_their_own_ways() {
        let h4 =
            [header(1002), record(3, 0, &[&[4], EVENT].concat()), record(2, 0, &[1, 3, 0x0C, 0]), record(3, 0, &[])]
                .concat();
        let bare = [header(1001), record(3, 0, EVENT), record(2, 0, EVENT), record(1, 0, EVENT)].concat();
        for (file, wanted) in [(h4, [true, false, false]), (bare, [true, false, false])] {
            let records = read(&file).unwrap();
            let events: Vec<_> = records.iter().map(|r| r.kind == PacketKind::Event).collect();
            assert_eq!(events, wanted);
            assert_eq!(records[0].data, EVENT);
        }
    }

    #[test]
    fn a_recording_cut_anywhere_names_the_byte_and_never_panics() {
        let file = recording();
        for cut in 0..file.len() {
            match (cut, read(&file[..cut])) {
                (0, Err(fault)) => assert_eq!(fault, SnoopFault::Magic),
                (1..16, Err(fault)) => assert_eq!(fault, SnoopFault::Cut { at: cut, begins: 0, inside: "the header" }),
                (16, Ok(records)) => assert!(records.is_empty()),
                (45, Ok(records)) => assert_eq!(records.len(), 1),
                (17..45, Err(fault)) => assert_eq!(fault, SnoopFault::Cut { at: cut, begins: 16, inside: "a record" }),
                (46.., Err(fault)) => assert_eq!(fault, SnoopFault::Cut { at: cut, begins: 45, inside: "a record" }),
                (_, other) => panic!("cut at {cut}: {other:?}"),
            }
        }
    }

    #[test]
    fn damage_is_told_with_its_place() {
        let with = |at: usize, bytes: &[u8]| {
            let mut file = recording();
            file[at..at + bytes.len()].copy_from_slice(bytes);
            file
        };
        let rows: [(&str, Vec<u8>, SnoopFault); 7] = [
            ("magic", with(0, b"pcap"), SnoopFault::Magic),
            ("another file", b"{}".to_vec(), SnoopFault::Magic),
            ("version", with(8, &[0, 0, 0, 2]), SnoopFault::Version { version: 2 }),
            ("link type", with(12, &[0, 0, 0, 1]), SnoopFault::LinkType { link_type: 1 }),
            ("length", with(16, &[0xFF; 8]), SnoopFault::TooLong { at: 16, bytes: u32::MAX }),
            ("lengths", with(16, &[0, 0, 0, 1]), SnoopFault::MoreThanOriginal { at: 16, included: 5, original: 1 }),
            ("time", with(61, &[0; 8]), SnoopFault::BeforeEpoch { at: 61 }),
        ];
        for (what, file, fault) in rows {
            assert_eq!(read(&file), Err(fault), "{what}");
        }
        assert_eq!(
            read(&with(61, &[0x80, 0, 0, 0, 0, 0, 0, 0])),
            Err(SnoopFault::BeforeEpoch { at: 61 }),
            "the least time"
        );
    }

    #[test]
    fn after_a_fault_nothing_is_guessed() {
        let mut file = recording();
        file[16..24].copy_from_slice(&[0xFF; 8]);
        let mut records = records(&file).unwrap();
        assert!(records.next().unwrap().is_err());
        assert_eq!(records.next(), None);
    }
}
