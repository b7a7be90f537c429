//! Writes packets at the end of a buffer of the caller's. What a version does not have is left out.

use crate::frame::variable_byte_integer_len;
use crate::{
    Ack, Auth, ConnAck, Connect, Disconnect, EncodeFault, Packet, PacketType, Properties, ProtocolVersion, Publish,
    QoS, REMAINING_LENGTH_MAX, ReasonCode, SubAck, Subscribe, UnsubAck, Unsubscribe, Will,
};

impl Packet<'_> {
    /// Appends the whole packet to `out`. CONNECT is written in its own version, whatever `version` says.
    ///
    /// What was decoded in a version and is written in the same is equal when it is decoded again.
    ///
    /// # Errors
    /// What MQTT has no way to say, [`EncodeFault`]; then `out` is as it was before.
    pub fn encode(&self, version: ProtocolVersion, out: &mut Vec<u8>) -> Result<(), EncodeFault> {
        let start = out.len();
        self.append(version, out).inspect_err(|_| out.truncate(start))
    }

    fn append(&self, version: ProtocolVersion, out: &mut Vec<u8>) -> Result<(), EncodeFault> {
        match self {
            Self::Connect(connect) => put_connect(connect, out),
            Self::ConnAck(connack) => put_connack(connack, version, out),
            Self::Publish(publish) => publish.encode(version, out).map(drop),
            Self::PubAck(ack) => put_ack(PacketType::PubAck.first_byte(0), ack, version, out),
            Self::PubRec(ack) => put_ack(PacketType::PubRec.first_byte(0), ack, version, out),
            Self::PubRel(ack) => put_ack(PacketType::PubRel.first_byte(0b0010), ack, version, out),
            Self::PubComp(ack) => put_ack(PacketType::PubComp.first_byte(0), ack, version, out),
            Self::Subscribe(subscribe) => put_subscribe(subscribe, version, out),
            Self::SubAck(suback) => put_suback(suback, version, out),
            Self::Unsubscribe(unsubscribe) => put_unsubscribe(unsubscribe, version, out),
            Self::UnsubAck(unsuback) => put_unsuback(unsuback, version, out),
            Self::PingReq => packet(PacketType::PingReq.first_byte(0), out, |_| Ok(())),
            Self::PingResp => packet(PacketType::PingResp.first_byte(0), out, |_| Ok(())),
            Self::Disconnect(disconnect) => put_disconnect(disconnect, version, out),
            Self::Auth(auth) => put_auth(auth, version, out),
        }
    }
}

/// Where the parts of an encoded PUBLISH stand that differ from one subscriber to the next. Offsets in the buffer
/// that it was appended to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublishLayout {
    /// The first byte of the packet: type, DUP, QoS and RETAIN.
    pub start: usize,
    /// The two bytes of the Packet Identifier, where there is one (QoS 1 and 2).
    pub packet_id_at: Option<usize>,
}

impl Publish<'_> {
    /// Appends the whole packet to `out` and says where it can be patched, so that one encoding serves many
    /// subscribers: another `packet_id` is two bytes, DUP and RETAIN are bits of the first.
    ///
    /// With a QoS above 0 and no `packet_id` two zero bytes are written, which must be patched.
    ///
    /// # Errors
    /// [`EncodeFault::PacketTooLong`]; then `out` is as it was before.
    pub fn encode(&self, version: ProtocolVersion, out: &mut Vec<u8>) -> Result<PublishLayout, EncodeFault> {
        let topic = self.topic.map_or("", crate::TopicName::as_str).as_bytes();
        let has_packet_id = self.qos != QoS::AtMostOnce;
        let properties_len = match version {
            ProtocolVersion::V5 => properties_len(self.properties),
            _ => 0,
        };
        let remaining = 2 + topic.len() + 2 * usize::from(has_packet_id) + properties_len + self.payload.len();
        if remaining > REMAINING_LENGTH_MAX as usize {
            return Err(EncodeFault::PacketTooLong);
        }
        let start = out.len();
        out.reserve(1 + variable_byte_integer_len(remaining) + remaining);
        let flags = u8::from(self.dup) << 3 | self.qos.as_u8() << 1 | u8::from(self.retain);
        out.push(PacketType::Publish.first_byte(flags));
        put_variable_byte_integer(remaining as u32, out);
        // A TopicName has at most 65,535 bytes.
        out.extend_from_slice(&(topic.len() as u16).to_be_bytes());
        out.extend_from_slice(topic);
        let packet_id_at = has_packet_id.then_some(out.len());
        if has_packet_id {
            out.extend_from_slice(&self.packet_id.map_or(0, crate::PacketId::get).to_be_bytes());
        }
        put_properties(self.properties, version, out);
        out.extend_from_slice(self.payload);
        Ok(PublishLayout { start, packet_id_at })
    }
}

