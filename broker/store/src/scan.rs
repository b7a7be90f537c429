//! Which records of a file count: those of whole commits.
//!
//! Of every file but the last, the next one's header says how much of it counts, and what is wrong in there is
//! damage. At the end of the last one a write may have been cut short by a crash: its commit was promised to nobody and
//! none of it counts, since half of it (a message, but not that its sender may not send it again) would be worse.

use std::ops::Range;

use crate::frame::{FRAME_BYTES, Piece, Pieces, Salt};
use crate::header::HEADER_BYTES;

/// What a file holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Scanned {
    /// Records that count.
    pub records: Vec<Range<usize>>,
    /// Bytes that cannot be read.
    pub damaged: Vec<Range<usize>>,
    /// The commit at the end that was cut short: records that can be read and bytes that cannot.
    pub torn: Option<(Vec<Range<usize>>, Range<usize>)>,
    /// As far as it counts.
    pub good: usize,
    /// Where a commit begins that is damaged and the last: whether it was promised nobody knows.
    pub doubtful: Option<usize>,
}

/// `counts`: so many bytes of it do; `None`: nobody knows, for it is the last.
pub(crate) fn scan(bytes: &[u8], salt: &Salt, counts: Option<u64>) -> Scanned {
    let known = counts.and_then(|counts| usize::try_from(counts).ok());
    let bytes = &bytes[..known.unwrap_or(bytes.len()).min(bytes.len())];
    let begin = HEADER_BYTES.min(bytes.len());
    let mut scanned = Scanned { good: begin, ..Scanned::default() };
    // Since the end of the last whole commit.
    let mut open: Vec<Piece> = Vec::new();
    // The last whole commit.
    let mut closed: Vec<Piece> = Vec::new();
    for piece in (Pieces { bytes, salt, at: begin }) {
        let ends_commit = matches!(piece, Piece::Record { ends_commit: true, .. });
        open.push(piece);
        if ends_commit {
            scanned.take(&closed);
            closed = std::mem::take(&mut open);
        }
    }
    if known.is_some() {
        scanned.take(&closed);
        scanned.take(&open);
        scanned.good = bytes.len();
        return scanned;
    }
    if open.is_empty() && has_holes(bytes, &closed) {
        scanned.tear(closed);
    } else {
        scanned.take(&closed);
        if was_cut(bytes, salt, &open) {
            scanned.tear(open);
        } else {
            scanned.take(&open);
            let last = if open.is_empty() { &closed } else { &open };
            let is_damaged = last.iter().any(|piece| matches!(piece, Piece::Damaged(_)));
            scanned.doubtful = last.first().filter(|_| is_damaged).map(|first| first.range().start);
        }
    }
    scanned
}

impl Scanned {
    fn take(&mut self, pieces: &[Piece]) {
        for piece in pieces {
            self.good = piece.range().end;
            match piece {
                Piece::Record { record, .. } => self.records.push(record.clone()),
                Piece::Damaged(range) => self.damaged.push(range.clone()),
            }
        }
    }

    fn tear(&mut self, pieces: Vec<Piece>) {
        let (Some(first), Some(last)) = (pieces.first(), pieces.last()) else { return };
        let range = first.range().start..last.range().end;
        let readable = pieces.into_iter().filter_map(|piece| match piece {
            Piece::Record { record, .. } => Some(record),
            Piece::Damaged(_) => None,
        });
        self.torn = Some((readable.collect(), range));
    }
}

/// Whether a write was cut short, not changed afterwards: its end is missing, or was never written.
fn was_cut(bytes: &[u8], salt: &Salt, open: &[Piece]) -> bool {
    let end_is_missing = match open.last() {
        Some(Piece::Damaged(range)) => {
            let piece = &bytes[range.clone()];
            piece.len() < FRAME_BYTES || salt.length(piece).is_some_and(|len| len > piece.len())
        }
        _ => !open.is_empty(),
    };
    end_is_missing || has_holes(bytes, open)
}

