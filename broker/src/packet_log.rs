//! `log_type debug`: a line for each packet that comes and goes, in the words of mosquitto, which scripts and people read. What
//! its 2.1 says is not known of every packet; there it is what 2.0 says.
//!
//! There is a [`PacketLog`] only while debug lines are wanted: without one, a packet costs the look whether there is. Nothing
//! of a payload, a password or a property is ever written here, and nothing is decided.

use std::collections::HashMap;

use broker_core::{End, Event, LinkId};
use mqtt::{Ack, Frame, Packet, PacketType, ProtocolVersion, Publish, TopicName, next_frame};

use crate::peer::Peer;

/// What is remembered to write the lines.
#[derive(Default)]
pub(crate) struct PacketLog {
    /// What the client of each connection is called. Whoever has said nothing yet goes by its address.
    names: HashMap<u32, Box<str>>,
    /// Topics that a connection was given a Topic Alias for [5.0 §3.3.2.3.4]. The core gives no more than `max_topic_alias_broker`.
    aliases: HashMap<u32, HashMap<u16, Box<str>>>,
    /// A PUBLISH that came: which of three lines is written of it is known when the core says something.
    publish: Option<Came>,
    /// One that was not taken: its acknowledgement is told of with this reason, though 3.1 and 3.1.1 have no place for it.
    refused: Option<(LinkId, u16, u8)>,
}

/// A PUBLISH whose line is not written.
struct Came {
    link: LinkId,
    packet_id: u16,
    /// The line without its first words.
    rest: String,
}

/// Reasons of 5.0 that mosquitto has for what it does not take [5.0 §2.4].
const NOT_AUTHORIZED: u8 = 0x87;
const PACKET_TOO_LARGE: u8 = 0x95;

