//! Reads packets. Strict: what a standard forbids is a [`DecodeFault`], and nothing is allocated.
//!
//! A packet is judged by itself: that a client may not send CONNACK, or twice CONNECT, or a Subscription Identifier
//! in PUBLISH [5.0 MQTT-3.3.4-6], is for whoever knows which end it is and what came before.
//!
//! CONNECT is in [`connect`], SUBSCRIBE and UNSUBSCRIBE with their answers in [`subscribe`], the rest is here.

mod connect;
mod subscribe;

use crate::property::Place;
use crate::reader::Reader;
use crate::{
    Ack, Auth, DecodeFault, Disconnect, Frame, Packet, PacketType, Properties, ProtocolVersion, Publish, QoS,
    ReasonCode, TopicName,
};

impl<'a> Packet<'a> {
    /// Reads a whole packet that was sent in `version`. CONNECT says its version itself.
    pub fn decode(version: ProtocolVersion, frame: Frame<'a>) -> Result<Self, DecodeFault> {
        let packet_type = frame.packet_type().ok_or(DecodeFault::ReservedPacketType)?;
        if !matches!(packet_type, PacketType::Connect | PacketType::Publish) {
            check_fixed_header(version, packet_type, frame)?;
        }
        let reader = Reader::new(frame.body);
        let ack = |reader| ack(version, packet_type, reader);
        Ok(match packet_type {
            PacketType::Publish => Self::Publish(Publish::decode(version, frame)?),
            PacketType::Connect => Self::Connect(connect::decode(frame)?),
            PacketType::ConnAck => Self::ConnAck(connect::answer(version, reader)?),
            PacketType::PubAck => Self::PubAck(ack(reader)?),
            PacketType::PubRec => Self::PubRec(ack(reader)?),
            PacketType::PubRel => Self::PubRel(ack(reader)?),
            PacketType::PubComp => Self::PubComp(ack(reader)?),
            PacketType::Subscribe => Self::Subscribe(subscribe::subscribe(version, reader)?),
            PacketType::SubAck => Self::SubAck(subscribe::suback(version, reader)?),
            PacketType::Unsubscribe => Self::Unsubscribe(subscribe::unsubscribe(version, reader)?),
            PacketType::UnsubAck => Self::UnsubAck(subscribe::unsuback(version, reader)?),
            PacketType::PingReq => reader.end().map(|()| Self::PingReq)?,
            PacketType::PingResp => reader.end().map(|()| Self::PingResp)?,
            PacketType::Disconnect => Self::Disconnect(disconnect(version, reader)?),
            PacketType::Auth => Self::Auth(auth(version, reader)?),
        })
    }
}

/// Flags and length of everything but PUBLISH.
///
/// 3.1 has no reserved flags: outside of PUBLISH its DUP, QoS and RETAIN are "not used", and a repeated PUBREL,
/// SUBSCRIBE or UNSUBSCRIBE has DUP set [3.1 §2.1, §3.6, §3.8, §3.10].
fn check_fixed_header(version: ProtocolVersion, packet_type: PacketType, frame: Frame) -> Result<(), DecodeFault> {
    let wanted = match packet_type {
        PacketType::PubRel | PacketType::Subscribe | PacketType::Unsubscribe => 0b0010,
        _ => 0,
    };
    if frame.flags() != wanted && version != ProtocolVersion::V31 {
        return Err(DecodeFault::ReservedFlags);
    }
    check_length(version, frame)
}

/// [5.0 MQTT-1.5.5-1]; the earlier versions let a length have more bytes than it needs.
#[inline]
const fn check_length(version: ProtocolVersion, frame: Frame) -> Result<(), DecodeFault> {
    if version.is_v5() && !frame.length_is_minimal() { Err(DecodeFault::IntegerNotMinimal) } else { Ok(()) }
}