/// Sectors of a file that were never written are read as zeros. Of the first and the last one a commit may have a few
/// bytes only.
fn has_holes(bytes: &[u8], commit: &[Piece]) -> bool {
    const SECTOR_BYTES: usize = 512;
    const ZEROS: [u8; 32] = [0; 32];
    let (Some(first), Some(last)) = (commit.first(), commit.last()) else { return false };
    let (begin, end) = (first.range().start, last.range().end);
    let was_not_written = |sector: usize| {
        let sector = begin.max(sector * SECTOR_BYTES)..end.min((sector + 1) * SECTOR_BYTES);
        bytes[sector].iter().all(|byte| *byte == 0)
    };
    commit.iter().any(|piece| match piece {
        Piece::Damaged(range) => {
            let mut sectors = range.start / SECTOR_BYTES..range.end.div_ceil(SECTOR_BYTES);
            sectors.any(was_not_written) || bytes[range.clone()].windows(ZEROS.len()).any(|window| window == ZEROS)
        }
        Piece::Record { .. } => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{end_commit, put};

    /// Commits of two records each; where each record's frame begins.
    fn file(commits: usize, salt: &Salt) -> (Vec<u8>, Vec<usize>) {
        let mut bytes = vec![1; HEADER_BYTES];
        let mut begins = Vec::new();
        for n in 0..commits * 2 {
            begins.push(bytes.len());
            put(&mut bytes, salt, |to| to.extend_from_slice(&[n as u8 + 1; 20]));
            if n % 2 == 1 {
                end_commit(&mut bytes, salt, begins[n]);
            }
        }
        (bytes, begins)
    }

    #[test]
    fn wherever_the_last_file_is_cut_whole_commits_count_and_others_do_not() {
        let salt = Salt::new(3);
        let (bytes, begins) = file(3, &salt);
        for len in HEADER_BYTES..=bytes.len() {
            let scanned = scan(&bytes[..len], &salt, None);
            let whole = (len - HEADER_BYTES) / 64;
            assert_eq!(scanned.records.len(), whole * 2, "cut at {len}");
            assert_eq!(scanned.good, HEADER_BYTES + whole * 64);
            assert_eq!(scanned.torn.is_some(), scanned.good != len);
            assert_eq!(scanned.damaged, []);
        }
        assert_eq!(begins.len(), 6);
    }

    #[test]
    fn a_changed_bit_in_the_last_commit_costs_one_record_not_the_commit() {
        let salt = Salt::new(3);
        let (bytes, _) = file(3, &salt);
        for bit in HEADER_BYTES * 8..bytes.len() * 8 {
            let mut bytes = bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let scanned = scan(&bytes, &salt, None);
            assert_eq!((scanned.records.len(), scanned.damaged.len()), (5, 1), "bit {bit}: {scanned:?}");
        }
    }

    #[test]
    fn a_hole_in_the_last_commit_undoes_it_and_elsewhere_is_damage() {
        let salt = Salt::new(3);
        let (mut bytes, begins) = file(3, &salt);
        bytes[begins[4]..begins[5]].fill(0);
        let scanned = scan(&bytes, &salt, None);
        assert_eq!((scanned.records.len(), scanned.damaged.len()), (4, 0));
        assert!(scanned.torn.is_some());
        let (mut bytes, begins) = file(3, &salt);
        bytes[begins[2]..begins[3]].fill(0);
        let scanned = scan(&bytes, &salt, None);
        assert_eq!((scanned.records.len(), scanned.damaged.len()), (5, 1));
        assert!(scanned.torn.is_none());
    }

    #[test]
    fn a_sector_that_was_not_written_undoes_the_commit_however_few_of_its_bytes_lie_in_it() {
        let salt = Salt::new(3);
        let (bytes, begins) = file(20, &salt);
        for (n, begin) in begins.iter().enumerate().step_by(2) {
            let end = begin + 64;
            let boundary = end / 512 * 512;
            if boundary <= *begin || boundary == end {
                continue;
            }
            for lost in [*begin..boundary, boundary..end] {
                let mut bytes = bytes[..end].to_vec();
                bytes[lost.clone()].fill(0);
                let scanned = scan(&bytes, &salt, None);
                assert_eq!((scanned.records.len(), scanned.damaged.len()), (n, 0), "without {lost:?}");
                assert!(scanned.torn.is_some(), "without {lost:?}");
            }
        }
    }

    #[test]
    fn of_a_file_that_others_follow_so_much_counts_as_they_say() {
        let salt = Salt::new(3);
        let (bytes, begins) = file(3, &salt);
        let scanned = scan(&bytes, &salt, Some(begins[4] as u64));
        assert_eq!((scanned.records.len(), scanned.torn, scanned.good), (4, None, begins[4]));
        let scanned = scan(&bytes[..bytes.len() - 1], &salt, Some(bytes.len() as u64));
        assert_eq!((scanned.records.len(), scanned.damaged.len(), scanned.torn), (5, 1, None));
    }
}
