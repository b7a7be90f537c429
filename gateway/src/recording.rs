//! A recording, read whole and found sound before it is replayed.

use std::fs::File;
use std::io::Read as _;
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use gateway_core::btsnoop::{self, PacketKind};
use gateway_core::chips::Chips;
use gateway_core::monitor::MonitorPacket;
use gateway_core::{Timestamp, hci};

use crate::GatewayError;

/// The longest recording that is read, in bytes: it is held in memory, so that it can be edited or
/// deleted while it is replayed. `btmon -w` writes some 150 bytes per report, so this is a million of them.
pub const RECORDING_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// The advertising events of a recording, in its order; at least one.
#[derive(Debug)]
pub(crate) struct Recording {
    bytes: Vec<u8>,
    events: Vec<Place>,
}

#[derive(Debug)]
struct Place {
    at: Timestamp,
    adapter: u16,
    range: Range<usize>,
}

/// One event of a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Event<'a> {
    pub(crate) at: Timestamp,
    /// Which of the gateway's radios heard it.
    pub(crate) adapter: u16,
    /// From its event code on.
    pub(crate) octets: &'a [u8],
}

impl Recording {
    pub(crate) fn open(path: &Path) -> Result<Self, GatewayError> {
        let file = |cause| GatewayError::File { path: path.to_owned(), cause };
        let mut bytes = Vec::new();
        // What a file says of its length is not believed: it may be a pipe, or grow.
        File::open(path).map_err(file)?.take(RECORDING_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(file)?;
        if bytes.len() as u64 > RECORDING_BYTES_MAX {
            return Err(GatewayError::TooLarge { path: path.to_owned() });
        }
        Self::read(path, bytes)
    }

    fn read(path: &Path, bytes: Vec<u8>) -> Result<Self, GatewayError> {
        let damaged = |fault| GatewayError::Recording { path: path.to_owned(), fault };
        let (mut events, mut packets, mut chips) = (Vec::new(), 0, Chips::default());
        let mut records = btsnoop::records(&bytes).map_err(damaged)?;
        while let Some(record) = records.next() {
            let record = record.map_err(damaged)?;
            packets += 1;
            match record.kind {
                PacketKind::NewIndex | PacketKind::IndexInfo => {
                    let packet = MonitorPacket { kind: record.kind, adapter: record.adapter, data: record.data };
                    if let Some(address) = packet.address() {
                        chips.came(record.adapter, address);
                    }
                }
                PacketKind::DeleteIndex => chips.went(record.adapter),
                _ => {}
            }
            // One that is broken is kept too: the pipeline counts it.
            if record.kind == PacketKind::Event && !matches!(hci::advertising_reports(record.data), Ok(None)) {
                let range = records.offset() - record.data.len()..records.offset();
                events.push(Place { at: record.at, adapter: chips.of(record.adapter), range });
            }
        }
        if events.is_empty() {
            return Err(GatewayError::Silent { path: path.to_owned(), records: packets });
        }
        Ok(Self { bytes, events })
    }

    pub(crate) fn event(&self, index: usize) -> Option<Event<'_>> {
        let Place { at, adapter, range } = self.events.get(index)?;
        Some(Event { at: *at, adapter: *adapter, octets: self.bytes.get(range.clone())? })
    }

    pub(crate) fn len(&self) -> usize {
        self.events.len()
    }

    /// From the earliest event to the latest: clocks are set, so these may stand anywhere.
    pub(crate) fn duration(&self) -> Duration {
        let times = || self.events.iter().map(|place| place.at);
        times().max().zip(times().min()).map_or(Duration::ZERO, |(last, first)| last.since(first))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn sample() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("recordings/data-test.btsnoop")
    }

    fn fault(bytes: &[u8]) -> String {
        Recording::read(Path::new("air.btsnoop"), bytes.to_vec()).map(|_| ()).unwrap_err().to_string()
    }

    #[test]
    fn the_advertising_events_are_found() {
        let recording = Recording::open(&sample()).unwrap();
        let expected = include_str!("../recordings/data-test.expected").lines().count();
        assert_eq!(recording.len(), expected);
        assert!((40..45).contains(&recording.duration().as_secs()));
        let event = recording.event(0).unwrap().octets;
        assert!(matches!(hci::advertising_reports(event), Ok(Some(_))));
        assert_eq!(recording.event(expected), None);
    }

    #[test]
    fn a_recording_that_cannot_be_replayed_is_told_with_file_and_byte() {
        let sound = std::fs::read(sample()).unwrap();
        let cut = fault(&sound[..50_000]);
        assert!(
            cut.starts_with("air.btsnoop: byte 50000: the file ends here, inside a record that begins at byte "),
            "{cut}"
        );
        assert!(fault(b"").starts_with("air.btsnoop: byte 0: not a btsnoop recording"), "{}", fault(b""));
        let silent = fault(&sound[..16]);
        assert!(silent.starts_with("air.btsnoop: no advertising reports in it (0 packets)"), "{silent}");
        let missing = Recording::open(Path::new("no/such.btsnoop")).unwrap_err().to_string();
        assert!(missing.starts_with("no/such.btsnoop: "), "{missing}");
    }
}
