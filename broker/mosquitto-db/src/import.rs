//! From chunks to what the store takes: a session with what it has, each message once for all who wait for it.
//!
//! What mosquitto would forget when it reads the file is left out and counted: sessions and messages whose time is over.
//! What it would keep is kept, and the order of each session's messages with it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use broker_core::{
    Identifiers, Instant, Message as Kept, Publisher, SessionNumber, StoreOp, StoredMessage, StoredSubscription,
    StoredTaken,
};
use mqtt::{PacketId, PropertiesBuf, Property, QoS, SubscriptionOptions, TopicFilter, TopicFilterBuf, TopicName};

use crate::chunk::{Chunk, Client, ClientMessage, Direction, Message, State, Subscription};
use crate::file::{Damage, File, Piece};
use crate::left_out::{LeftOut, Reason};

/// What comes over.
#[derive(Debug, Default)]
pub struct Import {
    /// In the order of the file, numbered from 1.
    pub sessions: Vec<Session>,
    /// Retained messages.
    pub retained: Vec<Retained>,
    /// What it is, in numbers.
    pub report: Report,
    /// A message is held here as long as this lives, and by everyone who waits for it: so the store can tell which
    /// of them are worth keeping once.
    messages: HashMap<u64, Body>,
}

/// A session that comes over.
#[derive(Clone, Debug)]
pub struct Session {
    /// In the new store.
    pub number: SessionNumber,
    /// Client Identifier.
    pub client_id: Arc<str>,
    /// Whose rights count for what is delivered to it.
    pub username: Option<Box<str>>,
    /// By which listener it came in last.
    pub listener: Option<Arc<str>>,
    /// Seconds that it outlives its connection; `u32::MAX`: for ever.
    pub expiry_s: u32,
    /// When it ends if its client does not come back; `None`: never.
    pub ends_at: Option<Instant>,
    /// Its subscriptions.
    pub subscriptions: Vec<StoredSubscription>,
    /// Its messages in their order.
    pub messages: Vec<StoredMessage>,
    /// QoS 2 messages taken from it and not released.
    pub taken: Vec<(PacketId, StoredTaken)>,
}

/// A retained message that comes over.
#[derive(Clone, Debug)]
pub struct Retained {
    /// The message.
    pub message: Arc<Kept>,
    /// Who left it.
    pub publisher: Arc<Publisher>,
}

/// An import in numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The file's version.
    pub version: u32,
    /// Written when mosquitto ended. If not, it is as old as the last automatic save.
    pub at_shutdown: bool,
    /// Sessions.
    pub sessions: usize,
    /// Their subscriptions.
    pub subscriptions: usize,
    /// Messages that wait to be sent.
    pub queued: usize,
    /// Messages that were sent and are not acknowledged to the end.
    pub in_flight: usize,
    /// QoS 2 messages taken from a client that has not released them.
    pub taken: usize,
    /// Retained messages.
    pub retained: usize,
    /// What does not come over, and why.
    pub left_out: LeftOut,
    /// What could not be read.
    pub damage: Vec<Damage>,
}

/// A message, and who published it.
type Body = (Arc<Kept>, Arc<Publisher>);

impl Import {
    /// Makes of `file` what comes over. `now_ms` is the time of day in milliseconds since 1970, `clock_began` the same
    /// of the moment at which the clock stood at zero by which the store is to count.
    pub fn of(file: File<'_>, now_ms: u64, clock_began: u64) -> Self {
        let mut maker = Maker { now_s: now_ms / 1000, clock_began, ..Maker::default() };
        maker.import.report.version = file.version();
        // Twice: what refers to messages and clients may stand before them.
        for piece in file.pieces() {
            match piece {
                Piece::Chunk(Chunk::Config { at_shutdown, .. }) => maker.import.report.at_shutdown = at_shutdown,
                Piece::Chunk(Chunk::Message(message)) => maker.message(&message),
                Piece::Chunk(Chunk::Client(client)) => maker.client(&client),
                Piece::Chunk(_) => {}
                Piece::Damage(damage) => maker.import.report.damage.push(damage),
            }
        }
        for piece in file.pieces() {
            match piece {
                Piece::Chunk(Chunk::ClientMessage(message)) => maker.client_message(&message),
                Piece::Chunk(Chunk::Retain(message)) => maker.retain(message),
                Piece::Chunk(Chunk::Subscription(subscription)) => maker.subscription(&subscription),
                _ => {}
            }
        }
        maker.finish()
    }

    /// As operations of the store, session by session; they are given once. Messages are held by this as long as it
    /// lives, and should be until the last operation is carried out.
    pub fn take_ops(&mut self) -> impl Iterator<Item = StoreOp> + use<> {
        let retained = std::mem::take(&mut self.retained).into_iter();
        let retained = retained.map(|retained| StoreOp::Retained(retained.message, retained.publisher));
        retained.chain(std::mem::take(&mut self.sessions).into_iter().flat_map(Session::into_ops))
    }
}

