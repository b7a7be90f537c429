//! The fifteen control packets, as borrowed views of a frame. Shapes only: reading is `decode`, writing is `encode`.

use crate::{PacketId, Properties, ProtocolVersion, QoS, ReasonCode, TopicName};

/// One control packet. What a version does not have (properties, reason codes) is empty or `Success` in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packet<'a> {
    /// A client asks to come in.
    Connect(Connect<'a>),
    /// The server's answer to CONNECT.
    ConnAck(ConnAck<'a>),
    /// A message.
    Publish(Publish<'a>),
    /// QoS 1: the message was taken.
    PubAck(Ack<'a>),
    /// QoS 2, first answer.
    PubRec(Ack<'a>),
    /// QoS 2, the sender lets the message go.
    PubRel(Ack<'a>),
    /// QoS 2, last answer.
    PubComp(Ack<'a>),
    /// A client asks for topics.
    Subscribe(Subscribe<'a>),
    /// The answer to SUBSCRIBE.
    SubAck(SubAck<'a>),
    /// A client no longer wants topics.
    Unsubscribe(Unsubscribe<'a>),
    /// The answer to UNSUBSCRIBE.
    UnsubAck(UnsubAck<'a>),
    /// Are you there?
    PingReq,
    /// Yes.
    PingResp,
    /// A farewell; from the server in 5.0 only.
    Disconnect(Disconnect<'a>),
    /// Enhanced authentication, 5.0 only.
    Auth(Auth<'a>),
}

/// CONNECT [3.1.1 §3.1, 5.0 §3.1].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connect<'a> {
    /// From Protocol Name and Protocol Level.
    pub version: ProtocolVersion,
    /// The bridge bit (0x80 in the Protocol Level), by which mosquitto's bridges say what they are.
    pub is_bridge: bool,
    /// Clean Session (3.1, 3.1.1) or Clean Start (5.0).
    pub clean_start: bool,
    /// Seconds; 0 turns the mechanism off.
    pub keep_alive_s: u16,
    /// May be empty: the server then makes one, where the version allows it.
    pub client_id: &'a str,
    /// What to publish when the client is lost.
    pub will: Option<Will<'a>>,
    /// User Name.
    pub username: Option<&'a str>,
    /// Password, as raw bytes.
    pub password: Option<&'a [u8]>,
    /// 5.0.
    pub properties: Properties<'a>,
}

/// The Will Message of a CONNECT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Will<'a> {
    /// Where it will be published.
    pub topic: TopicName<'a>,
    /// What will be published.
    pub payload: &'a [u8],
    /// At which QoS.
    pub qos: QoS,
    /// Whether it is then retained.
    pub retain: bool,
    /// 5.0 (Will Properties).
    pub properties: Properties<'a>,
}

/// CONNACK [3.1.1 §3.2, 5.0 §3.2].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnAck<'a> {
    /// The server had a session for this Client Identifier and goes on with it.
    pub session_present: bool,
    /// `Success`, or why not. For 3.1 and 3.1.1 the return codes 1 to 5 are mapped by
    /// [`ReasonCode::from_v3_return_code`] and [`ReasonCode::v3_return_code`].
    pub reason: ReasonCode,
    /// 5.0.
    pub properties: Properties<'a>,
}

/// PUBLISH [3.1.1 §3.3, 5.0 §3.3].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Publish<'a> {
    /// A repeat, perhaps.
    pub dup: bool,
    /// Quality of Service.
    pub qos: QoS,
    /// RETAIN flag.
    pub retain: bool,
    /// `None` where a Topic Alias alone says it (5.0).
    pub topic: Option<TopicName<'a>>,
    /// `Some` exactly when `qos` is above 0.
    pub packet_id: Option<PacketId>,
    /// 5.0.
    pub properties: Properties<'a>,
    /// The application message.
    pub payload: &'a [u8],
}

/// PUBACK, PUBREC, PUBREL and PUBCOMP: one shape [3.1.1 §3.4 to §3.7, 5.0 the same].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ack<'a> {
    /// Which message.
    pub packet_id: PacketId,
    /// `Success` in 3.1 and 3.1.1, and where 5.0 leaves it out.
    pub reason: ReasonCode,
    /// 5.0.
    pub properties: Properties<'a>,
}

/// SUBSCRIBE [3.1.1 §3.8, 5.0 §3.8].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subscribe<'a> {
    /// Answered by the SUBACK of the same number.
    pub packet_id: PacketId,
    /// 5.0.
    pub properties: Properties<'a>,
    /// At least one.
    pub filters: FiltersWithOptions<'a>,
}

/// The payload of a SUBSCRIBE, checked whole when the packet was decoded.
///
/// It iterates over ([`crate::TopicFilter`], [`crate::SubscriptionOptions`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FiltersWithOptions<'a> {
    pub(crate) bytes: &'a [u8],
}

/// The payload of an UNSUBSCRIBE, checked whole when the packet was decoded.
///
/// It iterates over [`crate::TopicFilter`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Filters<'a> {
    pub(crate) bytes: &'a [u8],
}

/// SUBACK [3.1.1 §3.9, 5.0 §3.9].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SubAck<'a> {
    /// That of the SUBSCRIBE.
    pub packet_id: PacketId,
    /// 5.0.
    pub properties: Properties<'a>,
    /// One per filter, in the order of the SUBSCRIBE. In 3.1 and 3.1.1: 0, 1, 2 or 0x80.
    pub reasons: ReasonCodes<'a>,
}

/// UNSUBSCRIBE [3.1.1 §3.10, 5.0 §3.10].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unsubscribe<'a> {
    /// Answered by the UNSUBACK of the same number.
    pub packet_id: PacketId,
    /// 5.0.
    pub properties: Properties<'a>,
    /// At least one.
    pub filters: Filters<'a>,
}

/// UNSUBACK [3.1.1 §3.11, 5.0 §3.11].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnsubAck<'a> {
    /// That of the UNSUBSCRIBE.
    pub packet_id: PacketId,
    /// 5.0.
    pub properties: Properties<'a>,
    /// 5.0: one per filter; empty before.
    pub reasons: ReasonCodes<'a>,
}

/// A list of reason code bytes, checked when the packet was decoded. It iterates over [`ReasonCode`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReasonCodes<'a> {
    pub(crate) bytes: &'a [u8],
}

/// DISCONNECT [3.1.1 §3.14, 5.0 §3.14].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disconnect<'a> {
    /// `Success` (Normal disconnection) in 3.1 and 3.1.1, and where 5.0 leaves it out.
    pub reason: ReasonCode,
    /// 5.0.
    pub properties: Properties<'a>,
}

/// AUTH [5.0 §3.15].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Auth<'a> {
    /// `Success`, `ContinueAuthentication` or `ReAuthenticate`.
    pub reason: ReasonCode,
    /// Authentication Method and Data are here.
    pub properties: Properties<'a>,
}
