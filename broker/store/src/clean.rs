//! Cleaning: what still counts of the oldest file is written again at the end, a piece with every commit, and then
//! the file goes.
//!
//! A piece is in proportion to what was committed, so that no acknowledgement waits for a whole file.

use std::ops::Range;

use crate::coding::{VERSION, decode};
use crate::frame::{FRAME_BYTES, Piece, Pieces};
use crate::header::{HEADER_BYTES, Header};
use crate::index::Mark;
use crate::{CommitError, Store, files};

/// So many bytes are looked through for each that is committed: at least half of the oldest files is of no use any
/// more, as a rule, so that two would do in the long run.
const PACE: usize = 4;
/// And in any case such a part of a file, so that it comes to its end where little is committed.
const STEPS: u64 = 64;
/// Files that are short, because the program was started often, are cleaned away above this number.
const FILES_MAX: usize = 16;

/// A file that is being cleaned.
#[derive(Debug)]
pub(crate) struct Cleaning {
    number: u64,
    version: u16,
    bytes: Vec<u8>,
    /// Those that were not looked at yet. The last one comes first: of several with the same key that one counts.
    records: Vec<Range<usize>>,
}

impl Store {
    /// Goes on with cleaning, after so many bytes of operations.
    pub(crate) fn clean(&mut self, committed: usize) {
        if self.cleaning.is_none() && self.has_waste() {
            self.cleaning = self.begin_cleaning();
        }
        let Some(mut cleaning) = self.cleaning.take() else { return };
        let step = usize::try_from(self.options.file_bytes_max / STEPS).unwrap_or(usize::MAX);
        // On a full disk acknowledgements wait longer than for a file.
        let mut left = if self.is_full() { usize::MAX } else { (committed * PACE).max(step).max(1) };
        while left > 0
            && let Some(range) = cleaning.records.pop()
        {
            left = left.saturating_sub(range.len());
            let here = Mark::new(cleaning.number, &cleaning.bytes[range.start - FRAME_BYTES..range.end]);
            let Some(record) = decode(cleaning.version, &cleaning.bytes[range], self.clock) else { continue };
            if let Some(record) = self.index.survivor(record, here) {
                let mark = self.frame(&record);
                self.index.moved(&record, mark);
            }
        }
        self.cleaning = Some(cleaning);
    }

    /// Whether there is more on the disk than there should be.
    fn has_waste(&self) -> bool {
        let bytes_max = if self.is_full() {
            // Whatever gives back more than it takes.
            self.live_bytes() + self.live_bytes() / 4 + self.options.file_bytes_max / 4
        } else {
            2 * self.live_bytes() + self.options.slack_bytes_max
        };
        let full_files = self.disk_bytes() / self.options.file_bytes_max;
        let files_max = FILES_MAX.max(2 * usize::try_from(full_files).unwrap_or(usize::MAX));
        self.files.len() > 1 && (self.disk_bytes() > bytes_max || self.files.len() > files_max)
    }

    pub(crate) fn begin_cleaning(&self) -> Option<Cleaning> {
        let oldest = self.files.front()?;
        let bytes = self.disk.read(&files::name(oldest.number), oldest.bytes).ok()?;
        let version = Header::decode(&bytes).map_or(VERSION, |header| header.version);
        let pieces = Pieces { bytes: &bytes, salt: &self.salt, at: HEADER_BYTES.min(bytes.len()) };
        // Damage was told at the start. What came since costs what it hit: the core has it in memory and goes on.
        let records = pieces.filter_map(|piece| match piece {
            Piece::Record { record, .. } => Some(record),
            Piece::Damaged(_) => None,
        });
        Some(Cleaning { number: oldest.number, version, records: records.collect(), bytes })
    }

    /// After what survived is on the disk, the file goes.
    pub(crate) fn drop_cleaned(&mut self) -> Result<(), CommitError> {
        if self.cleaning.as_ref().is_none_or(|cleaning| !cleaning.records.is_empty()) {
            return Ok(());
        }
        self.sync()?;
        let Some(cleaning) = self.cleaning.take() else { return Ok(()) };
        if files::remove(&*self.disk, cleaning.number).is_ok() {
            self.files.retain(|file| file.number != cleaning.number);
        } else {
            // Tried again: as long as it is there, none after it may go. What it holds is no loss.
            self.cleaning = Some(cleaning);
        }
        Ok(())
    }
}