impl Session {
    /// As operations of the store.
    pub fn into_ops(self) -> impl Iterator<Item = StoreOp> {
        let Self { number, client_id, username, listener, expiry_s, ends_at, subscriptions, messages, taken } = self;
        let begin = StoreOp::Session { number, client_id, username, listener, expiry_s };
        let away = ends_at.map(|at| StoreOp::Away { session: number, ends_at: Some(at), will: None });
        std::iter::once(begin)
            .chain(away)
            .chain(subscriptions.into_iter().map(move |subscription| StoreOp::Subscribed(number, subscription)))
            .chain(messages.into_iter().map(move |message| StoreOp::Queued(number, message)))
            .chain(taken.into_iter().map(move |(id, taken)| StoreOp::Taken(number, id, taken)))
    }
}

#[derive(Default)]
struct Maker {
    now_s: u64,
    clock_began: u64,
    import: Import,
    /// Of messages that the file has and that do not come over: why was counted.
    gone: HashSet<u64>,
    /// Places in `import.sessions`; `None`: its time is over.
    by_client: HashMap<Box<str>, Option<usize>>,
    /// Identifiers of messages in flight.
    in_flight: HashSet<(usize, PacketId)>,
    topics_retained: HashMap<Box<str>, usize>,
    /// Of the last client whose own it is for certain.
    last_username: Option<Box<str>>,
    after_left_over: bool,
}

impl Maker {
    fn message(&mut self, message: &Message<'_>) {
        if message.expires_at_s.is_some_and(|at| at < self.now_s) {
            self.gone.insert(message.id);
            self.import.report.left_out.count(Reason::MessageExpired, None);
            return;
        }
        let topic = TopicName::new(message.topic).ok();
        let properties = PropertiesBuf::of_publish(message.properties).ok();
        let (Some(topic), Some(properties), Some(qos)) = (topic, properties, QoS::from_u8(message.qos)) else {
            self.gone.insert(message.id);
            self.import.report.left_out.count(Reason::NotMqtt, None);
            return;
        };
        let expires_at = message.expires_at_s.map(|at| self.instant(at));
        let kept = Kept::restored(topic.into(), message.payload.into(), forwarded(&properties), expires_at, qos);
        let (client_id, username) = (message.source_id.into(), message.source_username.map(Box::from));
        let listener = listener(message.source_port);
        self.import.messages.insert(message.id, (kept, Arc::new(Publisher { client_id, username, listener })));
    }

    fn client(&mut self, client: &Client<'_>) {
        let username = self.username(client);
        let forever = client.expiry_s == u32::MAX;
        let is_over = client.expiry_s == 0 || client.ends_at_s.is_some_and(|at| at <= self.now_s);
        if !forever && is_over {
            self.import.report.left_out.count(Reason::SessionEnded, Some(client.client_id));
            self.by_client.insert(client.client_id.into(), None);
            return;
        }
        let ends_at = if forever { None } else { client.ends_at_s.map(|at| self.instant(at)) };
        if !self.by_client.contains_key(client.client_id) {
            if client.username.is_some() && username.is_none() {
                self.import.report.left_out.count(Reason::UserUnclear, Some(client.client_id));
            }
            let at = self.begin(client.client_id, username, client.expiry_s, ends_at);
            self.import.sessions[at].listener = listener(client.port);
        }
    }

