//! A recording that is still being written: records out of a btsnoop stream that comes in pieces of any size.
//!
//! [`Stream::push`] takes a piece, [`Stream::peek`] gives the records that are whole. What is held is one record that
//! is not whole, and the piece that was pushed last: [`btsnoop::PACKET_BYTES_MAX`] and the piece at most.

use std::ops::Range;

use crate::Timestamp;
use crate::btsnoop::{self, LinkType, PacketKind, SnoopFault};

/// Whole records, as far as they have come.
#[derive(Debug, Default)]
pub struct Stream {
    bytes: Vec<u8>,
    /// Where in `bytes` the next record begins.
    at: usize,
    /// How many bytes of the stream are gone from the front of `bytes`.
    gone: usize,
    /// Known once the header is whole.
    link_type: Option<LinkType>,
}

/// One record of a stream. Its packet is [`Stream::packet`], until the next [`Stream::push`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// When it was heard.
    pub at: Timestamp,
    /// Index of the adapter (`hci0` is 0).
    pub adapter: u16,
    /// What its packet is.
    pub kind: PacketKind,
    /// Packets that the recorder lost up to here.
    pub dropped: u32,
    place: Range<usize>,
}

impl Stream {
    /// Takes the next bytes of the stream.
    pub fn push(&mut self, piece: &[u8]) {
        self.bytes.drain(..self.at);
        self.gone += self.at;
        self.at = 0;
        self.bytes.extend_from_slice(piece);
    }

    /// The next record that is whole, without taking it. `None`: more bytes are needed.
    ///
    /// # Errors
    ///
    /// The stream is damaged, or no such stream; the byte is counted from the stream's beginning. It stays so.
    pub fn peek(&mut self) -> Option<Result<Head, SnoopFault>> {
        let link_type = match self.header()? {
            Ok(link_type) => link_type,
            Err(fault) => return Some(Err(fault)),
        };
        let left = self.bytes.get(self.at..).unwrap_or_default();
        match btsnoop::record_at(link_type, self.gone + self.at, left) {
            Ok((record, bytes)) => {
                let end = self.at + bytes;
                let place = end - record.data.len()..end;
                let (at, adapter, kind, dropped) = (record.at, record.adapter, record.kind, record.dropped);
                Some(Ok(Head { at, adapter, kind, dropped, place }))
            }
            Err(SnoopFault::Cut { .. }) => None,
            Err(fault) => Some(Err(fault)),
        }
    }

    /// Goes past the record that [`Stream::peek`] gave.
    pub fn advance(&mut self, past: &Head) {
        self.at = self.at.max(past.place.end);
    }

    /// The packet of a record, without its H4 packet type.
    pub fn packet(&self, of: &Head) -> &[u8] {
        self.bytes.get(of.place.clone()).unwrap_or_default()
    }

    /// Whether the stream may end here: not within its header or a record.
    pub fn is_at_border(&self) -> bool {
        self.at == self.bytes.len() && self.link_type.is_some()
    }

    /// How many bytes of the stream have come.
    pub fn bytes_read(&self) -> usize {
        self.gone + self.bytes.len()
    }

    /// What the stream's header says; `None`: it is not whole.
    fn header(&mut self) -> Option<Result<LinkType, SnoopFault>> {
        if let Some(link_type) = self.link_type {
            return Some(Ok(link_type));
        }
        match btsnoop::records(&self.bytes) {
            Ok(records) => {
                self.link_type = Some(records.link_type());
                self.at = records.offset();
                Some(Ok(records.link_type()))
            }
            Err(SnoopFault::Cut { .. }) => None,
            Err(_) if self.bytes.is_empty() => None,
            Err(fault) => Some(Err(fault)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORDING: &[u8] = include_bytes!("../../recordings/data-test.btsnoop");

    type Read = (Timestamp, u16, PacketKind, Vec<u8>);

    /// Every record of a stream that comes in pieces of this size, or what is wrong with it.
    fn read(bytes: &[u8], piece: usize) -> Result<Vec<Read>, SnoopFault> {
        let (mut stream, mut records) = (Stream::default(), Vec::new());
        for piece in bytes.chunks(piece) {
            stream.push(piece);
            while let Some(head) = stream.peek() {
                let head = head?;
                records.push((head.at, head.adapter, head.kind, stream.packet(&head).to_vec()));
                stream.advance(&head);
            }
            assert!(stream.bytes.capacity() < 8 * (btsnoop::PACKET_BYTES_MAX as usize + piece.len()));
        }
        Ok(records)
    }

    #[test]
    fn pieces_of_any_size_give_the_records_of_the_whole() {
        let whole: Vec<_> = btsnoop::records(RECORDING).unwrap().map(Result::unwrap).collect();
        let whole: Vec<_> = whole.iter().map(|r| (r.at, r.adapter, r.kind, r.data.to_vec())).collect();
        for piece in [1, 7, 1000, RECORDING.len()] {
            assert_eq!(read(RECORDING, piece).unwrap(), whole, "{piece}");
        }
    }

    #[test]
    fn damage_is_told_with_its_place_in_the_stream_and_nothing_is_guessed_after_it() {
        let second = btsnoop::records(RECORDING).unwrap().nth(1).unwrap().unwrap().offset;
        let mut damaged = RECORDING[..second + 100].to_vec();
        damaged[second..second + 8].fill(0xFF);
        for piece in [1, 50, damaged.len()] {
            assert_eq!(read(&damaged, piece), Err(SnoopFault::TooLong { at: second, bytes: u32::MAX }), "{piece}");
        }
        assert_eq!(read(b"pcap", 1), Err(SnoopFault::Magic));
        let mut stream = Stream::default();
        stream.push(&damaged);
        let first = stream.peek().unwrap().unwrap();
        stream.advance(&first);
        for _ in 0..2 {
            assert!(stream.peek().unwrap().is_err());
            stream.push(RECORDING);
        }
    }

    #[test]
    fn a_stream_may_end_only_between_its_records() {
        let second = btsnoop::records(RECORDING).unwrap().nth(1).unwrap().unwrap().offset;
        for (end, wanted) in [(0, false), (15, false), (16, true), (17, false), (second, true), (second + 1, false)] {
            let mut stream = Stream::default();
            stream.push(&RECORDING[..end]);
            while let Some(head) = stream.peek() {
                stream.advance(&head.unwrap());
            }
            assert_eq!((stream.is_at_border(), stream.bytes_read()), (wanted, end));
        }
    }
}
