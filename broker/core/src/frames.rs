//! A message's PUBLISH packet, encoded once for all who get the same bytes.
//!
//! Subscribers differ in protocol version, QoS, RETAIN and Subscription Identifier. For each mix that occurs the
//! packet is encoded once; the Packet Identifier is then written into its place for each of them.

use mqtt::{PacketId, PropertiesBuf, Property, ProtocolVersion, Publish, QoS};

use crate::Instant;
use crate::message::{Item, forwarded};

/// What makes two subscribers' packets differ, but for the Packet Identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    pub version: ProtocolVersion,
    pub qos: QoS,
    pub retain: bool,
    /// Subscription Identifier; 0 for none, and always 0 before 5.0.
    pub identifier: u32,
}

impl Shape {
    /// Shapes without an identifier have a place each; 3.1 and 3.1.1 share theirs.
    const fn place(self) -> usize {
        (self.version.is_v5() as usize * 3 + self.qos as usize) * 2 + self.retain as usize
    }
}

/// The packets of the message being delivered.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    frames: [Frame; 13],
}

#[derive(Debug, Default)]
struct Frame {
    bytes: Vec<u8>,
    packet_id_at: Option<usize>,
    fresh: bool,
}

/// Buffers above this are given back after a large message.
const KEPT_BYTES_MAX: usize = 64 * 1024;

impl Frames {
    /// Begins with another message.
    pub(crate) fn begin(&mut self) {
        for frame in &mut self.frames {
            frame.fresh = false;
        }
    }

    /// The packet for a subscriber; `None` if the message cannot be encoded for it (its properties grew past
    /// what a packet can hold).
    pub(crate) fn get(&mut self, item: &Item<'_>, shape: Shape, id: Option<PacketId>, now: Instant) -> Option<&[u8]> {
        let place = if shape.identifier == 0 { shape.place() } else { 12 };
        let frame = &mut self.frames[place];
        if !frame.fresh || shape.identifier != 0 {
            frame.encode(item, shape, id, now)?;
        }
        if let (Some(at), Some(id)) = (frame.packet_id_at, id) {
            frame.bytes.get_mut(at..at + 2)?.copy_from_slice(&id.get().to_be_bytes());
        }
        Some(&frame.bytes)
    }
}

impl Frame {
    fn encode(&mut self, item: &Item<'_>, shape: Shape, id: Option<PacketId>, now: Instant) -> Option<()> {
        self.fresh = false;
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
            if shape.identifier != 0 {
                properties.push(Property::SubscriptionIdentifier(shape.identifier));
            }
        }
        let publish = Publish {
            dup: false,
            qos: shape.qos,
            retain: shape.retain,
            topic: Some(item.topic),
            packet_id: id,
            properties: properties.as_properties(),
            payload: item.payload,
        };
        let layout = publish.encode(shape.version, &mut self.bytes).ok()?;
        self.packet_id_at = layout.packet_id_at;
        self.fresh = true;
        Some(())
    }
}
