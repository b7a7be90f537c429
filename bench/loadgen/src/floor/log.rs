//! Frames that wait for subscribers: kept once however many wait for them, in pieces that are used again.

use crate::mqtt;
use std::collections::VecDeque;

const PIECE: usize = 256 * 1024;

/// Whole PUBLISH frames in their order. None lies in two pieces.
#[derive(Default)]
pub struct Log {
    pieces: VecDeque<Vec<u8>>,
    /// Pieces that were taken away before the first that is here.
    gone: u64,
    spare: Vec<Vec<u8>>,
}

/// How far a subscriber has come: a piece, counted from the first there ever was, and a place in it.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    piece: u64,
    at: usize,
}

impl Log {
    pub fn push(&mut self, frame: &[u8]) {
        let has_room = self.pieces.back().is_some_and(|p| p.len() + frame.len() <= p.capacity());
        if !has_room {
            let piece = self.spare.pop().unwrap_or_else(|| Vec::with_capacity(PIECE.max(frame.len())));
            self.pieces.push_back(piece);
        }
        self.pieces.back_mut().unwrap().extend_from_slice(frame);
    }

    /// Where the next frame will lie.
    pub fn end(&self) -> Cursor {
        match self.pieces.back() {
            None => Cursor { piece: self.gone, at: 0 },
            Some(p) => Cursor { piece: self.gone + self.pieces.len() as u64 - 1, at: p.len() },
        }
    }

    /// The frame at `cursor`, which goes on to the next.
    #[inline]
    pub fn next(&self, cursor: &mut Cursor) -> Option<&[u8]> {
        loop {
            let piece = self.pieces.get((cursor.piece - self.gone) as usize)?;
            if cursor.at < piece.len() {
                let (_, _, e) = mqtt::frame(&piece[cursor.at..]).ok()??;
                let frame = &piece[cursor.at..cursor.at + e];
                cursor.at += e;
                return Some(frame);
            }
            if cursor.piece + 1 == self.gone + self.pieces.len() as u64 {
                return None;
            }
            *cursor = Cursor { piece: cursor.piece + 1, at: 0 };
        }
    }

    /// Nobody is before `cursor` any more. The last piece stays.
    pub fn trim(&mut self, cursor: Cursor) {
        while self.gone < cursor.piece && self.pieces.len() > 1 {
            let mut piece = self.pieces.pop_front().unwrap();
            piece.clear();
            self.spare.push(piece);
            self.gone += 1;
        }
    }

    /// Nobody waits for anything: the memory begins anew. Answers where all stand then.
    pub fn clear(&mut self) -> Cursor {
        self.trim(self.end());
        if let Some(piece) = self.pieces.back_mut() {
            piece.clear();
        }
        Cursor { piece: self.gone, at: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_that_read_at_their_own_pace_get_all_frames_in_order_and_pieces_are_used_again() {
        let mut log = Log::default();
        let (mut fast, mut slow) = (log.end(), log.end());
        let (mut got_fast, mut got_slow) = (0u32, 0u32);
        for n in 0..20_000u32 {
            log.push(&mqtt::publish(false, "t", 1, false, &n.to_le_bytes().repeat(25)).bytes);
            while let Some(f) = log.next(&mut fast) {
                assert!(f.ends_with(&got_fast.to_le_bytes()));
                got_fast += 1;
            }
            if n % 1000 == 999 {
                while got_slow + 500 <= n {
                    assert!(log.next(&mut slow).unwrap().ends_with(&got_slow.to_le_bytes()));
                    got_slow += 1;
                }
                log.trim(slow.min(fast));
            }
        }
        assert_eq!((got_fast, got_slow), (20_000, 19_500));
        assert!(log.pieces.len() + log.spare.len() < 5, "about 4 are written between two trims");
        fast = log.clear();
        log.push(&[0x30, 0]);
        assert_eq!(log.next(&mut fast), Some(&[0x30, 0][..]));
    }
}
