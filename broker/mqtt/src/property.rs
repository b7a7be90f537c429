//! Properties of MQTT 5.0 [5.0 §2.2.2]: kept as the bytes they came in, checked once, read when asked for.

mod value;

use crate::reader::Reader;
use crate::{DecodeFault, EncodeFault, QoS, TopicName};

pub use value::Property;

/// Where properties stand; one bit each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub(crate) enum Place {
    Connect = 1 << 0,
    Will = 1 << 1,
    ConnAck = 1 << 2,
    Publish = 1 << 3,
    /// PUBACK, PUBREC, PUBREL and PUBCOMP.
    Ack = 1 << 4,
    Subscribe = 1 << 5,
    SubAck = 1 << 6,
    Unsubscribe = 1 << 7,
    UnsubAck = 1 << 8,
    Disconnect = 1 << 9,
    Auth = 1 << 10,
}

/// Name and places of a property identifier [5.0 §2.2.2.2, table 2-4].
const fn describe(id: u8) -> Option<(&'static str, u16)> {
    const CONNECT: u16 = Place::Connect as u16;
    const CONNACK: u16 = Place::ConnAck as u16;
    const MESSAGE: u16 = Place::Publish as u16 | Place::Will as u16;
    const AUTHENTICATION: u16 = CONNECT | CONNACK | Place::Auth as u16;
    const ANSWERS: u16 = CONNACK
        | Place::Ack as u16
        | Place::SubAck as u16
        | Place::UnsubAck as u16
        | Place::Disconnect as u16
        | Place::Auth as u16;
    Some(match id {
        0x01 => ("Payload Format Indicator", MESSAGE),
        0x02 => ("Message Expiry Interval", MESSAGE),
        0x03 => ("Content Type", MESSAGE),
        0x08 => ("Response Topic", MESSAGE),
        0x09 => ("Correlation Data", MESSAGE),
        0x0B => ("Subscription Identifier", Place::Publish as u16 | Place::Subscribe as u16),
        0x11 => ("Session Expiry Interval", CONNECT | CONNACK | Place::Disconnect as u16),
        0x12 => ("Assigned Client Identifier", CONNACK),
        0x13 => ("Server Keep Alive", CONNACK),
        0x15 => ("Authentication Method", AUTHENTICATION),
        0x16 => ("Authentication Data", AUTHENTICATION),
        0x17 => ("Request Problem Information", CONNECT),
        0x18 => ("Will Delay Interval", Place::Will as u16),
        0x19 => ("Request Response Information", CONNECT),
        0x1A => ("Response Information", CONNACK),
        0x1C => ("Server Reference", CONNACK | Place::Disconnect as u16),
        0x1F => ("Reason String", ANSWERS),
        0x21 => ("Receive Maximum", CONNECT | CONNACK),
        0x22 => ("Topic Alias Maximum", CONNECT | CONNACK),
        0x23 => ("Topic Alias", Place::Publish as u16),
        0x24 => ("Maximum QoS", CONNACK),
        0x25 => ("Retain Available", CONNACK),
        0x26 => ("User Property", u16::MAX),
        0x27 => ("Maximum Packet Size", CONNECT | CONNACK),
        0x28 => ("Wildcard Subscription Available", CONNACK),
        0x29 => ("Subscription Identifier Available", CONNACK),
        0x2A => ("Shared Subscription Available", CONNACK),
        _ => return None,
    })
}

/// The standard's name of a property; for messages.
pub(crate) fn name_of(id: u8) -> &'static str {
    describe(id).map_or("unknown", |(name, _)| name)
}

/// The properties of one packet: bytes that were checked, without the length in front of them.
///
/// Two are equal if they hold the same properties in the same order. Reading one is a walk over the bytes, which
/// are nearly always none or a few; each method returns the first of its kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Properties<'a> {
    bytes: &'a [u8],
}

impl<'a> Properties<'a> {
    /// No properties; what every packet of 3.1 and 3.1.1 has.
    pub const EMPTY: Properties<'static> = Properties { bytes: &[] };

    /// The Property Length and what it measures, which must be fit for `place`.
    #[inline]
    pub(crate) fn read(reader: &mut Reader<'a>, place: Place) -> Result<Self, DecodeFault> {
        match reader.variable_byte_integer()? {
            0 => Ok(Self::EMPTY),
            len => Self::check(reader.bytes(len as usize)?, place),
        }
    }

