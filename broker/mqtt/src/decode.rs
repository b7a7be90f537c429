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
