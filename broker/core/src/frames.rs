//! A message's PUBLISH packet, encoded once for all who get the same bytes.
//!
//! Subscribers differ in protocol version, QoS and RETAIN. For each mix that occurs the packet is encoded once; the
//! Packet Identifier is then written into its place for each of them. Who gets a Subscription Identifier or a Topic
//! Alias, or whose listener has a `mount_point`, gets a packet of her own.

use mqtt::{PacketId, PropertiesBuf, Property, ProtocolVersion, Publish, QoS};

use crate::Instant;
use crate::alias_table::Alias;
use crate::message::{Item, forwarded};

/// What makes two subscribers' packets differ, but for the Packet Identifier.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape<'a> {
    pub version: ProtocolVersion,
    pub qos: QoS,
    pub retain: bool,
    /// Subscription Identifiers; never any before 5.0.
    pub identifiers: &'a [u32],
    /// Never one before 5.0.
    pub alias: Alias,
    /// The topic is not as others see it.
    pub is_own: bool,
}

/// The place of a packet that is nobody else's.
const OWN: usize = 12;

/// Shapes that may be shared have a place each; 3.1 and 3.1.1 share theirs.
#[inline]
fn place(version: ProtocolVersion, qos: QoS, retain: bool) -> usize {
    (usize::from(version.is_v5()) * 3 + qos as usize) * 2 + usize::from(retain)
}

/// The packets of the message being delivered.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    frames: [Frame; OWN + 1],
    /// The how-manieth message it is.
    message: u64,
}

#[derive(Debug, Default)]
struct Frame {
    bytes: Vec<u8>,
    packet_id_at: Option<usize>,
    /// The message that it is of.
    message: u64,
}

/// Buffers above this are given back after a large message.
const KEPT_BYTES_MAX: usize = 64 * 1024;

impl Frames {
    /// Begins with another message.
    pub(crate) fn begin(&mut self) {
        self.message += 1;
    }

    /// The packet for a subscriber; `None` if the message cannot be encoded for it (its properties grew past
    /// what a packet can hold).
    pub(crate) fn get(
        &mut self,
        item: &Item<'_>,
        shape: Shape<'_>,
        id: Option<PacketId>,
        now: Instant,
    ) -> Option<&[u8]> {
        if shape.identifiers.is_empty() && shape.alias == Alias::None && !shape.is_own {
            return self.shared(item, shape.version, shape.qos, shape.retain, id, now);
        }
        let frame = &mut self.frames[OWN];
        frame.encode(item, shape, id, now)?;
        Some(&frame.bytes)
    }

    /// As [`get`](Self::get), for one who has neither Subscription Identifiers nor aliases.
    #[inline]
    pub(crate) fn shared(
        &mut self,
        item: &Item<'_>,
        version: ProtocolVersion,
        qos: QoS,
        retain: bool,
        id: Option<PacketId>,
        now: Instant,
    ) -> Option<&[u8]> {
        debug_assert!(self.message > 0, "a message has begun");
        let frame = &mut self.frames[place(version, qos, retain)];
        if frame.message != self.message {
            frame.encode(
                item,
                Shape { version, qos, retain, identifiers: &[], alias: Alias::None, is_own: false },
                id,
                now,
            )?;
            frame.message = self.message;
        }
        if let (Some(at), Some(id)) = (frame.packet_id_at, id) {
            frame.bytes.get_mut(at..at + 2)?.copy_from_slice(&id.get().to_be_bytes());
        }
        Some(&frame.bytes)
    }
}

impl Frame {
    fn encode(&mut self, item: &Item<'_>, shape: Shape<'_>, id: Option<PacketId>, now: Instant) -> Option<()> {
        self.bytes.clear();
        if self.bytes.capacity() > KEPT_BYTES_MAX {
            self.bytes = Vec::new();
        }
        let mut properties = PropertiesBuf::default();
        if shape.version.is_v5() {
            if !item.properties.is_empty() {
                properties = forwarded(item.properties);
            }
            if let Some(at) = item.expires_at {
                let left_s = at.since(now).as_millis().div_ceil(1000);
                properties.push(Property::MessageExpiryInterval(u32::try_from(left_s).unwrap_or(u32::MAX)));
            }
            if let Alias::Introduced(alias) | Alias::Alone(alias) = shape.alias {
                properties.push(Property::TopicAlias(alias.get()));
            }
            for identifier in shape.identifiers {
                properties.push(Property::SubscriptionIdentifier(*identifier));
            }
        }
        let publish = Publish {
            dup: false,
            qos: shape.qos,
            retain: shape.retain,
            topic: (!matches!(shape.alias, Alias::Alone(_))).then_some(item.topic),
            packet_id: id,
            properties: properties.as_properties(),
            payload: item.payload,
        };
        let layout = publish.encode(shape.version, &mut self.bytes).ok()?;
        self.packet_id_at = layout.packet_id_at;
        Some(())
    }
}