    /// Of two sessions in a row without a user, the second seems to be of the last user before them. One that really is of
    /// that user looks the same: without it, it has no right that it should not have.
    fn username<'c>(&mut self, client: &Client<'c>) -> Option<&'c str> {
        let after_left_over = std::mem::replace(&mut self.after_left_over, client.has_left_over_username);
        if after_left_over && client.username == self.last_username.as_deref() {
            return None;
        }
        if let Some(username) = client.username {
            self.last_username = Some(username.into());
        }
        client.username
    }

    fn begin(&mut self, client_id: &str, username: Option<&str>, expiry_s: u32, ends_at: Option<Instant>) -> usize {
        let at = self.import.sessions.len();
        self.by_client.insert(client_id.into(), Some(at));
        self.import.sessions.push(Session {
            number: SessionNumber(at as u64 + 1),
            client_id: client_id.into(),
            username: username.map(Box::from),
            listener: None,
            expiry_s,
            ends_at,
            subscriptions: Vec::new(),
            messages: Vec::new(),
            taken: Vec::new(),
        });
        at
    }

    /// Its place; `None`: its time is over.
    fn session(&mut self, client_id: &str) -> Option<usize> {
        match self.by_client.get(client_id) {
            Some(known) => *known,
            None => {
                self.import.report.left_out.count(Reason::SessionUnknown, Some(client_id));
                Some(self.begin(client_id, None, u32::MAX, None))
            }
        }
    }

    fn subscription(&mut self, subscription: &Subscription<'_>) {
        let Some(at) = self.session(subscription.client_id) else { return };
        let filter = TopicFilter::new(subscription.filter).map(TopicFilterBuf::from);
        let options = SubscriptionOptions::from_u8(subscription.options);
        let (Ok(filter), Ok(options)) = (filter, options) else {
            return self.import.report.left_out.count(Reason::NotMqtt, Some(subscription.client_id));
        };
        // No more than a Variable Byte Integer can say.
        let identifier =
            if subscription.identifier <= mqtt::REMAINING_LENGTH_MAX { subscription.identifier } else { 0 };
        let subscription = StoredSubscription { filter, options, identifier };
        self.import.sessions[at].subscriptions.push(subscription);
    }

    fn client_message(&mut self, said: &ClientMessage<'_>) {
        let Some(at) = self.session(said.client_id) else { return };
        let Some((message, _)) = self.import.messages.get(&said.message) else {
            if !self.gone.contains(&said.message) {
                self.import.report.left_out.count(Reason::MessageMissing, Some(said.client_id));
            }
            return;
        };
        let message = Arc::clone(message);
        let (id, qos) = (PacketId::new(said.packet_id), QoS::from_u8(said.qos));
        match (said.direction, id, qos) {
            (Direction::In, ..) if said.state == State::Done => {}
            (Direction::In, Some(id), Some(QoS::ExactlyOnce)) => {
                self.import.sessions[at].taken.push((id, StoredTaken { message, retain: said.retain }));
            }
            (Direction::Out, _, Some(qos)) => self.outgoing(at, said, message, id, qos),
            _ => self.import.report.left_out.count(Reason::NotMqtt, Some(said.client_id)),
        }
    }

    fn outgoing(&mut self, at: usize, said: &ClientMessage<'_>, message: Arc<Kept>, id: Option<PacketId>, qos: QoS) {
        let was_sent = matches!(said.state, State::Publish | State::Sent | State::Released) && qos != QoS::AtMostOnce;
        // Two in flight under one identifier could not be told apart: the second is sent anew.
        let sent_as = id.filter(|id| was_sent && self.in_flight.insert((at, *id)));
        let messages = &mut self.import.sessions[at].messages;
        messages.push(StoredMessage {
            entry: messages.len() as u64 + 1,
            message,
            qos,
            retain: said.retain,
            identifiers: Identifiers::from(&[said.identifier][..]),
            share: None,
            sent_as,
            released: sent_as.is_some() && said.state == State::Released && qos == QoS::ExactlyOnce,
        });
    }

    fn retain(&mut self, message: u64) {
        let Some((message, publisher)) = self.import.messages.get(&message) else {
            if !self.gone.contains(&message) {
                self.import.report.left_out.count(Reason::MessageMissing, None);
            }
            return;
        };
        let topic = message.topic().as_str();
        if topic == "$SYS" || topic.starts_with("$SYS/") {
            return self.import.report.left_out.count(Reason::AboutTheBroker, None);
        }
        let retained = Retained { message: Arc::clone(message), publisher: Arc::clone(publisher) };
        match self.topics_retained.get(topic) {
            Some(at) => self.import.retained[*at] = retained,
            None => {
                self.topics_retained.insert(topic.into(), self.import.retained.len());
                self.import.retained.push(retained);
            }
        }
    }

    fn instant(&self, seconds: u64) -> Instant {
        Instant::from_millis(seconds.saturating_mul(1000).saturating_sub(self.clock_began))
    }

    fn finish(mut self) -> Import {
        let Import { sessions, retained, report, .. } = &mut self.import;
        report.sessions = sessions.len();
        report.retained = retained.len();
        for session in sessions {
            let in_flight = session.messages.iter().filter(|message| message.sent_as.is_some()).count();
            report.subscriptions += session.subscriptions.len();
            report.in_flight += in_flight;
            report.queued += session.messages.len() - in_flight;
            report.taken += session.taken.len();
        }
        self.import
    }
}

/// As the store calls the listener of this port.
fn listener(port: u16) -> Option<Arc<str>> {
    (port > 0).then(|| port.to_string().into())
}

/// What goes on to subscribers [5.0 §3.3.2.3]: not what concerned one hop, nor the expiry, which is kept as a time.
fn forwarded(properties: &PropertiesBuf) -> PropertiesBuf {
    let mut kept = PropertiesBuf::new();
    for property in properties.as_properties() {
        let of_one_hop = matches!(
            property,
            Property::TopicAlias(_) | Property::SubscriptionIdentifier(_) | Property::MessageExpiryInterval(_)
        );
        if !of_one_hop {
            kept.push(property);
        }
    }
    kept
}

#[cfg(test)]
mod tests;
