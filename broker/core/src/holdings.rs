//! What the broker holds at a moment, counted. When all clients have gone for good, all of it must have gone too: what
//! stays is what strangers can make grow.

use crate::Broker;

/// How much there is of everything that grows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Holdings {
    /// Connections.
    pub links: usize,
    /// Sessions, connected or away.
    pub sessions: usize,
    /// Client Identifiers by which sessions are found.
    pub client_ids: usize,
    /// Levels in the tree of subscriptions.
    pub filter_levels: usize,
    /// Groups that share subscriptions.
    pub groups: usize,
    /// Levels in the tree of retained messages.
    pub topic_levels: usize,
    /// What will become due.
    pub timers: usize,
    /// Messages that wait, are in flight or are retained; each once.
    pub messages: usize,
    /// Topics whose subscribers are remembered: the one thing that stays, up to [`crate::ROUTES_MAX`].
    pub routes: usize,
}

impl Broker {
    /// Counts what there is; it walks through the trees.
    pub fn holdings(&self) -> Holdings {
        Holdings {
            links: self.links.iter().flatten().count(),
            sessions: self.sessions.len(),
            client_ids: self.by_client_id.len(),
            filter_levels: self.subscriptions.level_count(),
            groups: self.subscriptions.shares.group_count(),
            topic_levels: self.retained.level_count(),
            timers: self.timers.len(),
            messages: self.kept.counted().0 as usize,
            routes: self.routes.len(),
        }
    }
}