    fn check(bytes: &'a [u8], place: Place) -> Result<Self, DecodeFault> {
        let mut reader = Reader::new(bytes);
        let mut seen: u64 = 0;
        while !reader.is_empty() {
            // Identifiers are Variable Byte Integers, but all there are fit in one byte [5.0 §2.2.2.2].
            let id = reader.u8()?;
            let (_, places) = describe(id).ok_or(DecodeFault::UnknownProperty(id))?;
            if places & place as u16 == 0 {
                return Err(DecodeFault::PropertyNotAllowed(id));
            }
            let bit = 1 << id;
            if seen & bit != 0 && !may_repeat(id, place) {
                return Err(DecodeFault::DuplicateProperty(id));
            }
            seen |= bit;
            Property::read_value(id, &mut reader)?;
        }
        Ok(Self { bytes })
    }

    /// Whether there is none.
    #[inline]
    pub const fn is_empty(self) -> bool {
        self.bytes.is_empty()
    }

    /// As on the wire, without the Property Length.
    pub const fn as_bytes(self) -> &'a [u8] {
        self.bytes
    }

    /// All of them, in the order they came.
    #[inline]
    pub fn iter(self) -> PropertiesIter<'a> {
        PropertiesIter { rest: self.bytes }
    }

    /// The first with this identifier. The others are passed over.
    #[inline]
    fn first(self, id: u8) -> Option<Property<'a>> {
        if self.bytes.is_empty() { None } else { self.find(id) }
    }

    fn find(self, id: u8) -> Option<Property<'a>> {
        // As in `PropertiesIter`: what cannot be read does not come up.
        let mut reader = Reader::new(self.bytes);
        while let Ok(found) = reader.u8() {
            if found == id {
                return Property::read_value(id, &mut reader).ok();
            }
            Property::skip_value(found, &mut reader).ok()?;
        }
        None
    }

    /// The User Properties, in the order they came, which is to be kept [5.0 MQTT-3.3.2-18].
    pub fn user_properties(self) -> impl Iterator<Item = (&'a str, &'a str)> + Clone {
        self.iter().filter_map(|property| match property {
            Property::UserProperty { name, value } => Some((name, value)),
            _ => None,
        })
    }
}

/// Subscription Identifiers of several matching subscriptions come in one PUBLISH [5.0 §3.3.2.3.8].
const fn may_repeat(id: u8, place: Place) -> bool {
    id == 0x26 || (id == 0x0B && matches!(place, Place::Publish))
}

