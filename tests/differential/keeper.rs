//! Looks at what a conversation leaves in both brokers, and clears it away for the next: sessions, retained messages.

use mqtt::{Packet, ProtocolVersion, next_frame};

use crate::brokers::{KEEPER, Pair};
use crate::bytes::{CONNECT, DISCONNECT, PUBLISH, SUBSCRIBE, field, packet};
use crate::scene::words;
use crate::wire::{Heard, Mark, Wire};

/// A CONNECT that was said: under which identifier each broker may remember it.
#[derive(PartialEq, Eq)]
pub(crate) struct Connected {
    ours: Vec<u8>,
    theirs: Vec<u8>,
}

impl Connected {
    /// The identifier in a CONNECT, however wrong the rest of it is.
    pub(crate) fn of(said: &[u8]) -> Option<Self> {
        if said.first()? & 0xF0 != CONNECT {
            return None;
        }
        let length_len = said.iter().skip(1).position(|byte| byte & 0x80 == 0)? + 1;
        let body = said.get(1 + length_len..)?;
        let name_len = usize::from(u16::from_be_bytes([*body.first()?, *body.get(1)?]));
        let level = *body.get(2 + name_len)?;
        let mut at = 2 + name_len + 4;
        if level == 5 {
            let len_len = body.iter().skip(at).position(|byte| byte & 0x80 == 0)? + 1;
            let len = body.get(at..at + len_len)?.iter().rev().fold(0, |len, byte| len << 7 | usize::from(byte & 0x7F));
            at += len_len + len;
        }
        let len = usize::from(u16::from_be_bytes([*body.get(at)?, *body.get(at + 1)?]));
        let id = body.get(at + 2..at + 2 + len)?.to_vec();
        Some(Self { ours: id.clone(), theirs: id })
    }

    /// Where the broker chose the identifier, it says which in CONNACK.
    pub(crate) fn answered(mut self, ours: &Heard, theirs: &Heard) -> Self {
        for (id, heard) in [(&mut self.ours, ours), (&mut self.theirs, theirs)] {
            if let Some(assigned) = heard.packets.first().and_then(|packet| assigned(packet)) {
                *id = assigned;
            }
        }
        self
    }
}

/// The Assigned Client Identifier of a CONNACK.
pub(crate) fn assigned(connack: &[u8]) -> Option<Vec<u8>> {
    let frame = next_frame(connack, 0).ok()??;
    let Ok(Packet::ConnAck(connack)) = Packet::decode(ProtocolVersion::V5, frame) else { return None };
    Some(connack.properties.assigned_client_identifier()?.as_bytes().to_vec())
}

/// Ends the sessions, takes the retained messages away; what of those differs, in words.
pub(crate) fn clear(pair: &Pair, connects: &[Connected]) -> Option<String> {
    let (ours, theirs) = (retained(pair.ours), retained(pair.theirs));
    for (port, mut ids) in [
        (pair.ours, connects.iter().map(|connected| &connected.ours).collect::<Vec<_>>()),
        (pair.theirs, connects.iter().map(|connected| &connected.theirs).collect()),
    ] {
        ids.sort_unstable();
        ids.dedup();
        let mut wires: Vec<Wire> = ids.iter().filter(|id| !id.is_empty()).map(|id| end_session(port, id)).collect();
        for wire in &mut wires {
            wire.hear(Mark::Finish);
        }
        // The end of a session may be the time of its will.
        retained(port);
    }
    (ours != theirs).then(|| {
        let texts: Vec<String> = [("ours", ours), ("mosquitto", theirs)]
            .iter()
            .map(|(name, packets)| {
                let packets = packets.iter().map(|packet| words(ProtocolVersion::V311, packet));
                format!("  {name}:\n{}", packets.collect::<Vec<_>>().join("\n"))
            })
            .collect();
        format!("what is retained in configuration {}\n{}", pair.configuration.name, texts.join("\n"))
    })
}

fn hello(id: &[u8]) -> Vec<u8> {
    let mut body = field(b"MQTT");
    body.extend([4, 0xC2, 0, 60]);
    body.extend([field(id), field(KEEPER.0.as_bytes()), field(KEEPER.1.as_bytes())].concat());
    packet(CONNECT, &body)
}

/// A clean session takes the place of the old one, and ends.
fn end_session(port: u16, id: &[u8]) -> Wire {
    let mut wire = Wire::open(port);
    wire.say(&[hello(id), packet(DISCONNECT, &[])].concat(), Mark::Finish);
    wire
}

/// The retained messages, by topic; they are cleared.
fn retained(port: u16) -> Vec<Vec<u8>> {
    let mut wire = Wire::open(port);
    let mark = Mark::Ping(1);
    let filters = [&[0, 1][..], &field(b"#"), &[0], &field(b"$data/#"), &[0]].concat();
    wire.say(&[hello(b"keeper"), packet(SUBSCRIBE, &filters)].concat(), mark);
    let mut heard = wire.hear(mark).packets;
    wire.say(&[], mark);
    heard.extend(wire.hear(mark).packets);
    let mut found: Vec<Vec<u8>> = heard.into_iter().filter(|packet| packet[0] & 0xF0 == PUBLISH).collect();
    let clears: Vec<u8> = found.iter().flat_map(|packet| emptied(packet)).collect();
    wire.say(&[clears, packet(DISCONNECT, &[])].concat(), Mark::Finish);
    wire.hear(Mark::Finish);
    for packet in &mut found {
        without_id(packet);
    }
    found.sort_unstable();
    found
}

/// The PUBLISH that clears what `publish` brought.
fn emptied(publish: &[u8]) -> Vec<u8> {
    let start = publish.iter().skip(1).position(|byte| byte & 0x80 == 0).map_or(publish.len(), |at| at + 2);
    let body = &publish[start..];
    let len = body.get(..2).map_or(0, |len| usize::from(u16::from_be_bytes([len[0], len[1]])));
    packet(PUBLISH | 1, body.get(..2 + len).unwrap_or_default())
}

/// The order in which they come is not what is asked here, so their identifiers do not count.
pub(crate) fn without_id(publish: &mut [u8]) {
    let start = publish.iter().skip(1).position(|byte| byte & 0x80 == 0).map_or(publish.len(), |at| at + 2);
    let len = publish.get(start..start + 2).map_or(0, |len| usize::from(u16::from_be_bytes([len[0], len[1]])));
    if publish[0] & 0xF0 == PUBLISH
        && publish[0] & 0x06 != 0
        && let Some(id) = publish.get_mut(start + 2 + len..start + 4 + len)
    {
        id.fill(0);
    }
}
