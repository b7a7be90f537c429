//! What can be wrong with bytes that claim to be MQTT, in the operator's words; and with packets that cannot be said.

use crate::ReasonCode;
use crate::property::name_of;

/// Why bytes were refused. The peer broke the protocol: its connection closes.
///
/// [`DecodeFault::reason_code`] is what a 5.0 peer is told. The line between the two common answers is the
/// standard's own [5.0 §1.2]: what cannot be parsed is a Malformed Packet (0x81); what can be parsed but holds data
/// that the protocol does not permit is a Protocol Error (0x82).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeFault {
    /// Packet type 0 [3.1.1 §2.2.1, 5.0 §2.1.2].
    #[error("packet type 0 is reserved")]
    ReservedPacketType,
    /// AUTH, which came with 5.0 [5.0 §3.15].
    #[error("AUTH came, which this version of MQTT does not have")]
    AuthBeforeVersion5,
    /// Fixed header flags [3.1.1 MQTT-2.2.2-1, MQTT-2.2.2-2; 5.0 MQTT-2.1.3-1].
    #[error("the reserved flags of the fixed header are wrong")]
    ReservedFlags,
    /// A length or number whose fourth byte says that a fifth follows [3.1.1 §2.2.3, 5.0 §1.5.5].
    #[error("a variable byte integer is longer than four bytes")]
    IntegerTooLong,
    /// A length or number in more bytes than it needs; 5.0 only [5.0 MQTT-1.5.5-1].
    #[error("a variable byte integer has more bytes than it needs")]
    IntegerNotMinimal,
    /// Above the limit that the caller gave [5.0 §3.1.2.11.4, §3.2.2.3.6].
    #[error("the packet is larger than allowed")]
    PacketTooLarge,
    /// A field does not fit in what is left of the packet [3.1.1 §2.2.3, 5.0 §2.1.4].
    #[error("a field runs past the end of the packet")]
    Truncated,
    /// Bytes are left when every field was read [3.1.1 §2.2.3, 5.0 §2.1.4].
    #[error("there are bytes after the last field of the packet")]
    TrailingBytes,
    /// [3.1.1 MQTT-1.5.3-1, 5.0 MQTT-1.5.4-1].
    #[error("a text is not UTF-8")]
    InvalidUtf8,
    /// [3.1.1 MQTT-1.5.3-2, 5.0 MQTT-1.5.4-2].
    #[error("a text contains the character U+0000")]
    NullCharacter,
    /// A control character or a code point that Unicode keeps out of interchange. The standards leave the refusal
    /// to the receiver ("MAY") [3.1.1 §1.5.3, 5.0 §1.5.4]; mosquitto refuses too.
    #[error("a text contains a control character or a Unicode non-character")]
    ForbiddenCharacter,
    /// QoS 3 in a PUBLISH [3.1.1 MQTT-3.3.1-4, 5.0 MQTT-3.3.1-4].
    #[error("QoS 3 does not exist")]
    InvalidQoS,
    /// [3.1.1 MQTT-3.3.1-2, 5.0 MQTT-3.3.1-2].
    #[error("DUP is set on a QoS 0 message")]
    DupWithQoS0,
    /// [3.1.1 MQTT-2.3.1-1, 5.0 MQTT-2.2.1-3].
    #[error("the packet identifier is 0")]
    ZeroPacketId,
    /// Empty, too long, with a wildcard or U+0000 [3.1.1 §4.7.1, §4.7.3; 5.0 §4.7.1, §4.7.3]. 5.0's reason
    /// 0x90 is for a name that is *not* malformed [5.0 §2.4], so this is 0x81.
    #[error("the topic name is not valid: it is empty, or has a wildcard in it")]
    InvalidTopicName,
    /// Empty, too long, a wildcard in the wrong place, or `$share` without group or filter [3.1.1 §4.7.1, §4.7.3;
    /// 5.0 §4.7.1, §4.7.3, §4.8.2]. 5.0's reason 0x8F is for a filter that is *not* malformed, so this is 0x81.
    #[error("the topic filter is not valid: it is empty, or a wildcard stands in the wrong place")]
    InvalidTopicFilter,
    /// [5.0 §3.3.2.1].
    #[error("the topic name is empty and no topic alias says it")]
    MissingTopic,
    /// [5.0 MQTT-3.3.2-8].
    #[error("the topic alias is 0")]
    ZeroTopicAlias,
    /// SUBSCRIBE or UNSUBSCRIBE for nothing [3.1.1 MQTT-3.8.3-3, MQTT-3.10.3-2; 5.0 MQTT-3.8.3-2, MQTT-3.10.3-2].
    #[error("there is no topic filter in the packet")]
    NoTopicFilter,
    /// [3.1.1 MQTT-3-8.3-4 (so spelled there), 5.0 MQTT-3.8.3-5].
    #[error("reserved bits of the subscription options are set")]
    ReservedSubscriptionOptions,
    /// QoS 3 asked for [3.1.1 MQTT-3-8.3-4, 5.0 §3.8.3.1].
    #[error("a subscription asks for QoS 3")]
    InvalidSubscriptionQoS,
    /// [5.0 §3.8.3.1].
    #[error("a subscription asks for Retain Handling 3")]
    InvalidRetainHandling,
    /// [5.0 MQTT-3.8.3-4].
    #[error("No Local is set on a shared subscription")]
    NoLocalOnSharedSubscription,
    /// Neither `MQTT` nor `MQIsdp` [3.1.1 MQTT-3.1.2-1, 5.0 MQTT-3.1.2-1].
    #[error("the protocol name is not MQTT")]
    WrongProtocolName,
    /// A right name with a level we do not know: answered by CONNACK, 0x01 or 0x84
    /// [3.1.1 MQTT-3.1.2-2, 5.0 MQTT-3.1.2-2].
    #[error("the protocol version is not 3.1, 3.1.1 or 5.0")]
    UnsupportedProtocolVersion,
    /// [3.1.1 MQTT-3.1.2-3, 5.0 MQTT-3.1.2-3].
    #[error("the reserved flag of CONNECT is set")]
    ReservedConnectFlag,
    /// [3.1.1 MQTT-3.1.2-14, 5.0 MQTT-3.1.2-12].
    #[error("the will asks for QoS 3")]
    InvalidWillQoS,
    /// [3.1.1 MQTT-3.1.2-13, MQTT-3.1.2-15; 5.0 MQTT-3.1.2-11, MQTT-3.1.2-13].
    #[error("there is no will, but a QoS or RETAIN for it")]
    WillFlagsWithoutWill,
    /// Allowed since 5.0 [3.1.1 MQTT-3.1.2-22].
    #[error("there is a password without a user name")]
    PasswordWithoutUserName,
    /// [3.1.1 §3.2.2.1, 5.0 MQTT-3.2.2-1].
    #[error("reserved flags of CONNACK are set")]
    ReservedConnAckFlags,
    /// [3.1.1 MQTT-3.2.2-4, 5.0 MQTT-3.2.2-6].
    #[error("CONNACK refuses and yet says that there is a session")]
    SessionPresentWithRefusal,
    /// Not listed for this packet [5.0 §2.4 and the sections of the packets; 3.1.1 §3.2.2.3, MQTT-3.9.3-2].
    #[error("reason code {0:#04x} may not stand in this packet")]
    InvalidReasonCode(u8),
    /// SUBACK or UNSUBACK without any [3.1.1 §3.9.3; 5.0 §3.9.3, §3.11.3].
    #[error("there is no reason code in the packet")]
    NoReasonCode,
    /// The identifier is not one of the standard's [5.0 §2.2.2.2].
    #[error("property {0:#04x} does not exist")]
    UnknownProperty(u8),
    /// [5.0 §2.2.2.2].
    #[error("property {0:#04x} ({name}) may not stand in this packet", name = name_of(*.0))]
    PropertyNotAllowed(u8),
    /// Only User Property, and Subscription Identifier in PUBLISH, may come again [5.0 §2.2.2.2 and theirs].
    #[error("property {0:#04x} ({name}) is there twice", name = name_of(*.0))]
    DuplicateProperty(u8),
    /// Outside of what its section allows [5.0 §3.1.2.11, §3.2.2.3, §3.3.2.3, §3.8.2.1].
    #[error("property {0:#04x} ({name}) has a value that is not allowed", name = name_of(*.0))]
    InvalidPropertyValue(u8),
    /// [5.0 §3.1.2.11.10].
    #[error("there is authentication data without an authentication method")]
    AuthenticationDataWithoutMethod,
    /// [5.0 §3.15.2.2.2].
    #[error("AUTH has no authentication method")]
    NoAuthenticationMethod,
}

