//! Properties of MQTT 5.0 [5.0 §2.2.2]: kept as the bytes they came in, checked once, read when asked for.

use crate::reader::Reader;
use crate::{DecodeFault, EncodeFault, QoS, TopicName};

/// One property [5.0 §2.2.2.2, table 2-4]. The sections named here say what each is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Property<'a> {
    /// 0x01: `true` if the payload is UTF-8 text [5.0 §3.3.2.3.2].
    PayloadFormatIndicator(bool),
    /// 0x02: seconds [5.0 §3.3.2.3.3].
    MessageExpiryInterval(u32),
    /// 0x03 [5.0 §3.3.2.3.9].
    ContentType(&'a str),
    /// 0x08 [5.0 §3.3.2.3.5].
    ResponseTopic(TopicName<'a>),
    /// 0x09 [5.0 §3.3.2.3.6].
    CorrelationData(&'a [u8]),
    /// 0x0B: 1 to 268,435,455 [5.0 §3.3.2.3.8, §3.8.2.1.2].
    SubscriptionIdentifier(u32),
    /// 0x11: seconds; `u32::MAX` never expires [5.0 §3.1.2.11.2].
    SessionExpiryInterval(u32),
    /// 0x12 [5.0 §3.2.2.3.7].
    AssignedClientIdentifier(&'a str),
    /// 0x13: seconds [5.0 §3.2.2.3.14].
    ServerKeepAlive(u16),
    /// 0x15 [5.0 §3.1.2.11.9].
    AuthenticationMethod(&'a str),
    /// 0x16 [5.0 §3.1.2.11.10].
    AuthenticationData(&'a [u8]),
    /// 0x17 [5.0 §3.1.2.11.7].
    RequestProblemInformation(bool),
    /// 0x18: seconds [5.0 §3.1.3.2.2].
    WillDelayInterval(u32),
    /// 0x19 [5.0 §3.1.2.11.6].
    RequestResponseInformation(bool),
    /// 0x1A [5.0 §3.2.2.3.15].
    ResponseInformation(&'a str),
    /// 0x1C [5.0 §3.2.2.3.16].
    ServerReference(&'a str),
    /// 0x1F [5.0 §3.2.2.3.9].
    ReasonString(&'a str),
    /// 0x21: 1 to 65,535 [5.0 §3.1.2.11.3].
    ReceiveMaximum(u16),
    /// 0x22 [5.0 §3.1.2.11.5].
    TopicAliasMaximum(u16),
    /// 0x23: 1 to 65,535 [5.0 §3.3.2.3.4].
    TopicAlias(u16),
    /// 0x24: QoS 0 or 1; a server that has QoS 2 does not send it [5.0 §3.2.2.3.4].
    MaximumQoS(QoS),
    /// 0x25 [5.0 §3.2.2.3.5].
    RetainAvailable(bool),
    /// 0x26: the only one that may come any number of times in every packet [5.0 §3.1.2.11.8].
    UserProperty {
        /// Need not be unique.
        name: &'a str,
        /// May be empty.
        value: &'a str,
    },
    /// 0x27: bytes of a whole packet, never 0 [5.0 §3.1.2.11.4].
    MaximumPacketSize(u32),
    /// 0x28 [5.0 §3.2.2.3.11].
    WildcardSubscriptionAvailable(bool),
    /// 0x29 [5.0 §3.2.2.3.12].
    SubscriptionIdentifiersAvailable(bool),
    /// 0x2A [5.0 §3.2.2.3.13].
    SharedSubscriptionAvailable(bool),
}

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
    ($($(#[$doc:meta])* $name:ident, $variant:ident, $type:ty;)*) => {
        impl<'a> Properties<'a> {
            $(
                $(#[$doc])*
                #[inline]
                pub fn $name(self) -> Option<$type> {
                    self.iter().find_map(|property| match property {
                        Property::$variant(value) => Some(value),
                        _ => None,
                    })
                }
            )*
        }
    };
}

getters! {
    /// `Some(true)`: the payload says it is UTF-8 text.
    payload_format_indicator, PayloadFormatIndicator, bool;
    /// Seconds.
    message_expiry_interval, MessageExpiryInterval, u32;
    /// Content Type.
    content_type, ContentType, &'a str;
    /// Response Topic.
    response_topic, ResponseTopic, TopicName<'a>;
    /// Correlation Data.
    correlation_data, CorrelationData, &'a [u8];
    /// The first; a PUBLISH from a server may have several. 1 to 268,435,455.
    subscription_identifier, SubscriptionIdentifier, u32;
    /// Seconds; absent is 0, `u32::MAX` is never.
    session_expiry_interval, SessionExpiryInterval, u32;
    /// Assigned Client Identifier.
    assigned_client_identifier, AssignedClientIdentifier, &'a str;
    /// Seconds.
    server_keep_alive, ServerKeepAlive, u16;
    /// Authentication Method.
    authentication_method, AuthenticationMethod, &'a str;
    /// Authentication Data.
    authentication_data, AuthenticationData, &'a [u8];
    /// Absent is `true`.
    request_problem_information, RequestProblemInformation, bool;
    /// Seconds; absent is 0.
    will_delay_interval, WillDelayInterval, u32;
    /// Absent is `false`.
    request_response_information, RequestResponseInformation, bool;
    /// Response Information.
    response_information, ResponseInformation, &'a str;
    /// Server Reference.
    server_reference, ServerReference, &'a str;
    /// Reason String.
    reason_string, ReasonString, &'a str;
    /// Never 0; absent is 65,535.
    receive_maximum, ReceiveMaximum, u16;
    /// Absent is 0.
    topic_alias_maximum, TopicAliasMaximum, u16;
    /// Never 0.
    topic_alias, TopicAlias, u16;
    /// QoS 0 or 1; absent is QoS 2.
    maximum_qos, MaximumQoS, QoS;
    /// Absent is `true`.
    retain_available, RetainAvailable, bool;
    /// Bytes of a whole packet, never 0; absent is no limit.
    maximum_packet_size, MaximumPacketSize, u32;
    /// Absent is `true`.
    wildcard_subscription_available, WildcardSubscriptionAvailable, bool;
    /// Absent is `true`.
    subscription_identifiers_available, SubscriptionIdentifiersAvailable, bool;
    /// Absent is `true`.
    shared_subscription_available, SharedSubscriptionAvailable, bool;
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

impl<'a> Property<'a> {
    fn read_value(id: u8, reader: &mut Reader<'a>) -> Result<Self, DecodeFault> {
        let not_allowed = DecodeFault::InvalidPropertyValue(id);
        let flag = |reader: &mut Reader| match reader.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(not_allowed),
        };
        let nonzero = |value| if value == 0 { Err(not_allowed) } else { Ok(value) };
        Ok(match id {
            0x01 => Self::PayloadFormatIndicator(flag(reader)?),
            0x02 => Self::MessageExpiryInterval(reader.u32()?),
            0x03 => Self::ContentType(reader.string()?),
            // [5.0 MQTT-3.3.2-14, MQTT-4.7.3-1]
            0x08 => match TopicName::new(reader.utf8()?) {
                Err(DecodeFault::InvalidTopicName) => return Err(not_allowed),
                topic => Self::ResponseTopic(topic?),
            },
            0x09 => Self::CorrelationData(reader.binary()?),
            0x0B => Self::SubscriptionIdentifier(nonzero(reader.variable_byte_integer()?)?),
            0x11 => Self::SessionExpiryInterval(reader.u32()?),
            0x12 => Self::AssignedClientIdentifier(reader.string()?),
            0x13 => Self::ServerKeepAlive(reader.u16()?),
            0x15 => Self::AuthenticationMethod(reader.string()?),
            0x16 => Self::AuthenticationData(reader.binary()?),
            0x17 => Self::RequestProblemInformation(flag(reader)?),
            0x18 => Self::WillDelayInterval(reader.u32()?),
            0x19 => Self::RequestResponseInformation(flag(reader)?),
            0x1A => Self::ResponseInformation(reader.string()?),
            0x1C => Self::ServerReference(reader.string()?),
            0x1F => Self::ReasonString(reader.string()?),
            0x21 => Self::ReceiveMaximum(nonzero(reader.u16()?.into())? as u16),
            0x22 => Self::TopicAliasMaximum(reader.u16()?),
            0x23 => match reader.u16()? {
                0 => return Err(DecodeFault::ZeroTopicAlias),
                alias => Self::TopicAlias(alias),
            },
            0x24 => Self::MaximumQoS(if flag(reader)? { QoS::AtLeastOnce } else { QoS::AtMostOnce }),
            0x25 => Self::RetainAvailable(flag(reader)?),
            0x26 => Self::UserProperty { name: reader.string()?, value: reader.string()? },
            0x27 => Self::MaximumPacketSize(nonzero(reader.u32()?)?),
            0x28 => Self::WildcardSubscriptionAvailable(flag(reader)?),
            0x29 => Self::SubscriptionIdentifiersAvailable(flag(reader)?),
            0x2A => Self::SharedSubscriptionAvailable(flag(reader)?),
            _ => return Err(DecodeFault::UnknownProperty(id)),
        })
    }

    /// Appends identifier and value.
    fn put(self, out: &mut Vec<u8>) -> Result<(), EncodeFault> {
        use crate::encode::{put_binary, put_string, put_variable_byte_integer};
        let flag = |out: &mut Vec<u8>, id, value| out.extend_from_slice(&[id, u8::from(value)]);
        let two = |out: &mut Vec<u8>, id: u8, value: u16| {
            out.push(id);
            out.extend_from_slice(&value.to_be_bytes());
        };
        let four = |out: &mut Vec<u8>, id: u8, value: u32| {
            out.push(id);
            out.extend_from_slice(&value.to_be_bytes());
        };
        let text = |out: &mut Vec<u8>, id: u8, value: &str| {
            out.push(id);
            put_string(value, out)
        };
        let binary = |out: &mut Vec<u8>, id: u8, value: &[u8]| {
            out.push(id);
            put_binary(value, out)
        };
        match self {
            Self::PayloadFormatIndicator(value) => flag(out, 0x01, value),
            Self::MessageExpiryInterval(value) => four(out, 0x02, value),
            Self::ContentType(value) => text(out, 0x03, value)?,
            Self::ResponseTopic(value) => text(out, 0x08, value.as_str())?,
            Self::CorrelationData(value) => binary(out, 0x09, value)?,
            Self::SubscriptionIdentifier(value) => {
                out.push(0x0B);
                put_variable_byte_integer(value, out);
            }
            Self::SessionExpiryInterval(value) => four(out, 0x11, value),
            Self::AssignedClientIdentifier(value) => text(out, 0x12, value)?,
            Self::ServerKeepAlive(value) => two(out, 0x13, value),
            Self::AuthenticationMethod(value) => text(out, 0x15, value)?,
            Self::AuthenticationData(value) => binary(out, 0x16, value)?,
            Self::RequestProblemInformation(value) => flag(out, 0x17, value),
            Self::WillDelayInterval(value) => four(out, 0x18, value),
            Self::RequestResponseInformation(value) => flag(out, 0x19, value),
            Self::ResponseInformation(value) => text(out, 0x1A, value)?,
            Self::ServerReference(value) => text(out, 0x1C, value)?,
            Self::ReasonString(value) => text(out, 0x1F, value)?,
            Self::ReceiveMaximum(value) => two(out, 0x21, value),
            Self::TopicAliasMaximum(value) => two(out, 0x22, value),
            Self::TopicAlias(value) => two(out, 0x23, value),
            Self::MaximumQoS(value) => flag(out, 0x24, value != QoS::AtMostOnce),
            Self::RetainAvailable(value) => flag(out, 0x25, value),
            Self::UserProperty { name, value } => {
                text(out, 0x26, name)?;
                put_string(value, out)?;
            }
            Self::MaximumPacketSize(value) => four(out, 0x27, value),
            Self::WildcardSubscriptionAvailable(value) => flag(out, 0x28, value),
            Self::SubscriptionIdentifiersAvailable(value) => flag(out, 0x29, value),
            Self::SharedSubscriptionAvailable(value) => flag(out, 0x2A, value),
        }
        Ok(())
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