impl<'a> Publish<'a> {
    /// Reads a PUBLISH, the packet of which there are most; [`Packet::decode`] without the choice.
    ///
    /// # Errors
    /// As [`Packet::decode`]; of a frame of another type, [`DecodeFault::ReservedPacketType`].
    #[inline]
    pub fn decode(version: ProtocolVersion, frame: Frame<'a>) -> Result<Self, DecodeFault> {
        if frame.packet_type() != Some(PacketType::Publish) {
            return Err(DecodeFault::ReservedPacketType);
        }
        check_length(version, frame)?;
        let flags = frame.flags();
        let qos = QoS::from_u8(flags >> 1 & 0b11).ok_or(DecodeFault::InvalidQoS)?;
        // 3.1 gives DUP a meaning above QoS 0 alone, and does not forbid it there [3.1 §2.1].
        let dup = flags & 0b1000 != 0 && (qos != QoS::AtMostOnce || version != ProtocolVersion::V31);
        if dup && qos == QoS::AtMostOnce {
            return Err(DecodeFault::DupWithQoS0);
        }
        let mut reader = Reader::new(frame.body);
        let topic = match reader.utf8()? {
            "" if version.is_v5() => None,
            name => Some(TopicName::new(name)?),
        };
        let packet_id = if qos == QoS::AtMostOnce { None } else { Some(reader.packet_id()?) };
        let properties = properties(version, &mut reader, Place::Publish)?;
        if topic.is_none() && properties.topic_alias().is_none() {
            return Err(DecodeFault::MissingTopic);
        }
        let payload = reader.rest();
        Ok(Self { dup, qos, retain: flags & 1 != 0, topic, packet_id, properties, payload })
    }
}

/// The properties, where the version has them.
#[inline]
fn properties<'a>(
    version: ProtocolVersion,
    reader: &mut Reader<'a>,
    place: Place,
) -> Result<Properties<'a>, DecodeFault> {
    if version.is_v5() { Properties::read(reader, place) } else { Ok(Properties::EMPTY) }
}

/// A Reason Code, which must be one of those listed for the packet.
fn reason(byte: u8, packet_type: PacketType) -> Result<ReasonCode, DecodeFault> {
    ReasonCode::from_u8(byte).filter(|code| code.is_listed_for(packet_type)).ok_or(DecodeFault::InvalidReasonCode(byte))
}

/// Reason Code and properties at the end of a packet, each of which may be left out.
fn reason_and_properties(
    packet_type: PacketType,
    mut reader: Reader<'_>,
    place: Place,
) -> Result<(ReasonCode, Properties<'_>), DecodeFault> {
    if reader.is_empty() {
        return Ok((ReasonCode::Success, Properties::EMPTY));
    }
    let reason = reason(reader.u8()?, packet_type)?;
    // No Property Length means none [5.0 §3.4.2.2.1, §3.14.2.2.1]; AUTH has no such rule [5.0 §3.15.2.2.1].
    if reader.is_empty() && packet_type != PacketType::Auth {
        return Ok((reason, Properties::EMPTY));
    }
    let properties = Properties::read(&mut reader, place)?;
    reader.end()?;
    Ok((reason, properties))
}

