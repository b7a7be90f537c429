//! How far a long work has come, for whoever sits before it: nothing where nobody does, nothing where it is short.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

/// A line on standard error that is written over, if that is a terminal.
pub(crate) struct Progress {
    what: &'static str,
    is_watched: bool,
    next: Instant,
    has_written: bool,
}

impl Progress {
    const EVERY: Duration = Duration::from_millis(500);

    /// `what`: the verb and what is counted, as in "3000 records read".
    pub(crate) fn of(what: &'static str) -> Self {
        let is_watched = io::stderr().is_terminal();
        Self { what, is_watched, next: Instant::now() + Self::EVERY, has_written: false }
    }

    pub(crate) fn at(&mut self, count: usize) {
        if self.is_watched && Instant::now() >= self.next {
            self.next = Instant::now() + Self::EVERY;
            self.has_written = true;
            let _ = write!(io::stderr(), "\r{count} {}", self.what);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.has_written {
            let _ = writeln!(io::stderr());
        }
    }
}