impl PacketLog {
    /// Begins while clients are connected.
    pub(crate) fn with<'a>(clients: impl Iterator<Item = (LinkId, &'a str, Option<&'a str>)>) -> Self {
        let names = clients.map(|(link, client_id, _)| (link.0, client_id.into())).collect();
        Self { names, ..Self::default() }
    }

    fn name<'a>(&'a self, link: LinkId, host: &'a str) -> &'a str {
        self.names.get(&link.0).map_or(host, |name| &**name)
    }

    /// A packet came. `topic` is that of a PUBLISH with nothing but an alias.
    pub(crate) fn received(&mut self, link: LinkId, peer: &Peer, packet: &Packet<'_>, topic: Option<&str>) {
        self.settle();
        self.refused = None; // it has its answer: each is said before another packet is heard
        let host = peer.host().to_string();
        match packet {
            Packet::Connect(connect) if !connect.client_id.is_empty() && !self.names.contains_key(&link.0) => {
                self.names.insert(link.0, connect.client_id.into());
                return;
            }
            Packet::Publish(publish) => {
                let Some(topic) = publish.topic.map(TopicName::as_str).or(topic) else { return };
                let rest = of_publish(self.name(link, &host), publish, topic);
                let packet_id = publish.packet_id.map_or(0, mqtt::PacketId::get);
                self.publish = Some(Came { link, packet_id, rest });
                return;
            }
            _ => {}
        }
        let name = self.name(link, &host);
        let ack = |what, ack: &Ack<'_>| say(&format!("Received {what} from {name} (Mid: {})", ack.packet_id.get()));
        let last = |what, ack: &Ack<'_>| {
            let (id, reason) = (ack.packet_id.get(), ack.reason.as_u8());
            say(&format!("Received {what} from {name} (Mid: {id}, RC:{reason})"));
        };
        match packet {
            Packet::PubAck(puback) => last("PUBACK", puback),
            Packet::PubRec(pubrec) => ack("PUBREC", pubrec),
            Packet::PubRel(pubrel) => ack("PUBREL", pubrel),
            Packet::PubComp(pubcomp) => last("PUBCOMP", pubcomp),
            Packet::Auth(auth) => say(&format!("Received AUTH from {name} (rc{})", auth.reason.as_u8())),
            Packet::Subscribe(_) => say(&format!("Received SUBSCRIBE from {name}")),
            Packet::Unsubscribe(_) => say(&format!("Received UNSUBSCRIBE from {name}")),
            Packet::PingReq => say(&format!("Received PINGREQ from {name}")),
            Packet::PingResp => say(&format!("Received PINGRESP from {name}")),
            Packet::Disconnect(_) => say(&format!("Received DISCONNECT from {name}")),
            // mosquitto says nothing of those. Of CONNECT it says what it came to; the others no client may send.
            Packet::Connect(_) | Packet::Publish(_) | Packet::ConnAck(_) | Packet::SubAck(_) | Packet::UnsubAck(_) => {}
        }
    }

    /// A packet came that is none: of two kinds mosquitto says so before it has read them.
    pub(crate) fn received_wrong(&mut self, link: LinkId, peer: &Peer, packet_type: Option<PacketType>) {
        self.settle();
        let host = peer.host().to_string();
        let name = self.name(link, &host);
        match packet_type {
            Some(PacketType::Subscribe) => say(&format!("Received SUBSCRIBE from {name}")),
            Some(PacketType::Unsubscribe) => say(&format!("Received UNSUBSCRIBE from {name}")),
            _ => {}
        }
    }

    /// The core has dealt with the packet, and has nothing to say of it: what is not written of it is now. At the end of a turn,
    /// or at the next packet.
    pub(crate) fn settle(&mut self) {
        if let Some(Came { rest, .. }) = self.publish.take() {
            say(&format!("Received PUBLISH from {rest}"));
        }
    }

    /// The core says a packet to `link`. It may have to wait for the disk; mosquitto, too, says so before it writes.
    pub(crate) fn sending(&mut self, link: LinkId, peer: &Peer, version: ProtocolVersion, packet: &[u8]) {
        let Ok(Some(frame)) = next_frame(packet, 0) else { return };
        if frame.packet_type() == Some(PacketType::Disconnect) {
            self.publish.take_if(|came| came.link == link); // it is the answer to that
        }
        self.settle();
        let host = peer.host().to_string();
        if frame.packet_type() == Some(PacketType::Publish) {
            let Ok(publish) = Publish::decode(version, frame) else { return };
            self.learn_alias(link, &publish);
            let topic = self.topic_sent(link, &publish);
            return say(&format!("Sending PUBLISH to {}", of_publish(self.name(link, &host), &publish, topic)));
        }
        let name = self.name(link, &host);
        match frame.packet_type() {
            Some(PacketType::ConnAck) => {
                if let [flags, code, ..] = frame.body {
                    say(&format!("Sending CONNACK to {name} ({flags}, {code})"));
                }
            }
            Some(PacketType::PubAck) => say(&format!("Sending PUBACK to {name} {}", self.answer(link, frame))),
            Some(PacketType::PubRec) => say(&format!("Sending PUBREC to {name} {}", self.answer(link, frame))),
            Some(PacketType::PubRel) => say(&format!("Sending PUBREL to {name} (m{})", id(frame))),
            Some(PacketType::PubComp) => say(&format!("Sending PUBCOMP to {name} (m{})", id(frame))),
            Some(PacketType::SubAck) => say(&format!("Sending SUBACK to {name}")),
            Some(PacketType::UnsubAck) => say(&format!("Sending UNSUBACK to {name}")),
            Some(PacketType::PingResp) => say(&format!("Sending PINGRESP to {name}")),
            Some(PacketType::Auth) => {
                let code = frame.body.first().copied().unwrap_or_default();
                say(&format!("Sending AUTH to {name} (rc{code})"));
            }
            // Of DISCONNECT mosquitto says how the connection ended, and that is a line of its own. The rest only clients send.
            _ => {}
        }
    }

    fn learn_alias(&mut self, link: LinkId, publish: &Publish<'_>) {
        if let (Some(topic), Some(alias)) = (publish.topic, publish.properties.topic_alias()) {
            self.aliases.entry(link.0).or_default().insert(alias, topic.as_str().into());
        }
    }

    /// Where a PUBLISH to `link` is for, though it may have nothing but an alias. One that was given before the lines began is
    /// not known.
    fn topic_sent<'a>(&'a self, link: LinkId, publish: &Publish<'a>) -> &'a str {
        let aliased = || Some(&**self.aliases.get(&link.0)?.get(&publish.properties.topic_alias()?)?);
        publish.topic.map(TopicName::as_str).or_else(aliased).unwrap_or_default()
    }

    fn answer(&self, link: LinkId, frame: Frame<'_>) -> String {
        let id = id(frame);
        let said = frame.body.get(2).copied().unwrap_or_default();
        let reason = self.refused.filter(|(of, which, _)| (*of, *which) == (link, id)).map_or(said, |(.., why)| why);
        format!("(m{id}, rc{reason})")
    }

    /// The core tells of something: lines that come before that of the event.
    pub(crate) fn before(&mut self, event: &Event<'_>) {
        match event {
            Event::PublishDenied { .. } => self.not_taken("Denied", NOT_AUTHORIZED),
            Event::PublishTooLarge { .. } => self.not_taken("Dropped too large", PACKET_TOO_LARGE),
            // Of one that ends its connection, as `sending` may find out first, mosquitto says what is wrong with it, and no more.
            Event::Disconnected { why: End::Fault(_), link, .. } => {
                self.publish.take_if(|came| came.link == *link);
                self.settle();
            }
            _ => self.settle(),
        }
        match event {
            Event::Subscribed { qos, filter, .. } => say(&format!("\t{filter} (QoS {})", qos.as_u8())),
            Event::Unsubscribed { filter, .. } => say(&format!("\t{filter}")),
            _ => {}
        }
    }

    fn not_taken(&mut self, how: &str, reason: u8) {
        // A will may be refused, too: no PUBLISH came then.
        if let Some(Came { link, packet_id, rest }) = self.publish.take() {
            say(&format!("{how} PUBLISH from {rest}"));
            self.refused = Some((link, packet_id, reason));
        }
    }

    /// And those that come after it; `tells_connections` is `connection_messages`, which a will belongs to.
    pub(crate) fn after(&mut self, event: &Event<'_>, tells_connections: bool) {
        let Event::Connected { link, client_id, will, .. } = event else { return };
        self.names.insert(link.0, (*client_id).into());
        match will {
            _ if !tells_connections => {}
            None => say("No will message specified."),
            Some((will, retain)) => {
                let (bytes, retain, qos) = (will.payload().len(), u8::from(*retain), will.qos().as_u8());
                say(&format!("Will message specified ({bytes} bytes) (r{retain}, q{qos})."));
                say(&format!("\t{}", will.topic().as_str()));
            }
        }
    }

    /// A connection is over: its number may be another's.
    pub(crate) fn forget(&mut self, link: LinkId) {
        self.names.remove(&link.0);
        self.aliases.remove(&link.0);
    }
}

