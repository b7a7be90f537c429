//! Packets as bytes, right or wrong: nothing here checks what it writes. Written by hand and not by our own encoder,
//! which could not say what is forbidden.

pub(crate) const CONNECT: u8 = 0x10;
pub(crate) const CONNACK: u8 = 0x20;
pub(crate) const PUBLISH: u8 = 0x30;
pub(crate) const PUBACK: u8 = 0x40;
pub(crate) const PUBREC: u8 = 0x50;
pub(crate) const PUBREL: u8 = 0x62;
pub(crate) const PUBCOMP: u8 = 0x70;
pub(crate) const SUBSCRIBE: u8 = 0x82;
pub(crate) const UNSUBSCRIBE: u8 = 0xA2;
pub(crate) const PINGREQ: [u8; 2] = [0xC0, 0];
pub(crate) const PINGRESP: [u8; 2] = [0xD0, 0];
pub(crate) const DISCONNECT: u8 = 0xE0;
pub(crate) const AUTH: u8 = 0xF0;

/// A packet whose Remaining Length is that of `body`.
pub(crate) fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![first];
    packet.extend(variable(body.len()));
    packet.extend(body);
    packet
}

/// A Variable Byte Integer.
pub(crate) fn variable(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = (value & 0x7F) as u8;
        value >>= 7;
        if value == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

/// A UTF-8 string or binary data: two bytes of length, then what it measures.
pub(crate) fn field(bytes: &[u8]) -> Vec<u8> {
    let mut field = (bytes.len() as u16).to_be_bytes().to_vec();
    field.extend(bytes);
    field
}

/// Where the first packet of `bytes` ends, by its Remaining Length; `None` if it goes on beyond them or says no length.
pub(crate) fn end_of_first(bytes: &[u8]) -> Option<usize> {
    let mut len = 0;
    for (at, byte) in bytes.iter().skip(1).take(4).enumerate() {
        len |= usize::from(byte & 0x7F) << (7 * at);
        if byte & 0x80 == 0 {
            let end = at + 2 + len;
            return (end <= bytes.len()).then_some(end);
        }
    }
    None
}

/// The packets of `bytes`, and what is left when the last whole one has been taken.
pub(crate) fn split(mut bytes: &[u8]) -> (Vec<&[u8]>, &[u8]) {
    let mut packets = Vec::new();
    while let Some(end) = end_of_first(bytes) {
        packets.push(&bytes[..end]);
        bytes = &bytes[end..];
    }
    (packets, bytes)
}

/// The Packet Identifier of a PUBLISH above QoS 0.
pub(crate) fn id_of(publish: &[u8]) -> Option<[u8; 2]> {
    let body = publish.get(publish.iter().skip(1).position(|byte| byte & 0x80 == 0)? + 2..)?;
    let topic_len = usize::from(u16::from_be_bytes([*body.first()?, *body.get(1)?]));
    Some([*body.get(2 + topic_len)?, *body.get(3 + topic_len)?])
}