macro_rules! getters {
    ($($(#[$doc:meta])* $name:ident, $id:literal $variant:ident, $type:ty;)*) => {
        impl<'a> Properties<'a> {
            $(
                $(#[$doc])*
                #[inline]
                pub fn $name(self) -> Option<$type> {
                    match self.first($id)? {
                        Property::$variant(value) => Some(value),
                        _ => None,
                    }
                }
            )*
        }
    };
}

getters! {
    /// `Some(true)`: the payload says it is UTF-8 text.
    payload_format_indicator, 0x01 PayloadFormatIndicator, bool;
    /// Seconds.
    message_expiry_interval, 0x02 MessageExpiryInterval, u32;
    /// Content Type.
    content_type, 0x03 ContentType, &'a str;
    /// Response Topic.
    response_topic, 0x08 ResponseTopic, TopicName<'a>;
    /// Correlation Data.
    correlation_data, 0x09 CorrelationData, &'a [u8];
    /// The first; a PUBLISH from a server may have several. 1 to 268,435,455.
    subscription_identifier, 0x0B SubscriptionIdentifier, u32;
    /// Seconds; absent is 0, `u32::MAX` is never.
    session_expiry_interval, 0x11 SessionExpiryInterval, u32;
    /// Assigned Client Identifier.
    assigned_client_identifier, 0x12 AssignedClientIdentifier, &'a str;
    /// Seconds.
    server_keep_alive, 0x13 ServerKeepAlive, u16;
    /// Authentication Method.
    authentication_method, 0x15 AuthenticationMethod, &'a str;
    /// Authentication Data.
    authentication_data, 0x16 AuthenticationData, &'a [u8];
    /// Absent is `true`.
    request_problem_information, 0x17 RequestProblemInformation, bool;
    /// Seconds; absent is 0.
    will_delay_interval, 0x18 WillDelayInterval, u32;
    /// Absent is `false`.
    request_response_information, 0x19 RequestResponseInformation, bool;
    /// Response Information.
    response_information, 0x1A ResponseInformation, &'a str;
    /// Server Reference.
    server_reference, 0x1C ServerReference, &'a str;
    /// Reason String.
    reason_string, 0x1F ReasonString, &'a str;
    /// Never 0; absent is 65,535.
    receive_maximum, 0x21 ReceiveMaximum, u16;
    /// Absent is 0.
    topic_alias_maximum, 0x22 TopicAliasMaximum, u16;
    /// Never 0.
    topic_alias, 0x23 TopicAlias, u16;
    /// QoS 0 or 1; absent is QoS 2.
    maximum_qos, 0x24 MaximumQoS, QoS;
    /// Absent is `true`.
    retain_available, 0x25 RetainAvailable, bool;
    /// Bytes of a whole packet, never 0; absent is no limit.
    maximum_packet_size, 0x27 MaximumPacketSize, u32;
    /// Absent is `true`.
    wildcard_subscription_available, 0x28 WildcardSubscriptionAvailable, bool;
    /// Absent is `true`.
    subscription_identifiers_available, 0x29 SubscriptionIdentifiersAvailable, bool;
    /// Absent is `true`.
    shared_subscription_available, 0x2A SharedSubscriptionAvailable, bool;
}

impl<'a> IntoIterator for Properties<'a> {
    type Item = Property<'a>;
    type IntoIter = PropertiesIter<'a>;

    fn into_iter(self) -> PropertiesIter<'a> {
        self.iter()
    }
}

/// Goes through [`Properties`].
#[derive(Clone, Debug)]
pub struct PropertiesIter<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for PropertiesIter<'a> {
    type Item = Property<'a>;

    #[inline]
    fn next(&mut self) -> Option<Property<'a>> {
        if self.rest.is_empty() {
            return None;
        }
        // The bytes were checked, or written by `Property::put`: what cannot be read does not come up.
        let mut reader = Reader::new(self.rest);
        let id = reader.u8().ok()?;
        let property = Property::read_value(id, &mut reader).ok()?;
        self.rest = reader.rest();
        Some(property)
    }
}

/// Makes [`Properties`].
///
/// It writes what it is told: which packet a property may stand in, that it stands there once, and that its value
/// is one the standard allows, is the caller's to know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PropertiesBuf {
    bytes: Vec<u8>,
}

impl PropertiesBuf {
    /// No properties.
    pub const fn new() -> Self {
        Self { bytes: Vec::new() }
    }

