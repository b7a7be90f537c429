//! Reads SUBSCRIBE, UNSUBSCRIBE and their answers.

use super::{properties, reason};
use crate::property::Place;
use crate::reader::Reader;
use crate::{
    DecodeFault, Filters, FiltersWithOptions, PacketType, ProtocolVersion, ReasonCodes, SubAck, Subscribe,
    SubscriptionOptions, TopicFilter, UnsubAck, Unsubscribe,
};

/// SUBSCRIBE [3.1.1 §3.8, 5.0 §3.8].
pub(super) fn subscribe(version: ProtocolVersion, mut reader: Reader<'_>) -> Result<Subscribe<'_>, DecodeFault> {
    let packet_id = reader.packet_id()?;
    let properties = properties(version, &mut reader, Place::Subscribe)?;
    let bytes = reader.rest();
    if bytes.is_empty() {
        return Err(DecodeFault::NoTopicFilter);
    }
    let mut reader = Reader::new(bytes);
    while !reader.is_empty() {
        let filter = TopicFilter::new(reader.utf8()?)?;
        let options = options(version, reader.u8()?)?;
        if options.no_local && filter.shared().is_some() {
            return Err(DecodeFault::NoLocalOnSharedSubscription);
        }
    }
    Ok(Subscribe { packet_id, properties, filters: FiltersWithOptions { bytes } })
}

/// Before 5.0 the upper six bits are reserved [3.1.1 MQTT-3-8.3-4].
const fn options(version: ProtocolVersion, byte: u8) -> Result<SubscriptionOptions, DecodeFault> {
    if !version.is_v5() && byte & 0b1111_1100 != 0 {
        return Err(DecodeFault::ReservedSubscriptionOptions);
    }
    SubscriptionOptions::from_u8(byte)
}

/// UNSUBSCRIBE [3.1.1 §3.10, 5.0 §3.10].
pub(super) fn unsubscribe(version: ProtocolVersion, mut reader: Reader<'_>) -> Result<Unsubscribe<'_>, DecodeFault> {
    let packet_id = reader.packet_id()?;
    let properties = properties(version, &mut reader, Place::Unsubscribe)?;
    let bytes = reader.rest();
    if bytes.is_empty() {
        return Err(DecodeFault::NoTopicFilter);
    }
    let mut reader = Reader::new(bytes);
    while !reader.is_empty() {
        TopicFilter::new(reader.utf8()?)?;
    }
    Ok(Unsubscribe { packet_id, properties, filters: Filters { bytes } })
}

/// SUBACK [3.1.1 §3.9, 5.0 §3.9]. 3.1 knows no 0x80, but brokers send it.
pub(super) fn suback(version: ProtocolVersion, mut reader: Reader<'_>) -> Result<SubAck<'_>, DecodeFault> {
    let packet_id = reader.packet_id()?;
    let properties = properties(version, &mut reader, Place::SubAck)?;
    let bytes = reader.rest();
    for &byte in bytes {
        // [3.1.1 MQTT-3.9.3-2]
        if !version.is_v5() && !matches!(byte, 0..=2 | 0x80) {
            return Err(DecodeFault::InvalidReasonCode(byte));
        }
        reason(byte, PacketType::SubAck)?;
    }
    if bytes.is_empty() {
        return Err(DecodeFault::NoReasonCode);
    }
    Ok(SubAck { packet_id, properties, reasons: ReasonCodes { bytes } })
}

/// UNSUBACK [3.1.1 §3.11, 5.0 §3.11]. It has no payload before 5.0.
pub(super) fn unsuback(version: ProtocolVersion, mut reader: Reader<'_>) -> Result<UnsubAck<'_>, DecodeFault> {
    let packet_id = reader.packet_id()?;
    let properties = properties(version, &mut reader, Place::UnsubAck)?;
    if !version.is_v5() {
        reader.end()?;
        return Ok(UnsubAck { packet_id, properties, reasons: ReasonCodes::EMPTY });
    }
    let bytes = reader.rest();
    for &byte in bytes {
        reason(byte, PacketType::UnsubAck)?;
    }
    if bytes.is_empty() {
        return Err(DecodeFault::NoReasonCode);
    }
    Ok(UnsubAck { packet_id, properties, reasons: ReasonCodes { bytes } })
}