/// One packet whose length is known when its body is written: nearly all are short, and the few that are not have
/// their body moved by up to three bytes.
fn packet(
    first_byte: u8,
    out: &mut Vec<u8>,
    body: impl FnOnce(&mut Vec<u8>) -> Result<(), EncodeFault>,
) -> Result<(), EncodeFault> {
    out.extend_from_slice(&[first_byte, 0]);
    let body_at = out.len();
    body(out)?;
    let remaining = out.len() - body_at;
    if remaining > REMAINING_LENGTH_MAX as usize {
        return Err(EncodeFault::PacketTooLong);
    }
    let (length, length_len) = variable_byte_integer_bytes(remaining as u32);
    if length_len == 1 {
        out[body_at - 1] = length[0];
    } else {
        out.splice(body_at - 1..body_at, length.into_iter().take(length_len));
    }
    Ok(())
}

/// The bytes of `value`, at most [`REMAINING_LENGTH_MAX`], and how many of them count.
const fn variable_byte_integer_bytes(value: u32) -> ([u8; 4], usize) {
    let len = variable_byte_integer_len(value as usize);
    let mut bytes = [0; 4];
    let mut at = 0;
    while at < len {
        let more = if at + 1 < len { 0x80 } else { 0 };
        bytes[at] = (value >> (7 * at)) as u8 & 0x7F | more;
        at += 1;
    }
    (bytes, len)
}

/// A Variable Byte Integer of at most [`REMAINING_LENGTH_MAX`] [5.0 §1.5.5].
pub(crate) fn put_variable_byte_integer(value: u32, out: &mut Vec<u8>) {
    if value < 0x80 {
        return out.push(value as u8); // nearly always
    }
    let (bytes, len) = variable_byte_integer_bytes(value);
    out.extend_from_slice(bytes.get(..len).unwrap_or(&bytes));
}

/// Binary Data [5.0 §1.5.6].
pub(crate) fn put_binary(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), EncodeFault> {
    let len = u16::try_from(bytes.len()).map_err(|_| EncodeFault::FieldTooLong)?;
    out.extend_from_slice(&len.to_be_bytes());
    out.extend_from_slice(bytes);
    Ok(())
}

/// A UTF-8 Encoded String [3.1.1 §1.5.3, 5.0 §1.5.4].
pub(crate) fn put_string(text: &str, out: &mut Vec<u8>) -> Result<(), EncodeFault> {
    put_binary(text.as_bytes(), out)
}

/// Property Length and properties.
const fn properties_len(properties: Properties) -> usize {
    let len = properties.as_bytes().len();
    variable_byte_integer_len(len) + len
}

/// Property Length and properties, where the version has them. Properties too long for their length are too long
/// for the packet, so this need not fail.
fn put_properties(properties: Properties, version: ProtocolVersion, out: &mut Vec<u8>) {
    if version.is_v5() {
        put_variable_byte_integer(properties.as_bytes().len() as u32, out);
        out.extend_from_slice(properties.as_bytes());
    }
}

fn put_connect(connect: &Connect, out: &mut Vec<u8>) -> Result<(), EncodeFault> {
    let version = connect.version;
    packet(PacketType::Connect.first_byte(0), out, |out| {
        put_string(if version == ProtocolVersion::V31 { "MQIsdp" } else { "MQTT" }, out)?;
        out.push(version.level() | u8::from(connect.is_bridge && !version.is_v5()) << 7);
        out.push(connect_flags(connect));
        out.extend_from_slice(&connect.keep_alive_s.to_be_bytes());
        put_properties(connect.properties, version, out);
        put_string(connect.client_id, out)?;
        if let Some(will) = &connect.will {
            put_will(will, version, out)?;
        }
        if let Some(username) = connect.username {
            put_string(username, out)?;
        }
        connect.password.map_or(Ok(()), |password| put_binary(password, out))
    })
}

