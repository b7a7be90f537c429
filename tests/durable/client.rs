//! What all clients of the driver share: a durable session, and what is found when a promise was broken.

use mqtt::{
    Ack, Connect, FiltersWithOptionsBuf, Packet, PacketId, Properties, PropertiesBuf, Property, ProtocolVersion, QoS,
    ReasonCode, Subscribe, SubscriptionOptions, TopicFilter,
};

use crate::dice::Dice;
use crate::line::Line;

/// A promise that the broker broke, in words.
#[derive(Debug)]
pub(crate) struct Broken(pub String);

/// Fails with a broken promise.
macro_rules! broken {
    ($($words:tt)*) => { return Err($crate::client::Broken(format!($($words)*))) };
}
pub(crate) use broken;

/// A client is told packets and says packets; the driver carries the bytes.
pub(crate) trait Client {
    fn own(&mut self) -> &mut Own;

    /// One packet came.
    fn hear(&mut self, packet: Packet<'_>) -> Result<(), Broken>;

    /// It may say more, by chance.
    fn go_on(&mut self, _dice: &mut Dice) {}
}

/// A client's name, its connection, and what it knows of its session.
pub(crate) struct Own {
    pub client_id: String,
    pub version: ProtocolVersion,
    pub line: Option<Line>,
    /// Clean Session 0: the session is to outlive connections and brokers.
    is_durable: bool,
    /// A CONNACK came: the session is promised.
    has_session: bool,
    /// CONNACK came on this connection.
    pub is_in: bool,
    /// What the broker acknowledged since it was started.
    pub acknowledged: usize,
    last_id: u16,
}

impl Own {
    pub(crate) fn new(client_id: String, version: ProtocolVersion, is_durable: bool) -> Self {
        Self {
            client_id,
            version,
            line: None,
            is_durable,
            has_session: false,
            is_in: false,
            acknowledged: 0,
            last_id: 0,
        }
    }

    pub(crate) fn connect(&mut self, port: u16) {
        let mut properties = PropertiesBuf::new();
        if self.version.is_v5() && self.is_durable {
            properties.push(Property::SessionExpiryInterval(u32::MAX));
        }
        let connect = Connect {
            version: self.version,
            is_bridge: false,
            clean_start: !self.is_durable,
            keep_alive_s: 600,
            client_id: &self.client_id,
            will: None,
            username: None,
            password: None,
            properties: properties.as_properties(),
        };
        let mut line = Line::open(port, self.version);
        line.say(&Packet::Connect(connect));
        self.line = Some(line);
        self.is_in = false;
    }

    pub(crate) fn say(&mut self, packet: &Packet<'_>) {
        if let Some(line) = &mut self.line {
            line.say(packet);
        }
    }

    /// A CONNACK came. Whether the session is a new one.
    pub(crate) fn come_in(&mut self, packet: &Packet<'_>) -> Result<bool, Broken> {
        let Packet::ConnAck(connack) = packet else {
            panic!("{}: not a CONNACK but {packet:?}", self.client_id);
        };
        assert_eq!(connack.reason, ReasonCode::Success, "{}", self.client_id);
        if self.has_session && !connack.session_present {
            broken!("the session of {} is gone", self.client_id);
        }
        let is_new = !std::mem::replace(&mut self.has_session, self.is_durable);
        self.is_in = true;
        Ok(is_new)
    }

    /// The next identifier that `is_taken` does not say is in use.
    pub(crate) fn next_id(&mut self, is_taken: impl Fn(u16) -> bool) -> u16 {
        loop {
            self.last_id = self.last_id % u16::MAX + 1;
            if !is_taken(self.last_id) {
                return self.last_id;
            }
        }
    }

    pub(crate) fn subscribe(&mut self, id: u16, filters: &[&str], qos: QoS) {
        let mut wanted = FiltersWithOptionsBuf::new();
        for filter in filters {
            let options = SubscriptionOptions { qos, ..SubscriptionOptions::default() };
            wanted.push(TopicFilter::new(filter).expect("a filter"), options);
        }
        let filters = wanted.as_filters();
        self.say(&Packet::Subscribe(Subscribe { packet_id: packet_id(id), properties: Properties::EMPTY, filters }));
    }
}

pub(crate) fn packet_id(id: u16) -> PacketId {
    PacketId::new(id).expect("never zero")
}

/// An acknowledgement of `id` that all is well.
pub(crate) fn ack(id: PacketId) -> Ack<'static> {
    Ack { packet_id: id, reason: ReasonCode::Success, properties: Properties::EMPTY }
}
