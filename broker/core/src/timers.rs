//! What is due when. A set ordered by time: the next deadline is its first entry, and an entry
//! that is no longer wanted is taken out, so that a storm of short connections leaves nothing behind.

use std::collections::BTreeSet;

use crate::{Instant, LinkId};

/// Something that becomes due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Due {
    /// The link has not logged in, or may have been silent for too long.
    Silence(LinkId),
    /// The session of a client that is away may end.
    SessionEnd(u32),
    /// The will of a client that is away is published.
    Will(u32),
    /// The broker speaks of itself.
    Sys,
    /// Retained messages that have expired are looked for.
    RetainedExpiry,
}

/// All that will become due.
#[derive(Debug, Default)]
pub(crate) struct Timers(BTreeSet<(Instant, Due)>);

impl Timers {
    pub(crate) fn set(&mut self, at: Instant, due: Due) {
        self.0.insert((at, due));
    }

    pub(crate) fn unset(&mut self, at: Option<Instant>, due: Due) {
        if let Some(at) = at {
            self.0.remove(&(at, due));
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn next(&self) -> Option<Instant> {
        self.0.first().map(|(at, _)| *at)
    }

    /// Takes out one thing that is due at `now`.
    pub(crate) fn pop(&mut self, now: Instant) -> Option<Due> {
        let &(at, due) = self.0.first()?;
        (at <= now).then(|| {
            self.0.pop_first();
            due
        })
    }
}