/// [3.1.1 §3.1.2.3, 5.0 §3.1.2.3]
fn connect_flags(connect: &Connect) -> u8 {
    let will = connect.will.map_or(0, |will| 1 << 2 | will.qos.as_u8() << 3 | u8::from(will.retain) << 5);
    u8::from(connect.clean_start) << 1
        | will
        | u8::from(connect.password.is_some()) << 6
        | u8::from(connect.username.is_some()) << 7
}

fn put_will(will: &Will, version: ProtocolVersion, out: &mut Vec<u8>) -> Result<(), EncodeFault> {
    put_properties(will.properties, version, out);
    put_string(will.topic.as_str(), out)?;
    put_binary(will.payload, out)
}

fn put_connack(connack: &ConnAck, version: ProtocolVersion, out: &mut Vec<u8>) -> Result<(), EncodeFault> {
    packet(PacketType::ConnAck.first_byte(0), out, |out| {
        // The first byte of 3.1 is not used.
        out.push(u8::from(connack.session_present && version != ProtocolVersion::V31));
        out.push(if version.is_v5() { connack.reason.as_u8() } else { connack.reason.v3_return_code() });
        put_properties(connack.properties, version, out);
        Ok(())
    })
}

fn put_ack(first_byte: u8, ack: &Ack, version: ProtocolVersion, out: &mut Vec<u8>) -> Result<(), EncodeFault> {
    packet(first_byte, out, |out| {
        out.extend_from_slice(&ack.packet_id.get().to_be_bytes());
        if version.is_v5() {
            put_reason_and_properties(ack.reason, ack.properties, out);
        }
        Ok(())
    })
}

/// As short as it may be: both are left out, or the properties are [5.0 §3.4.2.1, §3.4.2.2.1, §3.14.2.1].
fn put_reason_and_properties(reason: ReasonCode, properties: Properties, out: &mut Vec<u8>) {
    if reason != ReasonCode::Success || !properties.is_empty() {
        out.push(reason.as_u8());
    }
    if !properties.is_empty() {
        put_properties(properties, ProtocolVersion::V5, out);
    }
}

fn put_subscribe(subscribe: &Subscribe, version: ProtocolVersion, out: &mut Vec<u8>) -> Result<(), EncodeFault> {
    packet(PacketType::Subscribe.first_byte(0b0010), out, |out| {
        out.extend_from_slice(&subscribe.packet_id.get().to_be_bytes());
        put_properties(subscribe.properties, version, out);
        if version.is_v5() {
            out.extend_from_slice(subscribe.filters.bytes);
            return Ok(());
        }
        for (filter, options) in subscribe.filters {
            put_string(filter.as_str(), out)?;
            out.push(options.qos.as_u8());
        }
        Ok(())
    })
}

fn put_suback(suback: &SubAck, version: ProtocolVersion, out: &mut Vec<u8>) -> Result<(), EncodeFault> {
    packet(PacketType::SubAck.first_byte(0), out, |out| {
        out.extend_from_slice(&suback.packet_id.get().to_be_bytes());
        put_properties(suback.properties, version, out);
        // Before 5.0 there is one failure, 0x80 [3.1.1 §3.9.3].
        let most = if version.is_v5() { u8::MAX } else { 0x80 };
        out.extend(suback.reasons.bytes.iter().map(|&code| code.min(most)));
        Ok(())
    })
}

fn put_unsubscribe(unsubscribe: &Unsubscribe, version: ProtocolVersion, out: &mut Vec<u8>) -> Result<(), EncodeFault> {
    packet(PacketType::Unsubscribe.first_byte(0b0010), out, |out| {
        out.extend_from_slice(&unsubscribe.packet_id.get().to_be_bytes());
        put_properties(unsubscribe.properties, version, out);
        out.extend_from_slice(unsubscribe.filters.bytes);
        Ok(())
    })
}

