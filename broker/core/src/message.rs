//! A message as it is kept: once, however many sessions wait for it.

use std::sync::Arc;

use mqtt::{Properties, PropertiesBuf, Property, QoS, TopicName, TopicNameBuf};

use crate::Instant;
use crate::limits::tree_bytes;
use crate::tally::{Counted, Tally};

/// An application message that outlives the packet it came in. Shared, never changed.
#[derive(Debug, PartialEq, Eq)]
pub struct Message {
    topic: TopicNameBuf,
    payload: Box<[u8]>,
    properties: Option<Box<PropertiesBuf>>,
    expires_at: Option<Instant>,
    qos: QoS,
    counted: Counted,
}

impl Message {
    /// Keeps what `item` says.
    pub(crate) fn keep(item: &Item<'_>, counted: Counted) -> Arc<Self> {
        Self::keep_with(item.topic.into(), item, counted)
    }

    /// As [`keep`](Self::keep), with a topic that is kept already.
    pub(crate) fn keep_with(topic: TopicNameBuf, item: &Item<'_>, counted: Counted) -> Arc<Self> {
        debug_assert_eq!(topic.as_str(), item.topic.as_str(), "it is the topic of the message");
        Arc::new(Self {
            counted,
            topic,
            payload: item.payload.into(),
            properties: (!item.properties.is_empty()).then(|| Box::new(forwarded(item.properties))),
            expires_at: item.expires_at,
            qos: item.qos,
        })
    }

    /// One that comes back from a store. It is counted once [`crate::Broker::restore`] has it.
    pub fn restored(
        topic: TopicNameBuf,
        payload: Box<[u8]>,
        properties: PropertiesBuf,
        expires_at: Option<Instant>,
        qos: QoS,
    ) -> Arc<Self> {
        let properties = (!properties.is_empty()).then(|| Box::new(properties));
        let counted = Counted::not(payload.len());
        Arc::new(Self { topic, payload, properties, expires_at, qos, counted })
    }

    /// Where it was published.
    pub fn topic(&self) -> TopicName<'_> {
        self.topic.as_name()
    }

    /// What was published.
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// As they go on to subscribers: without those of the hop, and without the Message Expiry Interval.
    pub fn properties(&self) -> Properties<'_> {
        self.properties.as_deref().map_or(Properties::EMPTY, PropertiesBuf::as_properties)
    }

    /// At which QoS it was published.
    pub const fn qos(&self) -> QoS {
        self.qos
    }

    /// When it is no longer of use [5.0 §3.3.2.3.3].
    pub const fn expires_at(&self) -> Option<Instant> {
        self.expires_at
    }

    /// Counts it among those of the broker that has it now, if it was not counted before.
    pub(crate) fn count_in(&self, tally: &Tally) {
        self.counted.count_in(tally);
    }

    /// Memory that it takes as a retained message, reckoned from above.
    pub(crate) fn kept_bytes(&self) -> usize {
        let properties = self.properties().as_bytes().len();
        tree_bytes(self.topic.as_str()) + self.payload.len() + properties + size_of::<Self>()
    }

    /// As something that can be delivered.
    pub(crate) fn item(&self) -> Item<'_> {
        Item {
            topic: self.topic.as_name(),
            payload: &self.payload,
            properties: self.properties(),
            expires_at: self.expires_at,
            qos: self.qos,
        }
    }
}

/// A message on its way: borrowed from the packet it came in, or from where it is kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Item<'a> {
    pub topic: TopicName<'a>,
    pub payload: &'a [u8],
    /// As published; what concerns one hop only is left out when it is encoded or kept.
    pub properties: Properties<'a>,
    pub expires_at: Option<Instant>,
    pub qos: QoS,
}

/// The properties that go on to subscribers unchanged: not those of the hop (Topic Alias, Subscription
/// Identifier), nor the Message Expiry Interval, which is counted down [5.0 §3.3.2.3].
pub(crate) fn forwarded(properties: Properties<'_>) -> PropertiesBuf {
    let mut kept = PropertiesBuf::with_capacity(properties.as_bytes().len());
    for property in properties {
        let of_this_hop = matches!(
            property,
            Property::TopicAlias(_)
                | Property::SubscriptionIdentifier(_)
                | Property::MessageExpiryInterval(_)
                | Property::WillDelayInterval(_)
        );
        if !of_this_hop {
            kept.push(property);
        }
    }
    kept
}
