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

#[cfg(test)]
mod tests {
    use super::super::tests::{check_refused, check_taken, decoded};
    use super::*;
    use crate::{Packet, QoS, RetainHandling};
    use ProtocolVersion::{V5, V31, V311};

    #[test]
    fn a_subscribe_gives_its_filters_in_order() {
        // [3.1.1 §3.8.3, figure 3.23]
        let bytes = b"\x82\x0E\0\x0A\0\x03a/b\x01\0\x03c/d\x02";
        let Ok(Packet::Subscribe(subscribe)) = decoded(V311, bytes) else { panic!("not a SUBSCRIBE") };
        let filters: Vec<_> =
            subscribe.filters.iter().map(|(filter, options)| (filter.as_str(), options.qos)).collect();
        assert_eq!(subscribe.packet_id.get(), 10);
        assert_eq!(filters, [("a/b", QoS::AtLeastOnce), ("c/d", QoS::ExactlyOnce)]);
        // [5.0 §3.8.3.1]
        let Ok(Packet::Subscribe(subscribe)) = decoded(V5, b"\x82\x09\0\x0A\x02\x0B\x07\0\x01#\x2D") else {
            panic!("not a SUBSCRIBE")
        };
        let options = SubscriptionOptions {
            qos: QoS::AtLeastOnce,
            no_local: true,
            retain_as_published: true,
            retain_handling: RetainHandling::DoNotSend,
        };
        assert_eq!(subscribe.properties.subscription_identifier(), Some(7));
        assert_eq!(subscribe.filters.iter().next(), Some((TopicFilter::new("#").unwrap(), options)));
    }

