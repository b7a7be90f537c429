//! How many messages are kept, each counted once however many sessions wait for it: every message counts itself in
//! when it is made and out when the last who kept it lets it go, wherever that happens.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

/// The count of one broker; shared by its messages.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    messages: AtomicU64,
    bytes: AtomicU64,
}

/// Counts a message of so many bytes of payload as long as it exists.
#[derive(Debug)]
pub(crate) struct Counted {
    /// Empty: it is not counted.
    tally: OnceLock<Tally>,
    bytes: u64,
}

impl Counted {
    /// For a message that waits for nobody, a will, or for a broker that comes later ([`Counted::count_in`]).
    pub(crate) const fn not(bytes: usize) -> Self {
        Self { tally: OnceLock::new(), bytes: bytes as u64 }
    }

    /// Counts what was not counted yet.
    pub(crate) fn count_in(&self, tally: &Tally) {
        if self.tally.set(tally.clone()).is_ok() {
            tally.add(self.bytes);
        }
    }
}

impl Tally {
    pub(crate) fn count(&self, bytes: usize) -> Counted {
        self.add(bytes as u64);
        Counted { tally: self.clone().into(), bytes: bytes as u64 }
    }

    fn add(&self, bytes: u64) {
        self.0.messages.fetch_add(1, Relaxed);
        self.0.bytes.fetch_add(bytes, Relaxed);
    }

    /// Messages, and bytes of their payloads.
    pub(crate) fn counted(&self) -> (u64, u64) {
        (self.0.messages.load(Relaxed), self.0.bytes.load(Relaxed))
    }
}

impl PartialEq for Counted {
    /// Two messages are the same whoever counts them.
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Counted {}

impl Drop for Counted {
    fn drop(&mut self) {
        if let Some(tally) = self.tally.get() {
            tally.0.messages.fetch_sub(1, Relaxed);
            tally.0.bytes.fetch_sub(self.bytes, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_counted_as_long_as_it_exists() {
        let tally = Tally::default();
        let (one, other, _) = (tally.count(10), tally.count(5), Counted::not(7));
        assert_eq!(tally.counted(), (2, 15));
        drop(one);
        assert_eq!(tally.counted(), (1, 5));
        drop(other);
        assert_eq!(tally.counted(), (0, 0));
    }

    #[test]
    fn what_comes_back_from_a_store_is_counted_once() {
        let tally = Tally::default();
        let restored = Counted::not(7);
        restored.count_in(&tally);
        restored.count_in(&tally);
        assert_eq!(tally.counted(), (1, 7));
        drop(restored);
        assert_eq!(tally.counted(), (0, 0));
    }
}