/// PUBACK, PUBREC, PUBREL, PUBCOMP [3.1.1 §3.4 to §3.7, 5.0 §3.4 to §3.7].
fn ack(version: ProtocolVersion, packet_type: PacketType, mut reader: Reader<'_>) -> Result<Ack<'_>, DecodeFault> {
    let packet_id = reader.packet_id()?;
    if !version.is_v5() {
        reader.end()?;
        return Ok(Ack { packet_id, reason: ReasonCode::Success, properties: Properties::EMPTY });
    }
    let (reason, properties) = reason_and_properties(packet_type, reader, Place::Ack)?;
    Ok(Ack { packet_id, reason, properties })
}

/// DISCONNECT [3.1.1 §3.14, 5.0 §3.14].
fn disconnect(version: ProtocolVersion, reader: Reader<'_>) -> Result<Disconnect<'_>, DecodeFault> {
    if !version.is_v5() {
        reader.end()?;
        return Ok(Disconnect { reason: ReasonCode::Success, properties: Properties::EMPTY });
    }
    let (reason, properties) = reason_and_properties(PacketType::Disconnect, reader, Place::Disconnect)?;
    Ok(Disconnect { reason, properties })
}

/// AUTH [5.0 §3.15].
fn auth(version: ProtocolVersion, reader: Reader<'_>) -> Result<Auth<'_>, DecodeFault> {
    if !version.is_v5() {
        return Err(DecodeFault::AuthBeforeVersion5);
    }
    let (reason, properties) = reason_and_properties(PacketType::Auth, reader, Place::Auth)?;
    // §3.15.2.2.2 wants the method always; §3.15.2.1 lets a Success without properties be nothing at all.
    let left_out = reason == ReasonCode::Success && properties.is_empty();
    if !left_out && properties.authentication_method().is_none() {
        return Err(DecodeFault::NoAuthenticationMethod);
    }
    Ok(Auth { reason, properties })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::{PacketId, next_frame};
    use ProtocolVersion::{V5, V31, V311};

    /// Reads one whole packet.
    pub(crate) fn decoded(version: ProtocolVersion, bytes: &[u8]) -> Result<Packet<'_>, DecodeFault> {
        let frame = next_frame(bytes, 0)?.expect("a whole packet");
        assert_eq!(frame.len, bytes.len(), "one packet: {bytes:02x?}");
        Packet::decode(version, frame)
    }

    /// A row: source, version, packet, the fault wanted.
    pub(crate) type Refused = (&'static str, ProtocolVersion, &'static [u8], DecodeFault);

    pub(crate) fn check_refused(rows: &[Refused]) {
        for (source, version, bytes, fault) in rows {
            assert_eq!(decoded(*version, bytes), Err(*fault), "{source}, {version:?}: {bytes:02x?}");
        }
    }

    /// A row: source, version, packet.
    pub(crate) type Taken = (&'static str, ProtocolVersion, &'static [u8]);

    pub(crate) fn check_taken(rows: &[Taken]) {
        for (source, version, bytes) in rows {
            assert!(decoded(*version, bytes).is_ok(), "{source}, {version:?}: {bytes:02x?}");
        }
    }

    #[test]
    fn a_publish_is_read_field_by_field() {
        // [3.1.1 §3.3.2 figure 3.11]
        let bytes = b"\x3B\x08\0\x03a/b\0\x0Ax";
        let publish = Publish {
            dup: true,
            qos: QoS::AtLeastOnce,
            retain: true,
            topic: Some(TopicName::new("a/b").unwrap()),
            packet_id: PacketId::new(10),
            properties: Properties::EMPTY,
            payload: b"x",
        };
        assert_eq!(decoded(V311, bytes), Ok(Packet::Publish(publish)));
        // [5.0 §3.3.2 figure 3-8, with a Topic Alias]
        let bytes = b"\x34\x0C\0\x01a\0\x0A\x03\x23\0\x05xyz";
        let Ok(Packet::Publish(publish)) = decoded(V5, bytes) else { panic!("not a PUBLISH") };
        assert_eq!((publish.qos, publish.packet_id), (QoS::ExactlyOnce, PacketId::new(10)));
        assert_eq!((publish.properties.topic_alias(), publish.payload), (Some(5), &b"xyz"[..]));
    }

    #[test]
    fn a_publish_at_qos_0_has_no_packet_identifier() {
        // [3.1.1 MQTT-2.3.1-5, 5.0 MQTT-2.2.1-2]: what would be one is payload.
        for (version, bytes) in [(V311, &b"\x30\x05\0\x01a\0\x0A"[..]), (V5, b"\x30\x06\0\x01a\0\0\x0A")] {
            let Ok(Packet::Publish(publish)) = decoded(version, bytes) else { panic!("not a PUBLISH") };
            assert_eq!((publish.packet_id, publish.payload), (None, &b"\0\x0A"[..]), "{version:?}");
        }
    }

    #[test]
    fn a_publish_by_alias_alone_has_no_topic() {
        // [5.0 §3.3.2.1]
        let Ok(Packet::Publish(publish)) = decoded(V5, b"\x30\x06\0\0\x03\x23\0\x01") else { panic!("not a PUBLISH") };
        assert_eq!((publish.topic, publish.properties.topic_alias()), (None, Some(1)));
    }

    #[test]
    fn a_publish_is_refused_where_the_standards_say() {
        check_refused(&[
            ("3.1.1 MQTT-3.3.1-4", V311, b"\x36\x06\0\x01a\0\x01x", DecodeFault::InvalidQoS),
            ("5.0 MQTT-3.3.1-4", V5, b"\x36\x07\0\x01a\0\x01\0x", DecodeFault::InvalidQoS),
            ("3.1.1 MQTT-3.3.1-2", V311, b"\x38\x03\0\x01a", DecodeFault::DupWithQoS0),
            ("5.0 MQTT-3.3.1-2", V5, b"\x38\x04\0\x01a\0", DecodeFault::DupWithQoS0),
            ("3.1.1 MQTT-2.3.1-1", V311, b"\x32\x05\0\x01a\0\0", DecodeFault::ZeroPacketId),
            ("5.0 MQTT-2.2.1-3", V5, b"\x34\x06\0\x01a\0\0\0", DecodeFault::ZeroPacketId),
            ("3.1.1 MQTT-3.3.2-2", V311, b"\x30\x03\0\x01+", DecodeFault::InvalidTopicName),
            ("5.0 MQTT-3.3.2-2", V5, b"\x30\x04\0\x01#\0", DecodeFault::InvalidTopicName),
            ("3.1.1 MQTT-4.7.3-1", V311, b"\x30\x02\0\0", DecodeFault::InvalidTopicName),
            ("3.1.1 MQTT-1.5.3-1", V311, b"\x30\x03\0\x01\xFF", DecodeFault::InvalidUtf8),
            ("3.1.1 MQTT-1.5.3-1, a surrogate", V311, b"\x30\x05\0\x03\xED\xA0\x80", DecodeFault::InvalidUtf8),
            ("3.1.1 MQTT-3.3.2-1", V311, b"\x30\x02\x01a", DecodeFault::Truncated),
            ("3.1.1 MQTT-3.3.2-1", V311, b"\x30\x04\0\x02a\xFF", DecodeFault::InvalidUtf8),
            ("5.0 MQTT-3.3.2-1", V5, b"\x30\x03\x01a\0", DecodeFault::Truncated),
            ("5.0 MQTT-3.3.2-1", V5, b"\x30\x05\0\x02a\xFF\0", DecodeFault::InvalidUtf8),
            ("3.1.1 MQTT-1.5.3-2", V311, b"\x30\x03\0\x01\0", DecodeFault::NullCharacter),
            ("5.0 §3.3.2.1", V5, b"\x30\x03\0\0\0", DecodeFault::MissingTopic),
            ("5.0 MQTT-3.3.2-8", V5, b"\x30\x07\0\x01a\x03\x23\0\0", DecodeFault::ZeroTopicAlias),
            ("5.0 MQTT-2.2.2-1", V5, b"\x30\x03\0\x01a", DecodeFault::Truncated),
            ("5.0 §2.2.2.1", V5, b"\x30\x06\0\x01a\x03\x23\0", DecodeFault::Truncated),
            ("3.1.1 §3.3.2", V311, b"\x30\x01\0", DecodeFault::Truncated),
            ("3.1.1 §3.3.2", V311, b"\x30\x03\0\x02a", DecodeFault::Truncated),
            ("3.1.1 §3.3.2.2", V311, b"\x32\x04\0\x01a\0", DecodeFault::Truncated),
            ("5.0 MQTT-1.5.5-1", V5, b"\x30\x84\0\0\x01a\0", DecodeFault::IntegerNotMinimal),
        ]);
    }

    #[test]
    fn what_a_standard_does_not_forbid_is_taken() {
        check_taken(&[
            ("3.1.1 §2.2.3 says nothing of minimal", V311, b"\x30\x83\0\0\x01a"),
            ("3.1 §2.1, DUP has no meaning at QoS 0", V31, b"\x38\x03\0\x01a"),
            ("3.1 §2.1, a repeated PUBREL", V31, b"\x6A\x02\0\x01"),
            ("3.1 §3.12, flags are not used", V31, b"\xC1\0"),
            ("5.0 §3.4.2.1", V5, b"\x40\x02\0\x01"),
            ("5.0 §3.4.2.2.1", V5, b"\x40\x03\0\x01\x10"),
            ("5.0 §3.4.2.2.1", V5, b"\x40\x04\0\x01\0\0"),
            ("5.0 §3.14.2.1", V5, b"\xE0\0"),
            ("5.0 §3.14.2.2.1", V5, b"\xE0\x01\x04"),
            ("5.0 §3.15.2.1", V5, b"\xF0\0"),
            ("5.0 §3.15.2.2.2", V5, b"\xF0\x06\x18\x04\x15\0\x01m"),
        ]);
    }

    #[test]
    fn reserved_flags_are_refused_on_every_type() {
        // [3.1.1 table 2.2, MQTT-2.2.2-1, MQTT-2.2.2-2; 5.0 table 2-2, MQTT-2.1.3-1], and again for some of the types:
        // [3.1.1 MQTT-3.6.1-1, MQTT-3.8.1-1, MQTT-3.10.1-1, MQTT-3.14.1-1]
        // [5.0 MQTT-3.6.1-1, MQTT-3.8.1-1, MQTT-3.10.1-1, MQTT-3.14.1-1, MQTT-3.15.1-1]
        for (version, level) in [(V311, 4), (V5, 5)] {
            for packet_type in (1..=15).filter(|&packet_type| packet_type != 3) {
                let right = if matches!(packet_type, 6 | 8 | 10) { 2 } else { 0 };
                for flags in (0..16).filter(|&flags| flags != right) {
                    let body = [0, 4, b'M', b'Q', b'T', b'T', level, 0, 0, 0, 0, 0, 0];
                    let body = if packet_type == 1 { &body[..] } else { &body[..0] };
                    let frame = Frame { first_byte: packet_type << 4 | flags, body, len: body.len() + 2 };
                    let read = Packet::decode(version, frame);
                    assert_eq!(read, Err(DecodeFault::ReservedFlags), "{version:?} {packet_type} {flags}");
                }
            }
        }
        assert_eq!(DecodeFault::ReservedFlags.reason_code(), ReasonCode::MalformedPacket);
    }

    #[test]
    fn short_packets_are_refused_where_the_standards_say() {
        check_refused(&[
            ("3.1.1 MQTT-2.3.1-1", V311, b"\x40\x02\0\0", DecodeFault::ZeroPacketId),
            ("3.1.1 §3.4.2", V311, b"\x40\x03\0\x01\0", DecodeFault::TrailingBytes),
            ("3.1.1 §3.4.2", V311, b"\x40\x01\0", DecodeFault::Truncated),
            ("5.0 MQTT-3.4.2-1", V5, b"\x40\x03\0\x01\x01", DecodeFault::InvalidReasonCode(1)),
            ("5.0 MQTT-3.5.2-1", V5, b"\x50\x03\0\x01\x92", DecodeFault::InvalidReasonCode(0x92)),
            ("5.0 MQTT-3.6.2-1", V5, b"\x62\x03\0\x01\x10", DecodeFault::InvalidReasonCode(0x10)),
            ("5.0 MQTT-3.7.2-1", V5, b"\x70\x03\0\x01\x10", DecodeFault::InvalidReasonCode(0x10)),
            ("5.0 §3.4.2.2.1", V5, b"\x40\x05\0\x01\0\0\0", DecodeFault::TrailingBytes),
            ("5.0 §2.2.2.2", V5, b"\x40\x07\0\x01\0\x03\x23\0\x01", DecodeFault::PropertyNotAllowed(0x23)),
            ("3.1.1 §3.12", V311, b"\xC0\x01\0", DecodeFault::TrailingBytes),
            ("5.0 §3.13", V5, b"\xD0\x01\0", DecodeFault::TrailingBytes),
            ("3.1.1 §3.14", V311, b"\xE0\x01\0", DecodeFault::TrailingBytes),
            ("5.0 MQTT-3.14.2-1", V5, b"\xE0\x01\x85", DecodeFault::InvalidReasonCode(0x85)),
            ("3.1.1 §2.2.1", V311, b"\xF0\0", DecodeFault::AuthBeforeVersion5),
            ("5.0 §3.15.2.1", V5, b"\xF0\x01\x18", DecodeFault::Truncated),
            ("5.0 §3.15.2.2.2", V5, b"\xF0\x02\x18\0", DecodeFault::NoAuthenticationMethod),
            ("5.0 §3.15.2.1", V5, b"\xF0\x06\x80\x04\x15\0\x01m", DecodeFault::InvalidReasonCode(0x80)),
            ("5.0 MQTT-1.5.5-1", V5, b"\xC0\x80\0", DecodeFault::IntegerNotMinimal),
        ]);
    }

    #[test]
    fn a_packet_cut_off_anywhere_is_refused_or_shorter() {
        let whole: &[(ProtocolVersion, &[u8])] = &[
            (V311, b"\x82\x06\0\x01\0\x01a\x01"),
            (V5, b"\x82\x09\0\x01\x02\x0B\x07\0\x01a\x01"),
            (V5, b"\x20\x06\0\0\x03\x21\0\x05"),
        ];
        for &(version, bytes) in whole {
            assert!(decoded(version, bytes).is_ok(), "{bytes:02x?}");
            for end in 2..bytes.len() {
                let frame = Frame { first_byte: bytes[0], body: &bytes[2..end], len: end };
                assert!(Packet::decode(version, frame).is_err(), "{:02x?}", &bytes[..end]);
            }
        }
    }
}
