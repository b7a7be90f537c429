//! What must outlive the process, as operations; and a store that keeps them in memory.
//!
//! The core says what must be kept ([`StoreOp`]) and marks the acknowledgements that promise it. Carrying operations
//! out is the edge's; [`MemoryStore`] does it without a disk, and shows what a store is to give back: a broker
//! made from its [`MemoryStore::sessions`] and [`MemoryStore::retained`] is the broker that was.

use std::collections::BTreeMap;
use std::sync::Arc;

use mqtt::{PacketId, QoS, SubscriptionOptions, TopicFilterBuf, TopicNameBuf};

use crate::rules::Rules;
use crate::{Identifiers, Instant, Message};

/// A durable session in the store. Numbers are not used again while the store lives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionNumber(pub u64);

/// Something that must outlive the process.
#[derive(Clone, Debug)]
pub enum StoreOp {
    /// A durable session begins, or its user, its listener or its expiry changed.
    Session {
        /// Its number from now on.
        number: SessionNumber,
        /// Its Client Identifier.
        client_id: Arc<str>,
        /// Whose rights count for what is delivered to it.
        username: Option<Box<str>>,
        /// By which listener it came in last, as in [`Publisher::listener`].
        listener: Option<Arc<str>>,
        /// Seconds that it outlives its connection; `u32::MAX`: for ever.
        expiry_s: u32,
    },
    /// It is over, with all that it had.
    SessionGone(SessionNumber),
    /// Its client is away, or (with neither) is back or nothing is due any more. A session of which nothing of the kind was
    /// said was connected, or lasts for ever: one that comes out of the store so has lost its connection with the process.
    Away {
        /// Whose.
        session: SessionNumber,
        /// When it is over; `None`: it lasts for ever.
        ends_at: Option<Instant>,
        /// What is published unless the client comes back.
        will: Option<StoredWill>,
    },
    /// It subscribed, or changed a subscription.
    Subscribed(SessionNumber, StoredSubscription),
    /// It unsubscribed.
    Unsubscribed(SessionNumber, TopicFilterBuf),
    /// A message waits for it.
    Queued(SessionNumber, StoredMessage),
    /// The message `entry` was sent as `id`, or (`released`) its PUBREC came.
    Sent {
        /// Whose.
        session: SessionNumber,
        /// Which.
        entry: u64,
        /// Its Packet Identifier.
        id: PacketId,
        /// PUBREC came.
        released: bool,
    },
    /// The message `entry` was acknowledged to the end, or dropped.
    Done(SessionNumber, u64),
    /// A QoS 2 message of the client was taken: a repeat must be known as one, and the message goes on when it is released.
    Taken(SessionNumber, PacketId, StoredTaken),
    /// The client released it.
    Released(SessionNumber, PacketId),
    /// The topic's retained message is this one now.
    Retained(Arc<Message>, Arc<Publisher>),
    /// The topic has no retained message now.
    RetainedGone(TopicNameBuf),
}

/// Who left a retained message: whose right to publish it counts as long as it is there (`check_retain_source`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publisher {
    /// Client Identifier.
    pub client_id: Arc<str>,
    /// User Name.
    pub username: Option<Box<str>>,
    /// By which listener it came in: [`crate::ListenerRules::name`]; `None` if that is not known.
    pub listener: Option<Arc<str>>,
}

impl Publisher {
    /// Whether the rules of its listener would let it publish to `topic` today.
    pub(crate) fn may_still(&self, rules: &Rules, topic: mqtt::TopicName<'_>) -> bool {
        let client = acl::Client { client_id: &self.client_id, username: self.username.as_deref() };
        rules.of_name(self.listener.as_deref().unwrap_or_default()).may_publish(client, topic).is_some()
    }
}

/// A subscription as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredSubscription {
    /// What is asked for.
    pub filter: TopicFilterBuf,
    /// How.
    pub options: SubscriptionOptions,
    /// Subscription Identifier; 0 for none.
    pub identifier: u32,
}

/// A waiting or in-flight message as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredMessage {
    /// Numbers the session's messages in their order.
    pub entry: u64,
    /// The message.
    pub message: Arc<Message>,
    /// At which it is delivered.
    pub qos: QoS,
    /// RETAIN as it is delivered.
    pub retain: bool,
    /// Subscription Identifiers.
    pub identifiers: Identifiers,
    /// The whole filter of the shared subscription that it was sent for.
    pub share: Option<Arc<str>>,
    /// Its Packet Identifier, once it was sent.
    pub sent_as: Option<PacketId>,
    /// PUBREC came.
    pub released: bool,
}

/// A QoS 2 message that its client has not released, as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredTaken {
    /// The message.
    pub message: Arc<Message>,
    /// Whether it is to be retained.
    pub retain: bool,
}

