//! The stream that we write: records go in whole or not at all, and nobody is waited for.

use std::io::{self, Write as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use gateway_core::Timestamp;
use gateway_core::btsnoop::PacketKind;
use gateway_core::btsnoop_writer;

/// Bytes that wait for the reader: some ten seconds of 1,000 reports a second. What comes when it is full is dropped.
pub const STREAM_BYTES_MAX: usize = 1024 * 1024;
/// So much more may wait of notes, and of what happens to adapters: what was lost must not be lost, too.
pub const STREAM_NOTES_BYTES_MAX: usize = 64 * 1024;

pub(crate) struct Stream {
    out: UnixStream,
    waiting: Vec<u8>,
    /// Of `waiting`, what is written already.
    written: usize,
    dropped: u64,
    open: bool,
}

impl Stream {
    pub(crate) fn new(out: UnixStream) -> io::Result<Self> {
        out.set_nonblocking(true)?;
        let waiting = btsnoop_writer::file_header().to_vec();
        Ok(Self { out, waiting, written: 0, dropped: 0, open: true })
    }

    /// Adds a record. `lost` packets were lost in the kernel up to here.
    pub(crate) fn push(&mut self, kind: PacketKind, adapter: u16, at: Timestamp, lost: u64, packet: &[u8]) {
        let room = if kind == PacketKind::Event { 0 } else { STREAM_NOTES_BYTES_MAX };
        if self.waiting.len() - self.written + packet.len() > STREAM_BYTES_MAX + room {
            self.dropped += 1;
            return;
        }
        let dropped = u32::try_from(lost + self.dropped).unwrap_or(u32::MAX);
        btsnoop_writer::record(&mut self.waiting, kind, adapter, at, dropped, packet);
    }

    /// Writes what the reader takes now.
    pub(crate) fn flush(&mut self) {
        while self.open && self.written < self.waiting.len() {
            match self.out.write(&self.waiting[self.written..]) {
                Ok(bytes) => self.written += bytes,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(_) => self.open = false,
            }
        }
        if self.written == self.waiting.len() || self.written > STREAM_BYTES_MAX / 2 {
            self.waiting.drain(..self.written);
            self.written = 0;
        }
    }

    /// Whether something waits for the reader.
    pub(crate) fn is_behind(&self) -> bool {
        self.written < self.waiting.len()
    }

    pub(crate) fn close(&mut self) {
        self.open = false;
    }

    /// Whether the reader is there, as far as is known.
    pub(crate) fn is_open(&self) -> bool {
        self.open
    }

    /// Records that found no room.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.out.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gateway_core::btsnoop::{note, records};
    use std::io::Read as _;

    #[test]
    fn what_finds_no_room_is_dropped_whole_and_counted_and_notes_still_pass() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let mut stream = Stream::new(ours).unwrap();
        let packet = [0x3E; 250];
        let mut pushed = 0u64;
        while stream.dropped() < 10 {
            stream.push(PacketKind::Event, 0, Timestamp::default(), 0, &packet);
            stream.flush();
            pushed += 1;
        }
        let text = btsnoop_writer::note_packet(4, "nightjar", "something");
        stream.push(PacketKind::Note, 0, Timestamp::default(), 3, &text);
        let reader = std::thread::spawn(move || {
            let mut read = Vec::new();
            theirs.read_to_end(&mut read).unwrap();
            read
        });
        while stream.is_behind() {
            stream.flush();
        }
        drop(stream);
        let read = reader.join().unwrap();
        let records: Vec<_> = records(&read).unwrap().collect::<Result<_, _>>().unwrap();
        assert_eq!(records.len() as u64, pushed - 10 + 1);
        let last = records.last().unwrap();
        assert_eq!((last.dropped, note(last.data).unwrap().text), (13, "something"));
    }

    #[test]
    fn a_reader_that_is_gone_is_noticed() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let mut stream = Stream::new(ours).unwrap();
        drop(theirs);
        assert!(stream.is_open());
        stream.flush();
        assert!(!stream.is_open());
    }
}
