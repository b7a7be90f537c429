//! Makes packets like others: properties taken out, or put in another order.

use mqtt::{ConnAck, Packet, Properties, PropertiesBuf, Property, ProtocolVersion, Publish, next_frame};

use crate::wire::Heard;

/// A PUBLISH of 5.0 with its Subscription Identifiers in front of the other properties.
pub(crate) fn identifiers_first(packet: &[u8]) -> Vec<u8> {
    let mut packet = packet.to_vec();
    let mut rest = packet.clone();
    let mut identifiers = packet.clone();
    let is_identifier = |property: &Property<'_>| matches!(property, Property::SubscriptionIdentifier(_));
    edit_publish(&mut identifiers, is_identifier);
    edit_publish(&mut rest, |property| !is_identifier(property));
    let (Some(first), Some(last)) = (publish_properties(&identifiers), publish_properties(&rest)) else {
        return packet;
    };
    let mut sorted = PropertiesBuf::new();
    first.iter().chain(last.iter()).for_each(|property| sorted.push(property));
    set_properties(&mut packet, sorted.as_properties());
    packet
}

/// Keeps the properties that are `wanted`.
pub(crate) fn edit_publish(packet: &mut Vec<u8>, wanted: impl Fn(&Property<'_>) -> bool) {
    let Some(properties) = publish_properties(packet) else { return };
    if properties.iter().all(|property| wanted(&property)) {
        return;
    }
    let mut kept = PropertiesBuf::new();
    properties.iter().filter(|property| wanted(property)).for_each(|property| kept.push(property));
    set_properties(packet, kept.as_properties());
}

pub(crate) fn publish_properties(packet: &[u8]) -> Option<Properties<'_>> {
    let frame = next_frame(packet, 0).ok()??;
    Some(Publish::decode(ProtocolVersion::V5, frame).ok()?.properties)
}

pub(crate) fn set_properties(packet: &mut Vec<u8>, properties: Properties<'_>) {
    let Ok(Some(frame)) = next_frame(packet, 0) else { return };
    let Ok(publish) = Publish::decode(ProtocolVersion::V5, frame) else { return };
    let mut bytes = Vec::new();
    if Packet::Publish(Publish { properties, ..publish }).encode(ProtocolVersion::V5, &mut bytes).is_ok() {
        *packet = bytes;
    }
}

/// Takes a property out of CONNACK.
pub(crate) fn without(heard: &mut Heard, unwanted: Property<'_>) {
    let Some(packet) = heard.packets.first_mut() else { return };
    let Ok(Some(frame)) = next_frame(packet, 0) else { return };
    let Ok(Packet::ConnAck(connack)) = Packet::decode(ProtocolVersion::V5, frame) else { return };
    let mut rest = PropertiesBuf::new();
    connack.properties.iter().filter(|property| *property != unwanted).for_each(|property| rest.push(property));
    let mut bytes = Vec::new();
    let connack = ConnAck { properties: rest.as_properties(), ..connack };
    if Packet::ConnAck(connack).encode(ProtocolVersion::V5, &mut bytes).is_ok() {
        *packet = bytes;
    }
}

pub(crate) fn replace(bytes: &mut [u8], from: &[u8], to: &[u8]) {
    if let Some(at) = bytes.windows(from.len()).position(|window| window == from) {
        bytes[at..at + to.len()].copy_from_slice(to);
    }
}

/// Packets in the same places.
pub(crate) fn pairs<'a>(
    ours: &'a mut Heard,
    theirs: &'a mut Heard,
) -> impl Iterator<Item = (&'a mut Vec<u8>, &'a mut Vec<u8>)> {
    ours.packets.iter_mut().zip(&mut theirs.packets)
}

pub(crate) fn topic_and_payload(packet: &[u8], version: ProtocolVersion) -> Option<(String, Vec<u8>)> {
    let frame = next_frame(packet, 0).ok()??;
    let publish = Publish::decode(version, frame).ok()?;
    Some((publish.topic?.as_str().to_owned(), publish.payload.to_vec()))
}

pub(crate) fn has_identifier(publish: &[u8]) -> bool {
    publish_properties(publish).is_some_and(|properties| properties.subscription_identifier().is_some())
}