impl DecodeFault {
    /// What a 5.0 peer is told in CONNACK or DISCONNECT; earlier versions close without a word.
    pub const fn reason_code(self) -> ReasonCode {
        match self {
            Self::ReservedPacketType
            | Self::AuthBeforeVersion5
            | Self::ReservedFlags
            | Self::IntegerTooLong
            | Self::IntegerNotMinimal
            | Self::Truncated
            | Self::TrailingBytes
            | Self::InvalidUtf8
            | Self::NullCharacter
            | Self::ForbiddenCharacter
            | Self::InvalidQoS
            | Self::DupWithQoS0
            | Self::InvalidTopicName
            | Self::InvalidTopicFilter
            | Self::ReservedSubscriptionOptions
            | Self::ReservedConnectFlag
            | Self::InvalidWillQoS
            | Self::WillFlagsWithoutWill
            | Self::PasswordWithoutUserName
            | Self::ReservedConnAckFlags
            | Self::UnknownProperty(_)
            | Self::PropertyNotAllowed(_) => ReasonCode::MalformedPacket,
            Self::ZeroPacketId
            | Self::MissingTopic
            | Self::NoTopicFilter
            | Self::InvalidSubscriptionQoS
            | Self::InvalidRetainHandling
            | Self::NoLocalOnSharedSubscription
            | Self::SessionPresentWithRefusal
            | Self::InvalidReasonCode(_)
            | Self::NoReasonCode
            | Self::DuplicateProperty(_)
            | Self::InvalidPropertyValue(_)
            | Self::AuthenticationDataWithoutMethod
            | Self::NoAuthenticationMethod => ReasonCode::ProtocolError,
            Self::PacketTooLarge => ReasonCode::PacketTooLarge,
            Self::ZeroTopicAlias => ReasonCode::TopicAliasInvalid,
            Self::WrongProtocolName | Self::UnsupportedProtocolVersion => ReasonCode::UnsupportedProtocolVersion,
        }
    }
}

/// Why a packet could not be written. Ours to avoid: nothing was appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeFault {
    /// A text or binary field above 65,535 bytes [3.1.1 §1.5.3; 5.0 §1.5.4, §1.5.6].
    #[error("a field is longer than 65,535 bytes")]
    FieldTooLong,
    /// Above [`crate::REMAINING_LENGTH_MAX`].
    #[error("the packet is longer than MQTT can say")]
    PacketTooLong,
    /// AUTH before 5.0.
    #[error("AUTH is only in MQTT 5.0")]
    AuthBeforeVersion5,
}