    #[test]
    fn subscriptions_are_refused_where_the_standards_say() {
        use DecodeFault as F;
        check_refused(&[
            ("3.1.1 MQTT-3.8.3-3", V311, b"\x82\x02\0\x01", F::NoTopicFilter),
            ("5.0 MQTT-3.8.3-2", V5, b"\x82\x03\0\x01\0", F::NoTopicFilter),
            ("3.1.1 MQTT-3.10.3-2", V311, b"\xA2\x02\0\x01", F::NoTopicFilter),
            ("5.0 MQTT-3.10.3-2", V5, b"\xA2\x03\0\x01\0", F::NoTopicFilter),
            ("3.1.1 MQTT-2.3.1-1", V311, b"\x82\x06\0\0\0\x01a\0", F::ZeroPacketId),
            ("5.0 MQTT-2.2.1-3", V5, b"\xA2\x06\0\0\0\0\x01a", F::ZeroPacketId),
            ("3.1.1 MQTT-3-8.3-4", V311, b"\x82\x06\0\x01\0\x01a\x04", F::ReservedSubscriptionOptions),
            ("3.1.1 MQTT-3-8.3-4", V311, b"\x82\x06\0\x01\0\x01a\x03", F::InvalidSubscriptionQoS),
            ("5.0 MQTT-3.8.3-5", V5, b"\x82\x07\0\x01\0\0\x01a\x40", F::ReservedSubscriptionOptions),
            ("5.0 MQTT-3.8.3-5", V5, b"\x82\x07\0\x01\0\0\x01a\x80", F::ReservedSubscriptionOptions),
            ("5.0 §3.8.3.1", V5, b"\x82\x07\0\x01\0\0\x01a\x03", F::InvalidSubscriptionQoS),
            ("5.0 §3.8.3.1", V5, b"\x82\x07\0\x01\0\0\x01a\x30", F::InvalidRetainHandling),
            ("5.0 MQTT-3.8.3-4", V5, b"\x82\x10\0\x01\0\0\x0A$share/g/a\x04", F::NoLocalOnSharedSubscription),
            ("5.0 §3.8.2.1.2", V5, b"\x82\x09\0\x01\x02\x0B\0\0\x01a\0", F::InvalidPropertyValue(0x0B)),
            ("5.0 §3.8.2.1.2", V5, b"\x82\x0B\0\x01\x04\x0B\x01\x0B\x02\0\x01a\0", F::DuplicateProperty(0x0B)),
            ("3.1.1 MQTT-4.7.1-2", V311, b"\x82\x07\0\x01\0\x02a#\0", F::InvalidTopicFilter),
            ("3.1.1 MQTT-4.7.1-3", V311, b"\xA2\x06\0\x01\0\x02a+", F::InvalidTopicFilter),
            ("3.1.1 MQTT-4.7.3-1", V311, b"\x82\x05\0\x01\0\0\0", F::InvalidTopicFilter),
            ("5.0 MQTT-4.7.1-1", V5, b"\x82\x08\0\x01\0\0\x02a#\0", F::InvalidTopicFilter),
            ("5.0 MQTT-4.7.1-2", V5, b"\xA2\x07\0\x01\0\0\x02a+", F::InvalidTopicFilter),
            ("5.0 MQTT-4.7.3-1", V5, b"\xA2\x05\0\x01\0\0\0", F::InvalidTopicFilter),
            ("3.1.1 MQTT-3.8.3-1", V311, b"\x82\x06\0\x01\0\x01\xFF\0", F::InvalidUtf8),
            ("5.0 MQTT-3.8.3-1", V5, b"\x82\x07\0\x01\0\0\x01\xFF\0", F::InvalidUtf8),
            ("3.1.1 MQTT-3.10.3-1", V311, b"\xA2\x05\0\x01\0\x01\xFF", F::InvalidUtf8),
            ("3.1.1 MQTT-3.10.3-1, not contiguous", V311, b"\xA2\x06\0\x01\0\x01a\0", F::Truncated),
            ("5.0 MQTT-3.10.3-1", V5, b"\xA2\x06\0\x01\0\0\x01\xFF", F::InvalidUtf8),
            ("3.1.1 §3.8.3", V311, b"\x82\x05\0\x01\0\x01a", F::Truncated),
            ("the second of two", V311, b"\x82\x0A\0\x01\0\x01a\0\0\x01b\x09", F::ReservedSubscriptionOptions),
        ]);
        check_taken(&[
            ("5.0 MQTT-3.8.3-4, not shared", V5, b"\x82\x07\0\x01\0\0\x01a\x04"),
            ("3.1 §3.8, a repeat", V31, b"\x8A\x06\0\x01\0\x01a\0"),
            ("3.1 §3.10, a repeat", V31, b"\xAA\x05\0\x01\0\x01a"),
        ]);
    }

    #[test]
    fn answers_have_only_the_codes_of_their_version() {
        use DecodeFault as F;
        check_taken(&[
            ("3.1.1 §3.9.3", V311, b"\x90\x06\0\x01\0\x01\x02\x80"),
            ("5.0 §3.9.3", V5, b"\x90\x05\0\x01\0\x02\x87"),
            ("3.1.1 §3.11", V311, b"\xB0\x02\0\x01"),
            ("5.0 §3.11.3", V5, b"\xB0\x05\0\x01\0\0\x11"),
        ]);
        check_refused(&[
            ("3.1.1 MQTT-3.9.3-2", V311, b"\x90\x03\0\x01\x87", F::InvalidReasonCode(0x87)),
            ("5.0 MQTT-3.9.3-2", V5, b"\x90\x04\0\x01\0\x11", F::InvalidReasonCode(0x11)),
            ("5.0 MQTT-3.11.3-2", V5, b"\xB0\x04\0\x01\0\x01", F::InvalidReasonCode(1)),
            ("3.1.1 §3.9.3", V311, b"\x90\x02\0\x01", F::NoReasonCode),
            ("5.0 §3.11.3", V5, b"\xB0\x03\0\x01\0", F::NoReasonCode),
            ("3.1.1 §3.11.3", V311, b"\xB0\x03\0\x01\0", F::TrailingBytes),
        ]);
    }
}