fn put_unsuback(unsuback: &UnsubAck, version: ProtocolVersion, out: &mut Vec<u8>) -> Result<(), EncodeFault> {
    packet(PacketType::UnsubAck.first_byte(0), out, |out| {
        out.extend_from_slice(&unsuback.packet_id.get().to_be_bytes());
        put_properties(unsuback.properties, version, out);
        if version.is_v5() {
            out.extend_from_slice(unsuback.reasons.bytes);
        }
        Ok(())
    })
}

fn put_disconnect(disconnect: &Disconnect, version: ProtocolVersion, out: &mut Vec<u8>) -> Result<(), EncodeFault> {
    packet(PacketType::Disconnect.first_byte(0), out, |out| {
        if version.is_v5() {
            put_reason_and_properties(disconnect.reason, disconnect.properties, out);
        }
        Ok(())
    })
}

fn put_auth(auth: &Auth, version: ProtocolVersion, out: &mut Vec<u8>) -> Result<(), EncodeFault> {
    if !version.is_v5() {
        return Err(EncodeFault::AuthBeforeVersion5);
    }
    packet(PacketType::Auth.first_byte(0), out, |out| {
        // Both, or neither [5.0 §3.15.2.1].
        if auth.reason != ReasonCode::Success || !auth.properties.is_empty() {
            out.push(auth.reason.as_u8());
            put_properties(auth.properties, ProtocolVersion::V5, out);
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::tests::decoded;
    use crate::{PacketId, PropertiesBuf, Property, TopicName};
    use ProtocolVersion::{V5, V31, V311};

    fn encoded(packet: &Packet, version: ProtocolVersion) -> Vec<u8> {
        let mut out = Vec::new();
        packet.encode(version, &mut out).unwrap();
        out
    }

    const ID: PacketId = PacketId(std::num::NonZeroU16::MIN);

    #[test]
    fn what_may_be_left_out_is_left_out() {
        let ack = |reason| Packet::PubAck(Ack { packet_id: ID, reason, properties: Properties::EMPTY });
        let bye = |reason| Packet::Disconnect(Disconnect { reason, properties: Properties::EMPTY });
        let auth = Packet::Auth(Auth { reason: ReasonCode::Success, properties: Properties::EMPTY });
        let refusal = Packet::ConnAck(ConnAck {
            session_present: false,
            reason: ReasonCode::NotAuthorized,
            properties: Properties::EMPTY,
        });
        let resumed = Packet::ConnAck(ConnAck {
            session_present: true,
            reason: ReasonCode::Success,
            properties: Properties::EMPTY,
        });
        let rows: &[(&str, ProtocolVersion, Packet, &[u8])] = &[
            ("5.0 §3.4.2.1", V5, ack(ReasonCode::Success), b"\x40\x02\0\x01"),
            ("5.0 §3.4.2.2.1", V5, ack(ReasonCode::QuotaExceeded), b"\x40\x03\0\x01\x97"),
            ("3.1.1 §3.4.2", V311, ack(ReasonCode::QuotaExceeded), b"\x40\x02\0\x01"),
            ("5.0 §3.14.2.1", V5, bye(ReasonCode::Success), b"\xE0\0"),
            ("5.0 §3.14.2.2.1", V5, bye(ReasonCode::ServerShuttingDown), b"\xE0\x01\x8B"),
            ("3.1.1 §3.14", V311, bye(ReasonCode::Success), b"\xE0\0"),
            ("5.0 §3.15.2.1", V5, auth, b"\xF0\0"),
            ("5.0 MQTT-2.2.2-1", V5, refusal, b"\x20\x03\0\x87\0"),
            ("3.1.1 §3.2.2.3", V311, refusal, b"\x20\x02\0\x05"),
            ("3.1.1 §3.2.2.2", V311, resumed, b"\x20\x02\x01\0"),
            ("3.1 §3.2, the first byte is not used", V31, resumed, b"\x20\x02\0\0"),
            ("both §3.12", V31, Packet::PingReq, b"\xC0\0"),
            ("both §3.13", V5, Packet::PingResp, b"\xD0\0"),
        ];
        for (source, version, packet, wanted) in rows {
            assert_eq!(encoded(packet, *version), *wanted, "{source}, {version:?}: {packet:?}");
        }
    }

    #[test]
    fn a_publish_can_be_patched_where_its_layout_says() {
        let publish = Publish {
            dup: false,
            qos: QoS::AtLeastOnce,
            retain: false,
            topic: Some(TopicName::new("a/b").unwrap()),
            packet_id: None,
            properties: Properties::EMPTY,
            payload: &[b'x'; 200],
        };
        for version in [V31, V311, V5] {
            let mut out = b"before".to_vec();
            let layout = publish.encode(version, &mut out).unwrap();
            assert_eq!(layout.start, 6);
            out[layout.start] |= 0b1000;
            let at = layout.packet_id_at.unwrap();
            out[at..at + 2].copy_from_slice(&[0x12, 0x34]);
            let wanted = Publish { dup: true, packet_id: PacketId::new(0x1234), ..publish };
            assert_eq!(decoded(version, &out[6..]), Ok(Packet::Publish(wanted)), "{version:?}");
        }
        let layout = Publish { qos: QoS::AtMostOnce, ..publish }.encode(V5, &mut Vec::new()).unwrap();
        assert_eq!(layout, PublishLayout { start: 0, packet_id_at: None });
    }

    #[test]
    fn failures_before_5_0_are_one_code() {
        // [3.1.1 MQTT-3.9.3-2], and no properties are a length of zero [5.0 MQTT-2.2.2-1].
        let codes: crate::ReasonCodesBuf = [ReasonCode::GrantedQoS1, ReasonCode::NotAuthorized].into_iter().collect();
        let suback = Packet::SubAck(SubAck { packet_id: ID, properties: Properties::EMPTY, reasons: codes.as_codes() });
        assert_eq!(encoded(&suback, V311), b"\x90\x04\0\x01\x01\x80");
        assert_eq!(encoded(&suback, V5), b"\x90\x05\0\x01\0\x01\x87");
    }

    #[test]
    fn what_cannot_be_said_leaves_the_buffer_as_it_was() {
        let long = "x".repeat(65_536);
        let mut out = b"before".to_vec();
        let connect = Connect {
            version: V311,
            is_bridge: false,
            clean_start: true,
            keep_alive_s: 0,
            client_id: &long,
            will: None,
            username: None,
            password: None,
            properties: Properties::EMPTY,
        };
        assert_eq!(Packet::Connect(connect).encode(V311, &mut out), Err(EncodeFault::FieldTooLong));
        let payload = vec![0; REMAINING_LENGTH_MAX as usize];
        let publish = Publish {
            dup: false,
            qos: QoS::AtMostOnce,
            retain: false,
            topic: Some(TopicName::new("a").unwrap()),
            packet_id: None,
            properties: Properties::EMPTY,
            payload: &payload,
        };
        assert_eq!(publish.encode(V311, &mut out), Err(EncodeFault::PacketTooLong));
        let auth = Packet::Auth(Auth { reason: ReasonCode::ReAuthenticate, properties: Properties::EMPTY });
        assert_eq!(auth.encode(V311, &mut out), Err(EncodeFault::AuthBeforeVersion5));
        let mut properties = PropertiesBuf::new();
        assert_eq!(properties.try_push(Property::ReasonString(&long)), Err(EncodeFault::FieldTooLong));
        assert!(properties.is_empty());
        assert_eq!(out, b"before");
    }

    #[test]
    fn lengths_are_written_with_as_few_bytes_as_they_need() {
        // [5.0 §1.5.5, table 1-1, MQTT-1.5.5-1]
        let rows: &[(u32, &[u8])] = &[
            (0, &[0]),
            (127, &[0x7F]),
            (128, &[0x80, 0x01]),
            (16_383, &[0xFF, 0x7F]),
            (16_384, &[0x80, 0x80, 0x01]),
            (2_097_152, &[0x80, 0x80, 0x80, 0x01]),
            (REMAINING_LENGTH_MAX, &[0xFF, 0xFF, 0xFF, 0x7F]),
        ];
        for (value, wanted) in rows {
            let mut out = Vec::new();
            put_variable_byte_integer(*value, &mut out);
            assert_eq!(out, *wanted, "{value}");
        }
    }
}