    /// No properties, with room for so many bytes of them.
    pub fn with_capacity(bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes) }
    }

    /// One more, after the others. What MQTT cannot say, a text or data above 65,535 bytes, is left out; nothing that
    /// came out of a packet is. [`PropertiesBuf::try_push`] tells.
    pub fn push(&mut self, property: Property<'_>) {
        let _left_out = self.try_push(property);
    }

    /// One more, after the others.
    ///
    /// # Errors
    /// [`EncodeFault::FieldTooLong`] for a text or data above 65,535 bytes; nothing was added.
    pub fn try_push(&mut self, property: Property<'_>) -> Result<(), EncodeFault> {
        let before = self.bytes.len();
        property.put(&mut self.bytes).inspect_err(|_| self.bytes.truncate(before))
    }

    /// Those of a PUBLISH that were kept as bytes, as [`Properties::as_bytes`] gave them.
    ///
    /// # Errors
    /// Those of decoding a PUBLISH: the bytes may have been anything.
    pub fn of_publish(bytes: &[u8]) -> Result<Self, DecodeFault> {
        Properties::check(bytes, Place::Publish).map(|checked| Self { bytes: checked.bytes.to_vec() })
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Back to nothing; the room is kept.
    pub fn clear(&mut self) {
        self.bytes.clear();
    }

    /// What the packets take.
    pub fn as_properties(&self) -> Properties<'_> {
        Properties { bytes: &self.bytes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use DecodeFault as F;

    #[test]
    fn properties_kept_as_bytes_are_checked_when_they_come_back() {
        let mut kept = PropertiesBuf::new();
        kept.push(Property::ContentType("text/plain"));
        kept.push(Property::UserProperty { name: "a", value: "b" });
        assert_eq!(PropertiesBuf::of_publish(kept.as_properties().as_bytes()), Ok(kept));
        // [5.0 §2.2.2.2]
        assert_eq!(PropertiesBuf::of_publish(&[0x00]), Err(F::UnknownProperty(0)));
        assert_eq!(PropertiesBuf::of_publish(&[0x13, 0, 1]), Err(F::PropertyNotAllowed(0x13)));
    }

    #[test]
    fn there_are_the_27_properties_of_the_standard() {
        // [5.0 §2.2.2.2, table 2-4]
        assert_eq!((0..=u8::MAX).filter(|&id| describe(id).is_some()).count(), 27);
        // Every identifier fits the set of those already seen.
        assert!((64..=u8::MAX).all(|id| describe(id).is_none()));
    }

    #[test]
    fn what_was_pushed_is_read_back() {
        let all = [
            Property::PayloadFormatIndicator(true),
            Property::MessageExpiryInterval(1),
            Property::ContentType("text/plain"),
            Property::ResponseTopic(TopicName::new("a/b").unwrap()),
            Property::CorrelationData(b"\xFF"),
            Property::SubscriptionIdentifier(268_435_455),
            Property::SessionExpiryInterval(u32::MAX),
            Property::AssignedClientIdentifier("auto-1"),
            Property::ServerKeepAlive(60),
            Property::AuthenticationMethod("m"),
            Property::AuthenticationData(b""),
            Property::RequestProblemInformation(false),
            Property::WillDelayInterval(5),
            Property::RequestResponseInformation(true),
            Property::ResponseInformation("r"),
            Property::ServerReference("s"),
            Property::ReasonString("why"),
            Property::ReceiveMaximum(20),
            Property::TopicAliasMaximum(10),
            Property::TopicAlias(3),
            Property::MaximumQoS(QoS::AtLeastOnce),
            Property::RetainAvailable(false),
            Property::UserProperty { name: "n", value: "" },
            Property::MaximumPacketSize(2_000_000),
            Property::WildcardSubscriptionAvailable(true),
            Property::SubscriptionIdentifiersAvailable(true),
            Property::SharedSubscriptionAvailable(false),
        ];
        let mut buf = PropertiesBuf::new();
        for property in all {
            buf.push(property);
        }
        assert_eq!(buf.as_properties().iter().collect::<Vec<_>>(), all);
        for property in all {
            let mut only = PropertiesBuf::new();
            only.push(property);
            let id = only.as_properties().as_bytes()[0];
            assert_eq!(buf.as_properties().first(id), Some(property), "it is found behind all the others");
            assert_eq!(only.as_properties().first(0x7F), None, "and is passed over whole");
        }
        assert_eq!(buf.as_properties().receive_maximum(), Some(20));
        assert_eq!(buf.as_properties().user_properties().collect::<Vec<_>>(), [("n", "")]);
        assert_eq!(Properties::EMPTY.receive_maximum(), None);
    }

    #[test]
    fn properties_are_refused_where_the_standard_says() {
        type Row = (&'static str, Place, &'static [u8], Result<usize, DecodeFault>);
        let rows: &[Row] = &[
            ("5.0 §2.2.2.1", Place::Publish, b"\0", Ok(0)),
            ("5.0 §2.2.2.1", Place::Publish, b"\x02\x01", Err(F::Truncated)),
            ("5.0 MQTT-1.5.5-1", Place::Publish, b"\x80\0", Err(F::IntegerNotMinimal)),
            ("5.0 §2.2.2.2", Place::Publish, b"\x02\x04\0", Err(F::UnknownProperty(4))),
            ("5.0 §2.2.2.2", Place::Publish, b"\x03\x81\0\0", Err(F::UnknownProperty(0x81))),
            ("5.0 §2.2.2.2", Place::Publish, b"\x03\x21\0\x01", Err(F::PropertyNotAllowed(0x21))),
            ("5.0 §3.3.2.3.2", Place::Publish, b"\x04\x01\0\x01\0", Err(F::DuplicateProperty(1))),
            ("5.0 §3.3.2.3.2", Place::Publish, b"\x02\x01\x02", Err(F::InvalidPropertyValue(1))),
            ("5.0 §3.3.2.3.8", Place::Publish, b"\x04\x0B\x01\x0B\x02", Ok(2)),
            ("5.0 §3.3.2.3.8", Place::Publish, b"\x02\x0B\0", Err(F::InvalidPropertyValue(0x0B))),
            ("5.0 §3.8.2.1.2", Place::Subscribe, b"\x04\x0B\x01\x0B\x02", Err(F::DuplicateProperty(0x0B))),
            ("5.0 §3.3.2.3.7", Place::Publish, b"\x0A\x26\0\0\0\0\x26\0\0\0\0", Ok(2)),
            ("5.0 MQTT-3.3.2-14", Place::Publish, b"\x04\x08\0\x01#", Err(F::InvalidPropertyValue(8))),
            ("5.0 MQTT-4.7.3-1", Place::Publish, b"\x03\x08\0\0", Err(F::InvalidPropertyValue(8))),
            ("5.0 MQTT-3.3.2-13", Place::Publish, b"\x04\x08\0\x01\xFF", Err(F::InvalidUtf8)),
            ("5.0 MQTT-3.3.2-19", Place::Publish, b"\x04\x03\0\x01\xFF", Err(F::InvalidUtf8)),
            ("5.0 MQTT-1.5.7-1", Place::Publish, b"\x06\x26\0\0\0\x01\0", Err(F::NullCharacter)),
            ("5.0 §3.1.2.11.4", Place::Connect, b"\x05\x27\0\0\0\0", Err(F::InvalidPropertyValue(0x27))),
            ("5.0 §3.1.2.11.7", Place::Connect, b"\x02\x17\x02", Err(F::InvalidPropertyValue(0x17))),
            ("5.0 §3.1.2.11.6", Place::Connect, b"\x02\x19\x02", Err(F::InvalidPropertyValue(0x19))),
            ("5.0 §3.2.2.3.5", Place::ConnAck, b"\x02\x25\x02", Err(F::InvalidPropertyValue(0x25))),
            ("a value past the properties' end", Place::ConnAck, b"\x02\x13\0\x01", Err(F::Truncated)),
        ];
        for (source, place, bytes, wanted) in rows {
            let read = Properties::read(&mut Reader::new(bytes), *place).map(|properties| properties.iter().count());
            assert_eq!(read, *wanted, "{source}: {bytes:02x?}");
        }
    }

    #[test]
    fn every_property_stands_only_where_table_2_4_puts_it() {
        // [5.0 §2.2.2.2, table 2-4], in the order of `Place`: CONNECT, Will, CONNACK, PUBLISH, PUBACK and its
        // kin, SUBSCRIBE, SUBACK, UNSUBSCRIBE, UNSUBACK, DISCONNECT, AUTH.
        #[rustfmt::skip]
        let rows: &[(u8, &str)] = &[
            (0x01, " w p       "), (0x02, " w p       "), (0x03, " w p       "), (0x08, " w p       "),
            (0x09, " w p       "), (0x0B, "   p s     "), (0x11, "c C      D "), (0x12, "  C        "),
            (0x13, "  C        "), (0x15, "c C       A"), (0x16, "c C       A"), (0x17, "c          "),
            (0x18, " w         "), (0x19, "c          "), (0x1A, "  C        "), (0x1C, "  C      D "),
            (0x1F, "  C a S UDA"), (0x21, "c C        "), (0x22, "c C        "), (0x23, "   p       "),
            (0x24, "  C        "), (0x25, "  C        "), (0x26, "cwCpasSuUDA"), (0x27, "c C        "),
            (0x28, "  C        "), (0x29, "  C        "), (0x2A, "  C        "),
        ];
        assert_eq!(rows.len(), 27);
        for &(id, places) in rows {
            for (bit, letter) in places.bytes().enumerate() {
                let allowed = describe(id).unwrap().1 >> bit & 1 == 1;
                assert_eq!(allowed, letter != b' ', "{} at {bit}", name_of(id));
            }
        }
    }

    #[test]
    fn a_fault_names_the_property() {
        let fault = F::DuplicateProperty(0x21).to_string();
        assert_eq!(fault, "property 0x21 (Receive Maximum) is there twice");
    }
}
