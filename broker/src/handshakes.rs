//! TLS handshakes that wait to get on, in the order in which they came: each step takes as long as a thousand messages, so a
//! turn has [`crate::HANDSHAKES_PER_TURN_MAX`] of them. No socket and no TLS here.

use std::collections::VecDeque;

/// The queue. A connection keeps its [`Queued`] itself.
#[derive(Debug, Default)]
pub(crate) struct Handshakes(VecDeque<u32>);

/// `None`: it stands in no queue; else whether the other side will say no more.
pub(crate) type Queued = Option<bool>;

impl Handshakes {
    /// Connection `at` has something to get on with. It stands here once.
    pub(crate) fn push(&mut self, at: u32, queued: &mut Queued, is_ending: bool) {
        if queued.is_none() {
            self.0.push_back(at);
        }
        *queued = Some(is_ending || *queued == Some(true));
    }

    /// Whose turn it is. Its [`Queued`] is to be taken; where there is none, its number went to another connection.
    pub(crate) fn pop(&mut self) -> Option<u32> {
        self.0.pop_front()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_stands_there_once_and_that_its_end_came_is_not_forgotten() {
        let (mut handshakes, mut first, mut second) = (Handshakes::default(), None, None);
        handshakes.push(7, &mut first, false);
        handshakes.push(8, &mut second, false);
        handshakes.push(7, &mut first, true);
        handshakes.push(7, &mut first, false);
        assert_eq!((handshakes.pop(), first.take()), (Some(7), Some(true)));
        assert_eq!((handshakes.pop(), second.take()), (Some(8), Some(false)));
        assert!(handshakes.is_empty() && handshakes.pop().is_none());
        handshakes.push(7, &mut first, false);
        assert_eq!((handshakes.pop(), first), (Some(7), Some(false)));
    }
}