/// One line. One place for all of them: whether they are wanted is asked at one.
#[cold]
fn say(line: &str) {
    tracing::debug!(target: "debug", "{line}");
}

/// Whether these lines are wanted.
pub(crate) fn is_wanted() -> bool {
    tracing::enabled!(target: "debug", tracing::Level::DEBUG)
}

fn id(frame: Frame<'_>) -> u16 {
    match frame.body {
        [high, low, ..] => u16::from_be_bytes([*high, *low]),
        _ => 0,
    }
}

fn of_publish(name: &str, publish: &Publish<'_>, topic: &str) -> String {
    let (dup, qos, retain) = (u8::from(publish.dup), publish.qos.as_u8(), u8::from(publish.retain));
    let id = publish.packet_id.map_or(0, mqtt::PacketId::get);
    format!("{name} (d{dup}, q{qos}, r{retain}, m{id}, '{topic}', ... ({} bytes))", publish.payload.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use mqtt::{Properties, PropertiesBuf, Property, QoS};

    fn publish<'a>(topic: Option<&'a str>, properties: Properties<'a>) -> Publish<'a> {
        Publish {
            dup: false,
            qos: QoS::AtMostOnce,
            retain: true,
            topic: topic.map(|topic| TopicName::new(topic).unwrap()),
            packet_id: None,
            properties,
            payload: b"secret",
        }
    }

    #[test]
    fn the_topic_of_an_alias_is_known_as_long_as_its_connection_lasts() {
        let mut properties = PropertiesBuf::default();
        properties.push(Property::TopicAlias(3));
        let (mut log, link) = (PacketLog::default(), LinkId(7));
        let alone = publish(None, properties.as_properties());
        assert_eq!(log.topic_sent(link, &alone), "", "it was given before");
        log.learn_alias(link, &publish(Some("a/b"), properties.as_properties()));
        assert_eq!((log.topic_sent(link, &alone), log.topic_sent(LinkId(8), &alone)), ("a/b", ""));
        log.forget(LinkId(8));
        assert_eq!(log.topic_sent(link, &alone), "a/b");
        log.forget(link);
        assert!(log.aliases.is_empty() && log.names.is_empty());
    }

    #[test]
    fn what_was_refused_once_is_not_said_of_the_next_with_its_number() {
        let (mut log, link) = (PacketLog::default(), LinkId(7));
        let peer = Peer::Within;
        let packet_id = mqtt::PacketId::new(5);
        let packet =
            Packet::Publish(Publish { packet_id, qos: QoS::AtLeastOnce, ..publish(Some("t"), Properties::EMPTY) });
        let puback = [0x40, 2, 0, 5];
        let frame = next_frame(&puback, 0).unwrap().unwrap();
        log.received(link, &peer, &packet, None);
        log.before(&Event::PublishTooLarge { client_id: "c" });
        assert_eq!(log.answer(link, frame), "(m5, rc149)");
        log.received(link, &peer, &packet, None);
        assert_eq!(log.answer(link, frame), "(m5, rc0)");
    }

    #[test]
    fn of_a_payload_there_is_its_size_alone() {
        let line = of_publish("c", &publish(Some("t"), Properties::EMPTY), "t");
        assert_eq!(line, "c (d0, q0, r1, m0, 't', ... (6 bytes))");
    }
}
