//! How much of what was handed over a socket has taken: written by the worker, read by the broker's thread without
//! asking, so that a slow client is seen at once and a quick one wakes nobody.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// What worker and broker know together of one connection.
#[derive(Debug, Default)]
pub(super) struct Account {
    /// Bytes that the socket took since the connection began; goes round.
    taken: AtomicUsize,
    /// Bytes that the worker has looked at; goes round.
    seen: AtomicUsize,
    /// The broker's thread wants to be told when everything is taken.
    is_waited_for: AtomicBool,
}

impl Account {
    pub(super) fn taken(&self) -> usize {
        self.taken.load(Ordering::SeqCst)
    }

    pub(super) fn seen(&self) -> usize {
        self.seen.load(Ordering::Relaxed)
    }

    /// The broker's side: asks for word. What was taken has to be looked at once more afterwards: the worker may have
    /// finished just before. One of the two sees what the other did, for both write before they read.
    pub(super) fn ask_for_word(&self) {
        self.is_waited_for.store(true, Ordering::SeqCst);
    }

    /// The worker's side: it has looked at so many bytes.
    pub(super) fn set_seen(&self, seen: usize) {
        self.seen.store(seen, Ordering::Relaxed);
    }

    /// The worker's side: so much was taken, which is all (`is_all`) or not. `true`: the broker wants word.
    pub(super) fn set_taken(&self, taken: usize, is_all: bool) -> bool {
        self.taken.store(taken, Ordering::SeqCst);
        // Looked at first: to swap costs more, and nobody waits, for the most part.
        is_all && self.is_waited_for.load(Ordering::SeqCst) && self.is_waited_for.swap(false, Ordering::SeqCst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn word_is_sent_once_and_only_when_it_was_asked_for_and_all_is_taken() {
        let account = Account::default();
        assert!(!account.set_taken(10, true), "nobody asked");
        account.ask_for_word();
        assert!(!account.set_taken(15, false), "some of it waits");
        assert!(account.set_taken(20, true));
        assert!(!account.set_taken(20, true), "once");
        assert_eq!(account.taken(), 20);
    }

    #[test]
    fn who_asks_and_then_looks_is_never_left_without_word() {
        for _ in 0..2_000 {
            let account = std::sync::Arc::new(Account::default());
            let worker = std::thread::spawn({
                let account = std::sync::Arc::clone(&account);
                move || account.set_taken(1, true)
            });
            account.ask_for_word();
            let is_seen = account.taken() == 1;
            let is_told = worker.join().expect("no panic");
            assert!(is_seen || is_told);
        }
    }
}
