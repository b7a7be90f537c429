//! Clients that fall behind: since when a socket has taken nothing, what was dropped for it, and when that was said last.
//! Nothing is kept of a client that keeps up. Who is dropped from, and when, is the core's to say.

use std::time::{Duration, Instant};

use broker_core::DropCause;

use crate::connection::Connection;
use crate::peer::Peer;
use crate::{KNOCK_QUIET, lines};

/// What is remembered of a connection that has fallen behind.
#[derive(Debug)]
pub(crate) struct Lag {
    /// Its socket has not taken all that waits for it.
    is_behind: bool,
    /// When it took something last, or fell behind.
    took_at: Instant,
    /// Whose it is; empty while nothing was dropped.
    client_id: Box<str>,
    dropped: Dropped,
    said_at: Option<Instant>,
}

/// What was dropped since it was said last, by cause.
pub(crate) type Dropped = [u64; DropCause::COUNT];

impl Lag {
    fn new(now: Instant) -> Self {
        Self { is_behind: false, took_at: now, client_id: Box::default(), dropped: Dropped::default(), said_at: None }
    }

    fn is_to_be_said(&self, now: Instant) -> bool {
        self.dropped.iter().any(|count| *count > 0)
            && self.said_at.is_none_or(|at| now.saturating_duration_since(at) >= KNOCK_QUIET)
    }

    fn say(&mut self, now: Instant, peer: &Peer) {
        self.said_at = Some(now);
        lines::dropped(&self.client_id, peer, std::mem::take(&mut self.dropped));
    }

    /// Whether there is nothing left to remember.
    fn is_over(&self, now: Instant) -> bool {
        !self.is_behind
            && self.dropped.iter().all(|count| *count == 0)
            && self.said_at.is_none_or(|at| now.saturating_duration_since(at) >= KNOCK_QUIET)
    }
}

/// What is seen of all of them together.
#[derive(Debug, Default)]
pub(crate) struct Lags {
    /// Connections of which something is remembered.
    remembered: usize,
    looks_at: Option<Instant>,
    /// Connections closed because their sockets took nothing.
    pub stalled: u64,
}

impl Lags {
    fn of<'a>(&mut self, connection: &'a mut Connection, now: Instant) -> &'a mut Lag {
        connection.lag.get_or_insert_with(|| {
            self.remembered += 1;
            Box::new(Lag::new(now))
        })
    }

    /// The socket of `connection` has not taken everything.
    pub(crate) fn falls_behind(&mut self, connection: &mut Connection, now: Instant) {
        let lag = self.of(connection, now);
        if !std::mem::replace(&mut lag.is_behind, true) {
            lag.took_at = now;
        }
    }

    /// A message for `connection` was dropped. The first is said at once, those that follow once a minute.
    pub(crate) fn drops(&mut self, connection: &mut Connection, client_id: &str, why: DropCause, now: Instant) {
        let lag = self.of(connection, now);
        if lag.client_id.is_empty() {
            lag.client_id = client_id.into();
        }
        lag.dropped[why as usize] += 1;
        if lag.is_to_be_said(now)
            && let Connection { peer, lag: Some(lag), .. } = connection
        {
            lag.say(now, peer);
        }
    }

    /// A connection is over, and what was remembered of it.
    pub(crate) fn leaves(&mut self, connection: &mut Connection) {
        if let Some(mut lag) = connection.lag.take() {
            self.remembered -= 1;
            if lag.dropped.iter().any(|count| *count > 0) {
                lag.say(lag.took_at, &connection.peer); // what came after the last line is not lost
            }
        }
    }

    /// When to look at them, if anybody has fallen behind.
    pub(crate) fn looks_at(&mut self, now: Instant, every: Duration) -> Option<Instant> {
        if self.remembered == 0 {
            self.looks_at = None;
            return None;
        }
        Some(*self.looks_at.get_or_insert(now + every))
    }

    /// Looks at them: says what is to be said, forgets who has caught up, and answers whose sockets took nothing for
    /// `stalled_time_max`.
    pub(crate) fn look<'a>(
        &mut self,
        connections: impl Iterator<Item = (usize, &'a mut Connection)>,
        now: Instant,
        stalled_time_max: Duration,
    ) -> Vec<u32> {
        self.looks_at = None;
        let mut stalled = Vec::new();
        for (at, connection) in connections {
            let Some(lag) = connection.lag.as_deref_mut() else { continue };
            if lag.is_to_be_said(now) {
                lag.say(now, &connection.peer);
            }
            if lag.is_behind && now.saturating_duration_since(lag.took_at) >= stalled_time_max {
                stalled.push(at as u32);
            } else if lag.is_over(now) {
                connection.lag = None;
                self.remembered -= 1;
            }
        }
        stalled
    }
}

impl Connection {
    /// Its socket took something; `is_all`: everything.
    pub(crate) fn takes(&mut self, now: Instant, is_all: bool) {
        if let Some(lag) = &mut self.lag {
            lag.took_at = now;
            lag.is_behind = !is_all;
        }
    }

    /// Whether its socket has not taken all that waits for it.
    pub(crate) fn is_behind(&self) -> bool {
        self.lag.as_deref().is_some_and(|lag| lag.is_behind)
    }
}
