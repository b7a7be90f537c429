//! Connections that are not let in yet: how many they are, what they have said so far, and who of them came first.
//!
//! They cost memory and have proved nothing, so both are bounded. When there are too many, the one that has been there
//! longest goes: a client that means it needs a moment, and one that holds a place for nothing needs many.

use std::collections::VecDeque;

/// A connection's number and generation.
pub(crate) type Place = (u32, u32);

/// What is known of them.
#[derive(Debug, Default)]
pub(crate) struct Strangers {
    /// In the order in which they came; those that were let in or went away are found out when they are the first.
    order: VecDeque<Place>,
    /// How many there are.
    pub count: usize,
    /// Bytes of their packets that are not whole yet, or not handled.
    pub bytes: usize,
}

/// What became of one who came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It is here and has nothing to wait for but its own next words.
    Idle,
    /// It has said who it is, and waits for us.
    Waits,
    /// It is a client, or gone.
    Past,
}

impl Strangers {
    /// One more came.
    pub(crate) fn arrive(&mut self, place: Place, standing: impl Fn(Place) -> Standing) {
        while self.order.front().is_some_and(|first| standing(*first) == Standing::Past) {
            self.order.pop_front();
        }
        self.order.push_back(place);
        self.count += 1;
    }

    /// One was let in or went away; `bytes` of it were kept.
    pub(crate) fn leave(&mut self, bytes: usize) {
        self.count -= 1;
        self.bytes -= bytes;
    }

    /// Takes out the one that has been here longest, of those that wait for nothing.
    pub(crate) fn oldest(&mut self, standing: impl Fn(Place) -> Standing) -> Option<Place> {
        for _ in 0..self.order.len() {
            let first = self.order.pop_front()?;
            match standing(first) {
                Standing::Idle => return Some(first),
                // Its verdict comes in time; those behind it are looked at first from now on.
                Standing::Waits => self.order.push_back(first),
                Standing::Past => {}
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_goes_first_but_not_one_that_waits_for_us() {
        let mut strangers = Strangers::default();
        for at in 0..5 {
            strangers.arrive((at, 0), |_| Standing::Idle);
        }
        let standing = |place: Place| match place.0 {
            0 => Standing::Waits,
            1 => Standing::Past,
            _ => Standing::Idle,
        };
        let gone: Vec<_> = std::iter::from_fn(|| strangers.oldest(standing)).map(|place| place.0).collect();
        assert_eq!(gone, [2, 3, 4]);
        assert_eq!(strangers.oldest(|_| Standing::Idle), Some((0, 0)));
    }

    #[test]
    fn those_that_were_let_in_are_not_remembered() {
        let mut strangers = Strangers::default();
        for at in 0..1_000 {
            strangers.arrive((at, at), |_| Standing::Past);
            strangers.leave(0);
        }
        assert!(strangers.order.len() <= 1);
        assert_eq!(strangers.count, 0);
    }
}
