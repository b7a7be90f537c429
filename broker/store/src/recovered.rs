//! What a store gives back at the start.
//!
//! Kept in a few large maps, and made into sessions one at a time: a hundred thousand small maps, most of them for one
//! subscription, would take several times the memory.

use std::collections::{BTreeMap, btree_map};
use std::iter::{Peekable, from_fn};
use std::sync::Arc;

use broker_core::{
    Broker, Instant, Message, Publisher, SessionNumber, StoredAway, StoredMessage, StoredSession, StoredSubscription,
    StoredTaken,
};
use mqtt::{PacketId, TopicNameBuf};

/// What was kept.
#[derive(Debug, Default)]
pub struct Recovered {
    pub(crate) sessions: BTreeMap<SessionNumber, About>,
    pub(crate) subscriptions: BTreeMap<(SessionNumber, Box<str>), StoredSubscription>,
    pub(crate) messages: BTreeMap<(SessionNumber, u64), StoredMessage>,
    pub(crate) taken: BTreeMap<(SessionNumber, PacketId), StoredTaken>,
    pub(crate) retained: BTreeMap<TopicNameBuf, (Arc<Message>, Arc<Publisher>)>,
}

/// A session without what it has.
#[derive(Debug)]
pub(crate) struct About {
    pub client_id: Arc<str>,
    pub username: Option<Box<str>>,
    pub listener: Option<Arc<str>>,
    pub expiry_s: u32,
    pub away: Option<StoredAway>,
}

impl Recovered {
    /// Gives it to a broker that was told nothing yet; every session is away at `now`. What was given is let go at
    /// once, so that little is in memory twice. [`Broker::restored`] is to follow.
    pub fn restore(mut self, broker: &mut Broker, now: Instant) {
        for (message, publisher) in self.take_retained() {
            broker.restore_retained(&message, &publisher);
        }
        for (number, session) in self.into_sessions() {
            broker.restore_session(now, number, &session);
        }
    }

    /// Durable sessions.
    pub fn session_count(&self) -> usize {
        self.sessions.len()
    }

    /// Messages that wait or are in flight.
    pub fn message_count(&self) -> usize {
        self.messages.len()
    }

    /// Retained messages.
    pub fn retained_count(&self) -> usize {
        self.retained.len()
    }

    /// The retained messages, and who left each. They are given once.
    pub fn take_retained(&mut self) -> impl Iterator<Item = (Arc<Message>, Arc<Publisher>)> + use<> {
        std::mem::take(&mut self.retained).into_values()
    }

    /// The sessions, in the order in which they began.
    pub fn into_sessions(self) -> impl Iterator<Item = (SessionNumber, StoredSession)> {
        let mut subscriptions = self.subscriptions.into_iter().peekable();
        let mut messages = self.messages.into_iter().peekable();
        let mut taken = self.taken.into_iter().peekable();
        self.sessions.into_iter().map(move |(number, about)| {
            let About { client_id, username, listener, expiry_s, away } = about;
            let session = StoredSession {
                client_id,
                username,
                listener,
                expiry_s,
                away,
                subscriptions: of(&mut subscriptions, number).collect(),
                messages: of(&mut messages, number).collect(),
                taken: of(&mut taken, number).collect(),
            };
            (number, session)
        })
    }
}

/// A map in which what belongs to one session lies together.
pub(crate) type Parts<K, V> = Peekable<btree_map::IntoIter<(SessionNumber, K), V>>;

/// What belongs to `number`, if nothing that belongs to an earlier one is left.
pub(crate) fn of<K, V>(parts: &mut Parts<K, V>, number: SessionNumber) -> impl Iterator<Item = (K, V)> {
    from_fn(move || parts.next_if(|((whose, _), _)| *whose == number).map(|((_, key), value)| (key, value)))
}

/// What belongs to `number` goes. `least` sorts before every key there is.
pub(crate) fn remove_of<K: Clone + Ord, V>(
    parts: &mut BTreeMap<(SessionNumber, K), V>,
    number: SessionNumber,
    least: &K,
    mut with: impl FnMut(V),
) {
    while let Some(key) = parts.range((number, least.clone())..).next().map(|(key, _)| key.clone()) {
        if key.0 != number {
            break;
        }
        if let Some(value) = parts.remove(&key) {
            with(value);
        }
    }
}
