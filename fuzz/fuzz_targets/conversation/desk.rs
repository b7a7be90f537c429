//! The edge's half of the world: it takes the core's answers, commits at once, and holds the core to its word.

use std::collections::{BTreeMap, BTreeSet};

use broker_core::{
    AUTHENTICATION_DATA_BYTES_MAX, AuthStep, BACKLOG_BYTES_MAX, Credentials, Door, EdgeCounts, Event, LinkId,
    MemoryStore, Outbox, StoreOp, Trust,
};
use mqtt::{Packet, PacketId, ProtocolVersion, QoS, next_frame};

/// Connections at any time: four strangers at the first listener, one at the second, and one of our own.
pub const LINKS: u32 = 6;

#[derive(Default)]
pub struct Desk {
    pub lines: [Line; LINKS as usize],
    pub store: MemoryStore,
    made: u16,
}

/// What is known of one connection.
pub struct Line {
    pub door: Door,
    pub version: ProtocolVersion,
    /// What a second one says of itself counts for nothing.
    has_said_connect: bool,
    pub awaits_verdict: bool,
    /// CONNACK was sent.
    pub is_greeted: bool,
    pub is_over: bool,
    /// Its socket takes nothing.
    pub is_clogged: bool,
    pub wants_drained: bool,
    /// Messages of QoS 1 and 2 that it was sent and has not acknowledged to the end, as it counts them.
    pub in_flight: BTreeSet<PacketId>,
    /// The topics of our Topic Aliases towards it.
    aliases: BTreeMap<u16, String>,
    aliases_max: u16,
    window: usize,
    packet_bytes_max: usize,
}

impl Default for Line {
    fn default() -> Self {
        Self {
            door: Door { listener: 0, trust: Trust::Stranger },
            version: ProtocolVersion::V311,
            has_said_connect: false,
            awaits_verdict: false,
            is_greeted: false,
            is_over: false,
            is_clogged: false,
            wants_drained: false,
            in_flight: BTreeSet::new(),
            aliases: BTreeMap::new(),
            aliases_max: 0,
            window: usize::from(u16::MAX),
            packet_bytes_max: usize::MAX,
        }
    }
}

impl Line {
    /// What it is about to say to the core.
    pub fn hears(&mut self, packet: &Packet<'_>) {
        match packet {
            Packet::Connect(connect) if !std::mem::replace(&mut self.has_said_connect, true) => {
                self.version = connect.version;
                self.window = connect.properties.receive_maximum().unwrap_or(u16::MAX).into();
                self.aliases_max = connect.properties.topic_alias_maximum().unwrap_or(0);
                self.packet_bytes_max = connect.properties.maximum_packet_size().unwrap_or(u32::MAX) as usize;
            }
            Packet::PubAck(ack) | Packet::PubComp(ack) => {
                self.in_flight.remove(&ack.packet_id);
            }
            Packet::PubRec(ack) if ack.reason.is_failure() => {
                self.in_flight.remove(&ack.packet_id);
            }
            _ => {}
        }
    }

    fn is_sent(&mut self, bytes: &[u8]) {
        assert!(!self.is_over, "something after the end");
        let frame = next_frame(bytes, 0).expect("a packet").expect("a whole packet");
        assert_eq!(frame.len, bytes.len(), "one packet");
        let packet = Packet::decode(self.version, frame).expect("a packet of the client's version");
        if let Packet::Auth(auth) = packet {
            assert!(auth.properties.authentication_method().is_some(), "{packet:?}");
            assert!(bytes.len() <= self.packet_bytes_max, "more than the client takes");
            return;
        }
        assert_eq!(matches!(packet, Packet::ConnAck(_)), !self.is_greeted, "CONNACK comes first, and once: {packet:?}");
        self.is_greeted = true;
        match packet {
            Packet::Publish(publish) => {
                assert!(!self.is_clogged, "a message for a socket that takes nothing");
                assert!(bytes.len() <= self.packet_bytes_max, "more than the client takes");
                assert!(self.version.is_v5() || publish.properties.is_empty());
                if let Some(alias) = publish.properties.topic_alias() {
                    assert!(alias <= self.aliases_max, "an alias that the client does not take");
                    match publish.topic {
                        Some(topic) => drop(self.aliases.insert(alias, topic.as_str().to_owned())),
                        None => assert!(self.aliases.contains_key(&alias), "an alias that was not introduced"),
                    }
                }
                if let Some(id) = publish.packet_id {
                    assert!(publish.qos > QoS::AtMostOnce && self.in_flight.insert(id), "{id:?} is in use");
                    assert!(self.in_flight.len() <= self.window, "more in flight than the client takes");
                }
            }
            Packet::Disconnect(_) => assert!(self.version.is_v5()),
            Packet::Connect(_) | Packet::Subscribe(_) | Packet::Unsubscribe(_) | Packet::PingReq => {
                panic!("servers do not say {packet:?}")
            }
            _ => {}
        }
    }
}

impl Desk {
    /// A new connection at this place.
    pub fn begin(&mut self, link: LinkId) -> Door {
        let trust = if link.0 == LINKS - 1 { Trust::Ours } else { Trust::Stranger };
        let door = Door { listener: u16::from(link.0 == LINKS - 2), trust };
        self.lines[link.0 as usize] = Line { door, ..Line::default() };
        door
    }
}

impl Outbox for Desk {
    fn send(&mut self, link: LinkId, packet: &[u8]) {
        self.lines[link.0 as usize].is_sent(packet);
    }
    fn acknowledge(&mut self, link: LinkId, packet: &[u8], _: bool) {
        self.send(link, packet);
    }
    fn backlog_bytes(&self, link: LinkId) -> usize {
        if self.lines[link.0 as usize].is_clogged { BACKLOG_BYTES_MAX + 1 } else { 0 }
    }
    fn tell_when_drained(&mut self, link: LinkId) {
        assert!(self.lines[link.0 as usize].is_clogged, "there is nothing to wait for");
        self.lines[link.0 as usize].wants_drained = true;
    }
    fn store(&mut self, op: StoreOp) {
        self.store.apply(op);
    }
    fn verify(&mut self, link: LinkId, _: Credentials<'_>) {
        self.lines[link.0 as usize].awaits_verdict = true;
    }
    fn authenticate(&mut self, link: LinkId, step: AuthStep<'_>) {
        assert!(!self.lines[link.0 as usize].is_over, "a step after the end");
        assert!(step.data.is_none_or(|data| data.len() <= AUTHENTICATION_DATA_BYTES_MAX), "more than it may be");
    }
    fn close(&mut self, link: LinkId) {
        let line = &mut self.lines[link.0 as usize];
        assert!(!std::mem::replace(&mut line.is_over, true), "{link:?} is closed twice");
    }
    fn tell(&mut self, event: Event<'_>) {
        if let Event::Connected { link, .. } = event {
            self.lines[link.0 as usize].awaits_verdict = false;
        }
    }
    fn counts(&self) -> EdgeCounts {
        EdgeCounts::default()
    }
    fn unique(&mut self) -> [u8; 16] {
        self.made = self.made.wrapping_add(1);
        let [high, low] = self.made.to_be_bytes();
        std::array::from_fn(|at| if at % 2 == 0 { high } else { low })
    }
}
