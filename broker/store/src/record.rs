//! What is written: the core's operations, a body that several sessions wait for, a word on damage.

use std::sync::Arc;

use broker_core::{
    Identifiers, Instant, Message, Publisher, SessionNumber, StoredAway, StoredMessage, StoredSubscription, StoredTaken,
};
use mqtt::{PacketId, QoS, TopicFilterBuf, TopicNameBuf};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Record {
    Session {
        number: SessionNumber,
        client_id: Arc<str>,
        username: Option<Box<str>>,
        listener: Option<Arc<str>>,
        expiry_s: u32,
    },
    SessionGone(SessionNumber),
    /// Without anything that is due: nothing is any more.
    Away(SessionNumber, StoredAway),
    Subscribed(SessionNumber, StoredSubscription),
    Unsubscribed(SessionNumber, TopicFilterBuf),
    Queued(SessionNumber, Waiting),
    Sent {
        session: SessionNumber,
        entry: u64,
        id: PacketId,
        released: bool,
    },
    Done(SessionNumber, u64),
    Taken(SessionNumber, PacketId, StoredTaken),
    Released(SessionNumber, PacketId),
    Retained(Arc<Message>, Arc<Publisher>),
    RetainedGone(TopicNameBuf),
    /// A message that more than one session waits for, and the number by which they know it.
    Body(u64, Arc<Message>),
    /// What is wrong with the file of this number was set aside and told; `sum` stands for what it was.
    Told {
        file: u64,
        sum: u32,
    },
}

impl Record {
    /// Whether it lets a message go whose next step, in the same commit, may be lost: routed when it was released, or handed on to
    /// another session.
    pub(crate) const fn lets_a_message_go(&self) -> bool {
        matches!(self, Self::Done(..) | Self::Released(..))
    }
}

/// A waiting message without the message itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Waiting {
    pub entry: u64,
    pub qos: QoS,
    pub retain: bool,
    pub identifiers: Identifiers,
    pub share: Option<Arc<str>>,
    pub sent_as: Option<PacketId>,
    pub released: bool,
    pub body: Body,
}

/// The message itself: beside, or kept once for several sessions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    Here(Arc<Message>),
    Shared(u64),
}

impl Waiting {
    pub(crate) fn new(held: StoredMessage, shared: Option<u64>) -> Self {
        let StoredMessage { entry, message, qos, retain, identifiers, share, sent_as, released } = held;
        let body = shared.map_or(Body::Here(message), Body::Shared);
        Self { entry, qos, retain, identifiers, share, sent_as, released, body }
    }

    pub(crate) fn with(self, message: Arc<Message>) -> StoredMessage {
        let Self { entry, qos, retain, identifiers, share, sent_as, released, body: _ } = self;
        StoredMessage { entry, message, qos, retain, identifiers, share, sent_as, released }
    }
}

/// Milliseconds since 1970 at which the core's clock stood at zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Clock(pub u64);

impl Clock {
    pub(crate) fn to_wall(self, instant: Instant) -> u64 {
        self.0.saturating_add(instant.as_millis())
    }

    /// What lies before the core's clock began is past: zero is too.
    pub(crate) fn at_wall(self, millis: u64) -> Instant {
        Instant::from_millis(millis.saturating_sub(self.0))
    }
}
