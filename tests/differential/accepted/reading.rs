//! Reads a scene for the lists: what was said, what came, what may be in flight.

use mqtt::{Connect, DecodeFault, Packet, Property, ProtocolVersion, next_frame};

use super::editing::{edit_publish, identifiers_first};
use crate::bytes::{PUBACK, PUBLISH, PUBREC, split};
use crate::keeper::without_id;
use crate::scene::Scene;
use crate::wire::{End, Heard};

/// The configurations in which hardly anything may be in flight.
pub(crate) const NARROW: [&str; 2] = ["limits", "window"];

/// How much may be in flight to a client.
pub(crate) fn window(scene: &Scene<'_>) -> u16 {
    let ours = match scene.configuration {
        "limits" => 2,
        "window" => 1,
        _ => 20,
    };
    receive_maximum(scene.hello).map_or(ours, |theirs| ours.min(theirs))
}

/// The Receive Maximum of a CONNECT.
pub(crate) fn receive_maximum(hello: &[u8]) -> Option<u16> {
    said_connect(hello, |connect| connect.properties.receive_maximum())
}

/// What keeps its order: answers, messages of each QoS, the rest.
pub(crate) fn lane(packet: &[u8]) -> u8 {
    match packet[0] & 0xF0 {
        PUBLISH => 1 + (packet[0] >> 1 & 3),
        0xC0.. => 4,
        _ => 0,
    }
}

/// What is wrong with the first packet that was said and cannot be read.
pub(crate) fn fault(scene: &Scene<'_>) -> Option<DecodeFault> {
    let (packets, _) = split(scene.said);
    packets.into_iter().find_map(|packet| match next_frame(packet, 0) {
        Ok(Some(frame)) => Packet::decode(scene.version, frame).err(),
        Ok(None) => None,
        Err(fault) => Some(fault),
    })
}

pub(crate) fn ours_alone_closes(scene: &Scene<'_>) -> bool {
    let goes_on = scene.theirs.end == End::Open || split(scene.said).0.len() > 1;
    scene.is_speaker && scene.ours.end == End::Closed && goes_on
}

/// Ours closes for a fault, mosquitto does not.
pub(crate) fn lets_pass(scene: &Scene<'_>, is_it: impl Fn(DecodeFault) -> bool) -> bool {
    ours_alone_closes(scene) && fault(scene).is_some_and(is_it)
}

pub(crate) fn has(said: &[u8], part: &[u8]) -> bool {
    said.windows(part.len()).any(|window| window == part)
}

/// The messages are the same, but not their order, and that is not only between one QoS and another.
pub(crate) fn in_another_order(scene: &Scene<'_>) -> bool {
    let messages = |heard: &Heard, with_ids: bool| -> Vec<Vec<u8>> {
        let mut messages = publishes(heard);
        for packet in &mut messages {
            edit_publish(packet, |property| {
                !matches!(property, Property::TopicAlias(_) | Property::MessageExpiryInterval(_))
            });
            *packet = identifiers_first(packet);
            if !with_ids {
                without_id(packet);
            }
        }
        if with_ids {
            messages.sort_by_key(|packet| lane(packet));
        } else {
            messages.sort_unstable();
        }
        messages
    };
    messages(scene.ours, true) != messages(scene.theirs, true)
        && messages(scene.ours, false) == messages(scene.theirs, false)
}

/// Whether a CONNECT asks for a session that outlives its connection.
pub(crate) fn lasts(hello: &[u8]) -> bool {
    said_connect(hello, |connect| {
        let lasts = connect.properties.session_expiry_interval().is_some_and(|lasts| lasts > 0);
        (lasts || !connect.version.is_v5() && !connect.clean_start).then_some(())
    })
    .is_some()
}

/// What a CONNECT says.
pub(crate) fn said_connect<T>(hello: &[u8], what: impl FnOnce(&Connect<'_>) -> Option<T>) -> Option<T> {
    let frame = next_frame(hello, 0).ok()??;
    let Ok(Packet::Connect(connect)) = Packet::decode(ProtocolVersion::V5, frame) else { return None };
    what(&connect)
}

pub(crate) fn publishes(heard: &Heard) -> Vec<Vec<u8>> {
    heard.packets.iter().filter(|packet| packet[0] & 0xF0 == PUBLISH).cloned().collect()
}

/// PUBACK or PUBREC for the same message, ours with a reason and mosquitto's without.
pub(crate) fn is_answer(ours: &[u8], theirs: &[u8], reason: u8) -> bool {
    matches!(theirs, [PUBACK | PUBREC, 2, _, _]) && ours == [theirs[0], 3, theirs[2], theirs[3], reason]
}

/// Whether a packet of this type is among what was said.
pub(crate) fn says(scene: &Scene<'_>, first: u8) -> bool {
    split(scene.said).0.iter().any(|packet| packet[0] & 0xF0 == first & 0xF0)
}

pub(crate) fn same_deliveries(scene: &Scene<'_>) -> bool {
    publishes(scene.ours) == publishes(scene.theirs)
}
