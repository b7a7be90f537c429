//! The clients of a load: what they say, and what they answer. Nothing of theirs is counted.

use broker_core::LinkId;
use mqtt::{
    Ack, Connect, Disconnect, FiltersWithOptionsBuf, Packet, PacketId, Properties, PropertiesBuf, ProtocolVersion,
    Publish, QoS, ReasonCode, Subscribe, SubscriptionOptions, TopicFilter, TopicName, next_frame,
};

use crate::world::{Happens, Line, World};

/// A CONNECT in the making.
#[derive(Clone, Copy)]
pub(crate) struct Hello<'a> {
    pub version: ProtocolVersion,
    pub client_id: &'a str,
    pub is_clean: bool,
}

/// A message in the making.
#[derive(Clone, Copy)]
pub(crate) struct Saying<'a> {
    pub version: ProtocolVersion,
    pub qos: QoS,
    pub retain: bool,
    pub topic: &'a str,
    pub payload: &'a [u8],
    pub properties: Properties<'a>,
}

pub(crate) fn encoded(version: ProtocolVersion, packet: &Packet<'_>, bytes: &mut Vec<u8>) {
    packet.encode(version, bytes).expect("it can be said");
}

/// What [`Hello`] says.
pub(crate) fn connect(hello: Hello<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let connect = Connect {
        version: hello.version,
        is_bridge: false,
        clean_start: hello.is_clean,
        keep_alive_s: 60,
        client_id: hello.client_id,
        will: None,
        username: None,
        password: None,
        properties: Properties::EMPTY,
    };
    encoded(hello.version, &Packet::Connect(connect), &mut bytes);
    bytes
}

/// So many messages of one client, in one piece; Packet Identifiers are counted on from `issue`.
pub(crate) fn publishes(saying: Saying<'_>, issue: &mut u64, count: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..count {
        let publish = Publish {
            dup: false,
            qos: saying.qos,
            retain: saying.retain,
            topic: Some(TopicName::new(saying.topic).expect("a topic")),
            packet_id: (saying.qos != QoS::AtMostOnce).then(|| PacketId::of_issue(*issue)),
            properties: saying.properties,
            payload: saying.payload,
        };
        *issue += 1;
        encoded(saying.version, &Packet::Publish(publish), &mut bytes);
    }
    bytes
}

pub(crate) fn disconnect(version: ProtocolVersion) -> Vec<u8> {
    let mut bytes = Vec::new();
    let farewell = Disconnect { reason: ReasonCode::Success, properties: Properties::EMPTY };
    encoded(version, &Packet::Disconnect(farewell), &mut bytes);
    bytes
}

pub(crate) fn subscribe(version: ProtocolVersion, filter: &str, qos: QoS) -> Vec<u8> {
    let (mut bytes, mut filters) = (Vec::new(), FiltersWithOptionsBuf::new());
    let options = SubscriptionOptions { qos, ..SubscriptionOptions::default() };
    filters.push(TopicFilter::new(filter).expect("a filter"), options);
    let packet_id = PacketId::of_issue(0);
    let properties = PropertiesBuf::new();
    let subscribe = Subscribe { packet_id, properties: properties.as_properties(), filters: filters.as_filters() };
    encoded(version, &Packet::Subscribe(subscribe), &mut bytes);
    bytes
}

impl World {
    /// A client that has connected.
    pub(crate) fn client(&mut self, hello: Hello<'_>) -> LinkId {
        let link = LinkId(self.desk.lines.len() as u32);
        self.desk.lines.push(Line::default());
        self.connect_at(link, hello);
        link
    }

    /// The same, by a connection that there was before.
    pub(crate) fn connect_at(&mut self, link: LinkId, hello: Hello<'_>) {
        self.happens(Happens::Opened(link));
        self.happens(Happens::Read(link, &connect(hello)));
    }

    /// Clients hear what they were sent and answer it, until nothing is left to say. How many messages came.
    pub(crate) fn exchange(&mut self) -> usize {
        let mut heard = 0;
        while let Some(at) = self.desk.dirty.pop() {
            let line = &mut self.desk.lines[at as usize];
            let said = std::mem::take(&mut line.out);
            line.is_dirty = false;
            let was_waited_for = std::mem::take(&mut line.wants_drained);
            let version = line.version.expect("it has sent CONNECT");
            let mut answers = Vec::new();
            heard += answer(version, &said, &mut answers);
            // The buffer goes back, as the edge's do.
            let line = &mut self.desk.lines[at as usize];
            line.out = said;
            line.out.clear();
            if was_waited_for {
                self.happens(Happens::Drained(LinkId(at)));
            }
            if !answers.is_empty() {
                self.happens(Happens::Read(LinkId(at), &answers));
            }
        }
        heard
    }
}

/// What a client answers to packets, and how many of them were messages.
fn answer(version: ProtocolVersion, mut said: &[u8], answers: &mut Vec<u8>) -> usize {
    let mut messages = 0;
    while let Some(frame) = next_frame(said, 0).expect("the broker says what is right") {
        let packet = Packet::decode(version, frame).expect("the broker says what is right");
        said = &said[frame.len..];
        let ack = |packet_id| Ack { packet_id, reason: ReasonCode::Success, properties: Properties::EMPTY };
        let answer = match packet {
            Packet::Publish(Publish { qos, packet_id, .. }) => {
                messages += 1;
                match (qos, packet_id) {
                    (QoS::AtLeastOnce, Some(id)) => Packet::PubAck(ack(id)),
                    (QoS::ExactlyOnce, Some(id)) => Packet::PubRec(ack(id)),
                    _ => continue,
                }
            }
            Packet::PubRec(Ack { packet_id, .. }) => Packet::PubRel(ack(packet_id)),
            Packet::PubRel(Ack { packet_id, .. }) => Packet::PubComp(ack(packet_id)),
            _ => continue,
        };
        encoded(version, &answer, answers);
    }
    messages
}
