//! One property: read from bytes, written to bytes.

use crate::encode::{put_binary, put_string, put_variable_byte_integer};
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

impl<'a> Property<'a> {
    pub(super) fn read_value(id: u8, reader: &mut Reader<'a>) -> Result<Self, DecodeFault> {
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

    /// Passes over the value of a property that was checked before: its text is not looked through again.
    pub(super) fn skip_value(id: u8, reader: &mut Reader<'_>) -> Result<(), DecodeFault> {
        match id {
            0x01 | 0x17 | 0x19 | 0x24 | 0x25 | 0x28 | 0x29 | 0x2A => reader.u8().map(drop),
            0x13 | 0x21 | 0x22 | 0x23 => reader.u16().map(drop),
            0x02 | 0x11 | 0x18 | 0x27 => reader.u32().map(drop),
            0x0B => reader.variable_byte_integer().map(drop),
            0x26 => reader.binary().and_then(|_| reader.binary()).map(drop),
            _ => reader.binary().map(drop),
        }
    }

    /// Appends identifier and value.
    pub(super) fn put(self, out: &mut Vec<u8>) -> Result<(), EncodeFault> {
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