/// A Will Message that waits for its Will Delay Interval, as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredWill {
    /// The message. Its Message Expiry Interval is beside it: it counts from when it is published.
    pub message: Arc<Message>,
    /// Whether it is to be retained.
    pub retain: bool,
    /// Message Expiry Interval, in seconds.
    pub expiry_s: Option<u32>,
    /// When it is published.
    pub at: Instant,
}

/// What is due of a session whose client is away.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredAway {
    /// When it is over; `None`: it lasts for ever.
    pub ends_at: Option<Instant>,
    /// What is published unless the client comes back.
    pub will: Option<StoredWill>,
}

/// A durable session as stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredSession {
    /// Client Identifier.
    pub client_id: Arc<str>,
    /// Whose rights count for what is delivered to it.
    pub username: Option<Box<str>>,
    /// By which listener it came in last, as in [`Publisher::listener`].
    pub listener: Option<Arc<str>>,
    /// Seconds that it outlives its connection; `u32::MAX`: for ever.
    pub expiry_s: u32,
    /// What is due, if it was said that its client is away.
    pub away: Option<StoredAway>,
    /// Its subscriptions by filter.
    pub subscriptions: BTreeMap<Box<str>, StoredSubscription>,
    /// Its messages in their order.
    pub messages: BTreeMap<u64, StoredMessage>,
    /// QoS 2 messages taken from it and not released.
    pub taken: BTreeMap<PacketId, StoredTaken>,
}

/// A store without a disk: it lives as long as the process.
#[derive(Debug, Default)]
pub struct MemoryStore {
    sessions: BTreeMap<SessionNumber, StoredSession>,
    retained: BTreeMap<TopicNameBuf, (Arc<Message>, Arc<Publisher>)>,
}

impl MemoryStore {
    /// Carries one operation out. What it speaks of and is not there is ignored.
    pub fn apply(&mut self, op: StoreOp) {
        match op {
            StoreOp::Session { number, client_id, username, listener, expiry_s } => {
                let session = self.sessions.entry(number).or_default();
                session.client_id = client_id;
                session.username = username;
                session.listener = listener;
                session.expiry_s = expiry_s;
            }
            StoreOp::SessionGone(number) => {
                self.sessions.remove(&number);
            }
            StoreOp::Retained(message, publisher) => {
                self.retained.insert(message.topic().into(), (message, publisher));
            }
            StoreOp::RetainedGone(topic) => {
                self.retained.remove(&topic);
            }
            StoreOp::Away { session: number, .. }
            | StoreOp::Subscribed(number, _)
            | StoreOp::Unsubscribed(number, _)
            | StoreOp::Queued(number, _)
            | StoreOp::Sent { session: number, .. }
            | StoreOp::Done(number, _)
            | StoreOp::Taken(number, ..)
            | StoreOp::Released(number, _) => {
                if let Some(session) = self.sessions.get_mut(&number) {
                    session.apply(op);
                }
            }
        }
    }

    /// The sessions, in the order in which they began.
    pub fn sessions(&self) -> impl Iterator<Item = (SessionNumber, &StoredSession)> {
        self.sessions.iter().map(|(number, session)| (*number, session))
    }

    /// The retained messages, and who left each.
    pub fn retained(&self) -> impl Iterator<Item = (&Arc<Message>, &Arc<Publisher>)> {
        self.retained.values().map(|(message, publisher)| (message, publisher))
    }
}

impl StoredSession {
    fn apply(&mut self, op: StoreOp) {
        match op {
            StoreOp::Away { ends_at, will, .. } => {
                self.away = (ends_at.is_some() || will.is_some()).then_some(StoredAway { ends_at, will });
            }
            StoreOp::Subscribed(_, subscription) => {
                self.subscriptions.insert(subscription.filter.as_str().into(), subscription);
            }
            StoreOp::Unsubscribed(_, filter) => {
                self.subscriptions.remove(filter.as_str());
            }
            StoreOp::Queued(_, message) => {
                self.messages.insert(message.entry, message);
            }
            StoreOp::Sent { entry, id, released, .. } => {
                if let Some(message) = self.messages.get_mut(&entry) {
                    message.sent_as = Some(id);
                    message.released = released;
                }
            }
            StoreOp::Done(_, entry) => {
                self.messages.remove(&entry);
            }
            StoreOp::Taken(_, id, taken) => {
                self.taken.insert(id, taken);
            }
            StoreOp::Released(_, id) => {
                self.taken.remove(&id);
            }
            // Of the store as a whole, carried out there.
            StoreOp::Session { .. } | StoreOp::SessionGone(_) | StoreOp::Retained(..) | StoreOp::RetainedGone(_) => {}
        }
    }
}
