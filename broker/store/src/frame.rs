//! Records in a file: each with its length and two checksums, so that damage is noticed, and passed over.
//!
//! A frame is the length of the record (4 bytes, the highest bit says that a commit ends here), a checksum of that
//! length, a checksum of the record, the record. Checksums begin with the store's salt, which no client knows: a
//! payload that looks like a frame is not taken for one when what stood around it is damaged.

use std::ops::Range;

/// Bytes before each record.
pub(crate) const FRAME_BYTES: usize = 12;
const LAST: u32 = 1 << 31;

/// What checksums begin with.
#[derive(Clone, Debug)]
pub(crate) struct Salt(crc32fast::Hasher);

impl Salt {
    pub(crate) fn new(salt: u64) -> Self {
        let mut begun = crc32fast::Hasher::new();
        begun.update(&salt.to_le_bytes());
        Self(begun)
    }

    /// The length of the frame that begins here, if that much of it is right.
    pub(crate) fn length(&self, frame: &[u8]) -> Option<usize> {
        let [a, b, c, d, sums @ ..] = *frame.first_chunk::<FRAME_BYTES>()?;
        let len = u32::from_le_bytes([a, b, c, d]) & !LAST;
        (self.sum(&[a, b, c, d]) == sums[..4]).then_some(FRAME_BYTES + len as usize)
    }

    fn sum(&self, bytes: &[u8]) -> [u8; 4] {
        let mut sum = self.0.clone();
        sum.update(bytes);
        sum.finalize().to_le_bytes()
    }
}

/// Puts what `write` writes into a frame behind `to`; [`end_commit`] may mark it later. Returns the frame's length.
pub(crate) fn put(to: &mut Vec<u8>, salt: &Salt, write: impl FnOnce(&mut Vec<u8>)) -> usize {
    let at = to.len();
    to.extend_from_slice(&[0; FRAME_BYTES]);
    write(to);
    let len = (to.len() - at - FRAME_BYTES) as u32;
    debug_assert!(len < LAST, "a packet has no more than 256 MiB");
    set_length(&mut to[at..], salt, len);
    let sum = salt.sum(&to[at + FRAME_BYTES..]);
    to[at + 8..at + FRAME_BYTES].copy_from_slice(&sum);
    to.len() - at
}

/// The frame that begins at `at` is the last of its commit.
pub(crate) fn end_commit(to: &mut [u8], salt: &Salt, at: usize) {
    let len = u32::from_le_bytes([to[at], to[at + 1], to[at + 2], to[at + 3]]);
    set_length(&mut to[at..], salt, len | LAST);
}

fn set_length(frame: &mut [u8], salt: &Salt, len: u32) {
    frame[..4].copy_from_slice(&len.to_le_bytes());
    let sum = salt.sum(&len.to_le_bytes());
    frame[4..8].copy_from_slice(&sum);
}

/// The checksum of the record in a right frame.
pub(crate) fn record_sum(frame: &[u8]) -> u32 {
    frame[8..].first_chunk().map_or(0, |sum| u32::from_le_bytes(*sum))
}

/// What lies in a file, piece by piece.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// A record, right as it was written.
    Record { record: Range<usize>, ends_commit: bool },
    /// Bytes that are not what was written, up to the next right frame or the end.
    Damaged(Range<usize>),
}

impl Piece {
    /// The bytes that it takes.
    pub(crate) fn range(&self) -> Range<usize> {
        match self {
            Self::Record { record, .. } => record.start - FRAME_BYTES..record.end,
            Self::Damaged(range) => range.clone(),
        }
    }
}

/// The pieces of `bytes` from `at` on.
pub(crate) struct Pieces<'a> {
    pub bytes: &'a [u8],
    pub salt: &'a Salt,
    pub at: usize,
}

impl Iterator for Pieces<'_> {
    type Item = Piece;

    fn next(&mut self) -> Option<Piece> {
        let start = self.at;
        while self.at < self.bytes.len() {
            if let Some((record, ends_commit)) = whole(self.bytes, self.salt, self.at) {
                if self.at > start {
                    break;
                }
                self.at = record.end;
                return Some(Piece::Record { record, ends_commit });
            }
            self.at += 1;
        }
        (self.at > start).then_some(Piece::Damaged(start..self.at))
    }
}

/// The frame at `at`, if all of it is right.
fn whole(bytes: &[u8], salt: &Salt, at: usize) -> Option<(Range<usize>, bool)> {
    let head: &[u8; FRAME_BYTES] = bytes.get(at..)?.first_chunk()?;
    let [a, b, c, d, sums @ ..] = *head;
    if salt.sum(&[a, b, c, d]) != sums[..4] {
        return None;
    }
    let len = u32::from_le_bytes([a, b, c, d]);
    let start = at + FRAME_BYTES;
    let record = start..start.checked_add((len & !LAST) as usize)?;
    (salt.sum(bytes.get(record.clone())?) == sums[4..]).then_some((record, len & LAST != 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn three(salt: &Salt) -> Vec<u8> {
        let mut bytes = Vec::new();
        for text in [&b"one"[..], b"", b"three"] {
            put(&mut bytes, salt, |to| to.extend_from_slice(text));
        }
        end_commit(&mut bytes, salt, 27);
        bytes
    }

    fn pieces(bytes: &[u8], salt: &Salt) -> Vec<Piece> {
        Pieces { bytes, salt, at: 0 }.collect()
    }

    #[test]
    fn records_come_back_with_the_end_of_their_commit() {
        let salt = Salt::new(7);
        let wanted = [(12..15, false), (27..27, false), (39..44, true)];
        let wanted = wanted.map(|(record, ends_commit)| Piece::Record { record, ends_commit });
        assert_eq!(pieces(&three(&salt), &salt), wanted);
    }

    #[test]
    fn a_changed_bit_anywhere_costs_one_record_and_no_other() {
        let salt = Salt::new(7);
        let right = three(&salt);
        for bit in 0..right.len() * 8 {
            let mut bytes = right.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let found = pieces(&bytes, &salt);
            assert_eq!(found.len(), 3, "bit {bit}: {found:?}");
            let damaged = found.iter().filter(|piece| matches!(piece, Piece::Damaged(_))).count();
            assert_eq!(damaged, 1, "bit {bit}: {found:?}");
            assert!(found.iter().all(|piece| piece.range().contains(&(bit / 8)) == matches!(piece, Piece::Damaged(_))));
        }
    }

    #[test]
    fn a_record_that_is_cut_off_is_damage_at_the_end() {
        let salt = Salt::new(7);
        let right = three(&salt);
        for len in 28..right.len() {
            assert_eq!(pieces(&right[..len], &salt).last(), Some(&Piece::Damaged(27..len)));
        }
        assert_eq!(pieces(&[0; 100], &salt), [Piece::Damaged(0..100)]);
    }

    #[test]
    fn a_frame_of_another_salt_is_not_one() {
        // What a client could write into a payload, not knowing the salt.
        assert_eq!(pieces(&three(&Salt::new(8)), &Salt::new(7)), [Piece::Damaged(0..44)]);
    }
}
