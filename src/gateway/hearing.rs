//! From a stream of the radio, or a recording, to what was heard: whole advertisements that pass the filters, and what
//! the radio has to say. It waits for nothing and reads no clock.

use std::collections::BTreeMap;

use gateway_core::btsnoop::{self, PacketKind, SnoopFault};
use gateway_core::btsnoop_stream::Stream;
use gateway_core::filter::Filters;
use gateway_core::radio_counts::LOG_IDENT;
use gateway_core::{Advertisement, Ear, MacAddress, Timestamp};

/// What was heard.
#[derive(Debug)]
pub(crate) enum Heard {
    /// A whole advertisement or scan response; its chip is the adapter's index (`hci0` is 0).
    Packet(Advertisement),
    /// The radio has something for the log: syslog's priority, and a text.
    Note(u8, String),
}

/// Where the hearing stands.
#[derive(Debug, Default)]
pub(crate) struct Hearing {
    stream: Stream,
    ear: Ear,
    filters: Filters,
    addresses: BTreeMap<u16, MacAddress>,
    lost: u32,
    now: Timestamp,
    heard: Vec<Advertisement>,
}

impl Hearing {
    /// Nothing heard yet; what does not pass `filters` will not be.
    pub(crate) fn new(filters: Filters) -> Self {
        Self { filters, ..Self::default() }
    }

    /// Takes the next piece of the stream, and appends what was heard in it to `out`.
    ///
    /// # Errors
    /// It is damaged, or no such stream. What came before the damage is in `out`.
    pub(crate) fn take(&mut self, piece: &[u8], out: &mut Vec<Heard>) -> Result<(), SnoopFault> {
        self.stream.push(piece);
        while let Some(head) = self.stream.peek() {
            let head = head?;
            self.lost = self.lost.max(head.dropped);
            self.now = self.now.max(head.at);
            match (head.kind, self.stream.packet(&head)) {
                (PacketKind::Event, event) => {
                    // What is wrong with it was counted; what came before that is there.
                    let _ = self.ear.hear(head.at, head.adapter, event, &mut self.heard);
                    let filters = &self.filters;
                    out.extend(self.heard.drain(..).filter(|packet| filters.pass(packet)).map(Heard::Packet));
                }
                // The address stands after type and bus, or alone; it is zero while the kernel does not know it.
                (PacketKind::NewIndex, [_, _, address @ ..]) | (PacketKind::IndexInfo, address) => {
                    if let Some(address) = address.first_chunk::<6>().filter(|address| **address != [0; 6]) {
                        self.addresses.insert(head.adapter, MacAddress::from_hci(*address));
                    }
                }
                (PacketKind::Note, note) => match btsnoop::note(note) {
                    Some(note) if note.ident == LOG_IDENT => out.push(Heard::Note(note.priority, note.text.to_owned())),
                    _ => {}
                },
                _ => {}
            }
            self.stream.advance(&head);
        }
        Ok(())
    }

    /// How the adapter of this index is called: by its address, or as the kernel does.
    pub(crate) fn adapter(&self, index: u16) -> String {
        self.addresses.get(&index).map_or_else(|| format!("hci{index}"), MacAddress::to_string)
    }

    /// The adapters that were told of.
    pub(crate) fn adapters(&self) -> Vec<String> {
        self.addresses.iter().map(|(index, address)| format!("hci{index} {address}")).collect()
    }

    /// Events that broke the specification.
    pub(crate) fn faults(&self) -> u64 {
        self.ear.counts().faults
    }

    /// Packets that the recorder or the radio lost.
    pub(crate) fn lost(&self) -> u32 {
        self.lost
    }

    /// The time of the latest record.
    pub(crate) fn now(&self) -> Timestamp {
        self.now
    }

    /// Whether the stream ended within a record.
    pub(crate) fn is_within_record(&self) -> bool {
        !self.stream.is_at_border()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATA_TEST: &[u8] = include_bytes!("../../gateway/recordings/data-test.btsnoop");
    const EXTENDED: &[u8] = include_bytes!("../../gateway/recordings/extended.btsnoop");

    fn heard(hearing: &mut Hearing, recording: &[u8]) -> Vec<Heard> {
        let mut out = Vec::new();
        for piece in recording.chunks(1000) {
            hearing.take(piece, &mut out).expect("a sound recording");
        }
        out
    }

    #[test]
    fn every_packet_of_a_recording_is_heard_and_the_adapter_has_its_address() {
        let mut hearing = Hearing::default();
        let out = heard(&mut hearing, DATA_TEST);
        assert_eq!((out.len(), hearing.faults(), hearing.is_within_record()), (562, 0, false));
        assert_eq!(hearing.adapter(0), "00:AA:01:00:00:42");
        assert_eq!(hearing.adapter(7), "hci7");
        // Fragments are put together: 529 reports less 93 that are parts.
        assert_eq!(heard(&mut Hearing::default(), EXTENDED).len(), 529 - 93);
    }

    #[test]
    fn what_does_not_pass_the_filters_is_not_heard() {
        let filters = Filters { names: "HSE*".parse().expect("a list"), ..Filters::default() };
        assert_eq!(heard(&mut Hearing::new(filters), DATA_TEST).len(), 39 + 38);
    }

    #[test]
    fn what_the_radio_says_is_told_and_what_other_programs_say_is_not() {
        let note = |ident: &str, text: &str| {
            let packet = [&[4, ident.len() as u8 + 1], ident.as_bytes(), &[0], text.as_bytes(), &[0]].concat();
            let bytes = (packet.len() as u32).to_be_bytes();
            let time = 0x00E2_0000_0000_0000_u64.to_be_bytes();
            [&bytes[..], &bytes, &0xFFFF_000D_u32.to_be_bytes(), &[0, 0, 0, 5], &time, &packet].concat()
        };
        let header = &DATA_TEST[..16];
        let stream = [
            header,
            &note("nightjar", "hci0 went away"),
            &note("bluetoothd", "x"),
            &note("nightjar-counts", "heard=9"),
        ];
        let mut hearing = Hearing::default();
        let out = heard(&mut hearing, &stream.concat());
        let [Heard::Note(4, text)] = &out[..] else { panic!("{out:?}") };
        assert_eq!((text.as_str(), hearing.lost()), ("hci0 went away", 5));
    }
}
