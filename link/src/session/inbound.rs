//! The other direction: subscriptions, and the messages that come by them.
//!
//! Each CONNACK is followed by a SUBSCRIBE, whether the server kept the session or not: asking twice costs a packet,
//! not asking could leave us deaf. A QoS 2 message is handed on at its PUBLISH, once, and its identifier remembered
//! until PUBREL ("method B" of 3.1.1 figure 4.3; 5.0 the same), over reconnects as long as the far session lives.

use std::collections::BTreeSet;
use std::time::Instant;

use bytes::Bytes;
use mqtt::{
    Ack, FiltersWithOptionsBuf, Packet, PacketId, Properties, Publish, QoS, SubAck, Subscribe, SubscriptionOptions,
    TopicName, filter_matches,
};

use super::{Event, Session, done};
use crate::Received;
use crate::outbox::Outbox;

/// What the session knows of what it asked for.
#[derive(Debug, Default)]
pub(super) struct Subscribed {
    /// The SUBSCRIBE that is not answered yet.
    asking: Option<PacketId>,
    /// QoS 2 messages that were handed on and wait for PUBREL: 65,535 at most, for there are no more identifiers.
    unreleased: BTreeSet<PacketId>,
    /// Not taken by the driver yet.
    arrived: Vec<Received>,
}

/// A PUBLISH that is larger than is taken: what of it must be known to answer it and to go past it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Overlong {
    qos: QoS,
    id: Option<PacketId>,
    /// Of the whole packet.
    pub(crate) bytes: usize,
}

impl Overlong {
    /// The head of the packet at the beginning of `bytes`. `None`: it is no PUBLISH, or more bytes are needed.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        const PUBLISH: u8 = 3;
        let (&first, rest) = bytes.split_first().filter(|(first, _)| **first >> 4 == PUBLISH)?;
        let length_bytes = rest.iter().take(4).position(|byte| byte & 0x80 == 0)? + 1;
        let (length, rest) = rest.split_at_checked(length_bytes)?;
        let remaining = length.iter().rev().fold(0, |sum, byte| sum << 7 | usize::from(byte & 0x7F));
        let qos = QoS::from_u8(first >> 1 & 0b11)?;
        let (topic_bytes, rest) = rest.split_first_chunk()?;
        let rest = rest.get(usize::from(u16::from_be_bytes(*topic_bytes))..)?;
        let id = match qos {
            QoS::AtMostOnce => None,
            _ => Some(PacketId::new(u16::from_be_bytes(*rest.first_chunk()?))?),
        };
        Some(Self { qos, id, bytes: 1 + length_bytes + remaining })
    }
}

impl Session {
    /// Whether messages may come that were asked for.
    pub(crate) fn subscribes(&self) -> bool {
        !self.settings.subscriptions.is_empty()
    }

    /// The messages that came since the last call.
    pub(crate) fn take_arrived(&mut self) -> Vec<Received> {
        std::mem::take(&mut self.inbound.arrived)
    }

    /// A message came that is larger than is taken: it is answered and counted, and goes no further. Closing the
    /// connection instead would let whoever may publish to us cut us off.
    pub(crate) fn handle_overlong(&mut self, now: Instant, overlong: Overlong, out: &mut Outbox) {
        self.heard_at = now;
        self.tally.inbound_too_large += 1;
        self.acknowledge(now, overlong.qos, overlong.id, out);
    }

    pub(super) fn subscribe(&mut self, now: Instant, out: &mut Outbox) {
        if !self.subscribes() {
            return;
        }
        let Some(packet_id) = self.ids.take() else { return };
        let mut filters = FiltersWithOptionsBuf::new();
        for subscription in &self.settings.subscriptions {
            let options = SubscriptionOptions { qos: subscription.qos, ..SubscriptionOptions::default() };
            filters.push(subscription.filter.as_filter(), options);
        }
        let subscribe = Subscribe { packet_id, properties: Properties::EMPTY, filters: filters.as_filters() };
        self.push(now, &Packet::Subscribe(subscribe), out);
        self.inbound.asking = Some(packet_id);
    }

    pub(super) fn handle_suback(&mut self, suback: &SubAck) {
        if self.inbound.asking != Some(suback.packet_id) {
            // To what a former owner of the session asked: harmless.
            return;
        }
        self.forget_asking();
        for (subscription, reason) in self.settings.subscriptions.iter().zip(suback.reasons) {
            if reason.is_failure() {
                let filter = subscription.filter.as_str().to_owned();
                self.events.push(Event::NotSubscribed { filter, reason });
            }
        }
    }

    /// What was asked for is handed on. What was not may come by subscriptions of a former owner of the client id; it
    /// is acknowledged all the same, or it would block the server's window for ever.
    pub(super) fn handle_publish(&mut self, now: Instant, publish: &Publish, out: &mut Outbox) {
        match publish.topic.filter(|topic| self.is_asked_for(*topic)) {
            None => {
                self.tally.unasked += 1;
                let topic = publish.topic.map(|topic| topic.as_str().to_owned()).unwrap_or_default();
                self.events.push(Event::Unasked { topic });
            }
            // A repeat of what was handed on already [3.1.1 MQTT-4.3.3-2, 5.0 MQTT-4.3.3-10].
            Some(_) if publish.packet_id.is_some_and(|id| self.inbound.unreleased.contains(&id)) => {}
            Some(topic) => {
                self.tally.received += 1;
                self.inbound.arrived.push(Received {
                    topic: topic.as_str().into(),
                    payload: Bytes::copy_from_slice(publish.payload),
                    retain: publish.retain,
                });
            }
        }
        self.acknowledge(now, publish.qos, publish.packet_id, out);
    }

    pub(super) fn handle_pubrel(&mut self, now: Instant, ack: &Ack, out: &mut Outbox) {
        self.inbound.unreleased.remove(&ack.packet_id);
        self.push(now, &Packet::PubComp(done(ack.packet_id)), out);
    }

    /// The far session is gone, and with it what it would have released.
    pub(super) fn forget_unreleased(&mut self) {
        self.inbound.unreleased.clear();
    }

    /// The connection is gone, and with it the answer to SUBSCRIBE.
    pub(super) fn forget_asking(&mut self) {
        if let Some(id) = self.inbound.asking.take() {
            self.ids.release(id);
        }
    }

    fn is_asked_for(&self, topic: TopicName<'_>) -> bool {
        self.settings.subscriptions.iter().any(|subscription| {
            let filter = subscription.filter.as_filter();
            filter_matches(filter.shared().map_or(filter, |(_, inner)| inner), topic)
        })
    }

    fn acknowledge(&mut self, now: Instant, qos: QoS, id: Option<PacketId>, out: &mut Outbox) {
        match (qos, id) {
            (QoS::AtLeastOnce, Some(id)) => self.push(now, &Packet::PubAck(done(id)), out),
            (QoS::ExactlyOnce, Some(id)) => {
                self.inbound.unreleased.insert(id);
                self.push(now, &Packet::PubRec(done(id)), out);
            }
            _ => {}
        }
    }
}
