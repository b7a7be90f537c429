//! Our codec against two that others wrote, `rmqtt-codec` and `mqtt-proto`, on right packets and on changed ones.
//!
//! Where one takes what another refuses, or reads something else in it, a row below says which clause decides. A
//! disagreement without a row fails, and so does a row that no packet needed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod generator;

use std::collections::{BTreeMap, BTreeSet};
use std::panic::catch_unwind;

use bytes::BytesMut;
use generator::{Random, mutate, with_packet};
use mqtt::{DecodeFault, Packet, Properties, Property, ProtocolVersion, next_frame};
use tokio_util::codec::{Decoder, Encoder};

/// Another's codec.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Other {
    Rmqtt,
    MqttProto,
}
use Other::{MqttProto, Rmqtt};

/// What another made of a packet: the bytes it writes for what it has read, or why it refused.
type Reading = Result<Vec<u8>, String>;

impl Other {
    fn read(self, version: ProtocolVersion, bytes: &[u8]) -> Reading {
        let (whole, is_v5) = (bytes.to_vec(), version == ProtocolVersion::V5);
        catch_unwind(move || match (self, is_v5) {
            (Rmqtt, false) => {
                let (packet, _) = take(rmqtt_codec::v3::Codec::new(0).decode(&mut BytesMut::from(&whole[..])))?;
                let mut out = BytesMut::new();
                rmqtt_codec::v3::Codec::new(0).encode(packet, &mut out).map_err(|fault| format!("{fault:?}"))?;
                Ok(out.to_vec())
            }
            (Rmqtt, true) => {
                let (packet, _) = take(rmqtt_codec::v5::Codec::new(0, 0).decode(&mut BytesMut::from(&whole[..])))?;
                let mut out = BytesMut::new();
                rmqtt_codec::v5::Codec::new(0, 0).encode(packet, &mut out).map_err(|fault| format!("{fault:?}"))?;
                Ok(out.to_vec())
            }
            (MqttProto, false) => {
                let packet = take(mqtt_proto::v3::Packet::decode(&whole))?;
                Ok(packet.encode().map_err(|fault| format!("{fault:?}"))?.as_ref().to_vec())
            }
            (MqttProto, true) => {
                let packet = take(mqtt_proto::v5::Packet::decode(&whole))?;
                Ok(packet.encode().map_err(|fault| format!("{fault:?}"))?.as_ref().to_vec())
            }
        })
        .unwrap_or_else(|_| Err("Panic".into()))
    }
}

/// A whole packet was given, so "more bytes, please" is a refusal.
fn take<P, F: std::fmt::Debug>(read: Result<Option<P>, F>) -> Result<P, String> {
    match read {
        Ok(Some(packet)) => Ok(packet),
        Ok(None) => Err("Incomplete".into()),
        Err(fault) => Err(format!("{fault:?}")),
    }
}

fn ours(version: ProtocolVersion, bytes: &[u8]) -> Result<Packet<'_>, DecodeFault> {
    Packet::decode(version, next_frame(bytes, 0)?.expect("a whole packet"))
}

/// What a packet means: properties in no order but their own kind's, and without those that say what is so anyway.
fn meaning(packet: &Packet) -> String {
    let mut packet = *packet;
    let mut said = Vec::new();
    let mut take = |properties: &mut Properties| {
        let mut list: Vec<_> = properties.iter().filter(|property| !is_default(property)).collect();
        list.sort_by_key(|property| format!("{:?}", std::mem::discriminant(property)));
        said.push(format!("{list:?}"));
        *properties = Properties::EMPTY;
    };
    match &mut packet {
        Packet::Connect(packet) => {
            take(&mut packet.properties);
            if let Some(will) = &mut packet.will {
                take(&mut will.properties);
            }
        }
        Packet::ConnAck(packet) => take(&mut packet.properties),
        Packet::Publish(packet) => take(&mut packet.properties),
        Packet::PubAck(packet) | Packet::PubRec(packet) | Packet::PubRel(packet) | Packet::PubComp(packet) => {
            take(&mut packet.properties);
        }
        Packet::Subscribe(packet) => take(&mut packet.properties),
        Packet::SubAck(packet) => take(&mut packet.properties),
        Packet::Unsubscribe(packet) => take(&mut packet.properties),
        Packet::UnsubAck(packet) => take(&mut packet.properties),
        Packet::Disconnect(packet) => take(&mut packet.properties),
        Packet::Auth(packet) => take(&mut packet.properties),
        Packet::PingReq | Packet::PingResp => {}
    }
    format!("{packet:?} {said:?}")
}

/// [5.0 §3.1.2.11, §3.2.2.3]
fn is_default(property: &Property) -> bool {
    matches!(
        property,
        Property::SessionExpiryInterval(0)
            | Property::ReceiveMaximum(65_535)
            | Property::TopicAliasMaximum(0)
            | Property::RequestProblemInformation(true)
            | Property::RequestResponseInformation(false)
            | Property::RetainAvailable(true)
            | Property::WildcardSubscriptionAvailable(true)
            | Property::SubscriptionIdentifiersAvailable(true)
            | Property::SharedSubscriptionAvailable(true)
    )
}

/// We refuse with this fault what the other takes, by this clause.
#[rustfmt::skip]
const WE_REFUSE: &[(Other, &str, &str)] = &[
    // who       our fault                      what decides
    (Rmqtt,     "AuthenticationDataWithoutMethod", "5.0 §3.1.2.11.10: a Protocol Error"),
    (MqttProto, "AuthenticationDataWithoutMethod", "5.0 §3.1.2.11.10: a Protocol Error"),
    (Rmqtt,     "NoLocalOnSharedSubscription",  "5.0 MQTT-3.8.3-4: a Protocol Error"),
    (MqttProto, "NoLocalOnSharedSubscription",  "5.0 MQTT-3.8.3-4: a Protocol Error"),
    (Rmqtt,     "DupWithQoS0",                  "3.1.1 and 5.0 MQTT-3.3.1-2: DUP is 0 at QoS 0"),
    (MqttProto, "DupWithQoS0",                  "3.1.1 and 5.0 MQTT-3.3.1-2: DUP is 0 at QoS 0"),
    (Rmqtt,     "ForbiddenCharacter",           "both §1.5: MAY be refused; mosquitto does"),
    (MqttProto, "ForbiddenCharacter",           "both §1.5: MAY be refused; mosquitto does"),
    (Rmqtt,     "IntegerNotMinimal",            "5.0 MQTT-1.5.5-1"),
    (MqttProto, "IntegerNotMinimal",            "5.0 MQTT-1.5.5-1"),
    (Rmqtt,     "InvalidPropertyValue(8)",      "5.0 MQTT-3.3.2-14: no wildcard in a Response Topic"),
    (MqttProto, "InvalidPropertyValue(11)",     "5.0 §3.8.2.1.2: Subscription Identifier 0 is a Protocol Error"),
    (MqttProto, "InvalidPropertyValue(33)",     "5.0 §3.1.2.11.3: Receive Maximum 0 is a Protocol Error"),
    (MqttProto, "InvalidPropertyValue(39)",     "5.0 §3.1.2.11.4: Maximum Packet Size 0 is a Protocol Error"),
    (Rmqtt,     "InvalidReasonCode(6)",         "3.1.1 §3.2.2.3: return codes 6 to 255 are reserved"),
    (Rmqtt,     "InvalidTopicFilter",           "3.1.1 MQTT-4.7.1-2, MQTT-4.7.1-3; 5.0 MQTT-4.7.1-1, MQTT-4.7.1-2"),
    (MqttProto, "InvalidTopicFilter",           "3.1.1 MQTT-4.7.1-3; 5.0 MQTT-4.7.1-2: + is a whole level"),
    (Rmqtt,     "InvalidTopicName",             "3.1.1 MQTT-3.3.2-2, 5.0 MQTT-3.3.2-2: no wildcards"),
    (MqttProto, "InvalidTopicName",             "3.1.1 and 5.0 MQTT-4.7.3-1: at least one character"),
    (Rmqtt,     "MissingTopic",                 "5.0 §3.3.2.1: a Protocol Error"),
    (MqttProto, "MissingTopic",                 "5.0 §3.3.2.1: a Protocol Error"),
    (Rmqtt,     "NoAuthenticationMethod",       "5.0 §3.15.2.2.2: a Protocol Error"),
    (MqttProto, "NoAuthenticationMethod",       "5.0 §3.15.2.2.2: a Protocol Error"),
    (Rmqtt,     "NoReasonCode",                 "3.1.1 MQTT-3.8.4-5, 5.0 MQTT-3.8.4-6: one for each filter, and there is one"),
    (MqttProto, "NoReasonCode",                 "3.1.1 MQTT-3.8.4-5, 5.0 MQTT-3.8.4-6: one for each filter, and there is one"),
    (Rmqtt,     "NullCharacter",                "3.1.1 MQTT-1.5.3-2, 5.0 MQTT-1.5.4-2"),
    (MqttProto, "NullCharacter",                "3.1.1 MQTT-1.5.3-2, 5.0 MQTT-1.5.4-2"),
    (Rmqtt,     "PasswordWithoutUserName",      "3.1.1 MQTT-3.1.2-22"),
    (MqttProto, "PasswordWithoutUserName",      "3.1.1 MQTT-3.1.2-22"),
    (Rmqtt,     "ReservedSubscriptionOptions",  "3.1.1 MQTT-3-8.3-4"),
    (Rmqtt,     "SessionPresentWithRefusal",    "3.1.1 MQTT-3.2.2-4, 5.0 MQTT-3.2.2-6"),
    (MqttProto, "SessionPresentWithRefusal",    "3.1.1 MQTT-3.2.2-4, 5.0 MQTT-3.2.2-6"),
    (Rmqtt,     "TrailingBytes",                "both: a packet is as long as its fields (3.1.1 §2.2.3, 5.0 §2.1.4)"),
    (MqttProto, "TrailingBytes",                "both: a packet is as long as its fields (3.1.1 §2.2.3, 5.0 §2.1.4)"),
    (Rmqtt,     "Truncated",                    "5.0 §3.15.2.1: Reason Code and Property Length are left out together"),
    (Rmqtt,     "WillFlagsWithoutWill",         "5.0 MQTT-3.1.2-11, MQTT-3.1.2-13"),
    (MqttProto, "WillFlagsWithoutWill",         "5.0 MQTT-3.1.2-11, MQTT-3.1.2-13"),
    (MqttProto, "ZeroTopicAlias",               "5.0 MQTT-3.3.2-8"),
];

/// Why the other may refuse what we take: its fault (as far as written here), what the packet must be like, and
/// what says that it is right as it is.
type Excuse = (Other, &'static str, fn(&Case) -> bool, &'static str);
#[rustfmt::skip]
const WE_TAKE: &[Excuse] = &[
    // who       its fault                  where                     what decides
    (Rmqtt,     "UnsupportedPacketType",    is_v31_flags,       "3.1 §2.1: flags are not used outside of PUBLISH"),
    (MqttProto, "InvalidHeader",            is_v31_flags,       "3.1 §2.1: flags are not used outside of PUBLISH"),
    (Rmqtt,     "UnsupportedProtocolLevel", is_bridge,          "mosquitto's bridge bit in the level"),
    (MqttProto, "InvalidProtocol",          is_bridge,          "mosquitto's bridge bit in the level"),
    (Rmqtt,     "ConnAckReservedFlagSet",   is_v31,             "3.1 §3.2: the first byte is not used"),
    (MqttProto, "InvalidConnackFlags",      is_v31,             "3.1 §3.2: the first byte is not used"),
    (Rmqtt,     "ConnectReservedFlagSet",   is_v31,             "3.1 §3.1: bit 0 is not used"),
    (MqttProto, "InvalidConnectFlags",      is_v31,             "3.1 §3.1: bit 0, and the will's without a will, are not used"),
    (Rmqtt,     "InvalidConnectFlags",      is_v31,             "3.1 §3.1: the will's bits are not used without a will"),
    (Rmqtt,     "InvalidLength",            is_v31,             "3.1 §3.1: a flag without its user name or password is valid"),
    (MqttProto, "Incomplete",               is_v31,             "3.1 §3.1: a flag without its user name or password is valid"),
    (Rmqtt,     "InvalidClientId",          has_no_client_id,   "5.0 MQTT-3.1.3-6; 3.1.1 MQTT-3.1.3-8: an answer, not a malformed packet"),
    (Rmqtt,     "MalformedPacket",          expires_at_once,    "5.0 §3.3.2.3.3: any Four Byte Integer"),
    (MqttProto, "InvalidPayloadFormat",     says_text,          "5.0 §3.3.2.3.2: the receiver MAY validate the payload, and it MUST be sent on unaltered"),
];

/// Both take it and read something else in it.
type Otherwise = (Other, fn(&Case) -> bool, &'static str);
#[rustfmt::skip]
const WE_READ_OTHERWISE: &[Otherwise] = &[
    (Rmqtt,     is_v31_connect,   "3.1 §3.1: the name of level 3 is MQIsdp, and it writes MQTT"),
    (MqttProto, is_v3_failure,    "3.1.1 §3.9.3: the failure code is 0x80, and it writes 3"),
    (Rmqtt,     says_not_text,    "5.0 §3.3.2.3.2: Payload Format Indicator is sent on unaltered, and it leaves 0 out"),
];

/// A packet that we take.
struct Case<'a> {
    version: ProtocolVersion,
    packet: Packet<'a>,
    bytes: &'a [u8],
}

fn is_v31(case: &Case) -> bool {
    case.version == ProtocolVersion::V31
}

fn is_v31_flags(case: &Case) -> bool {
    let right = if matches!(case.bytes[0] >> 4, 6 | 8 | 10) { 2 } else { 0 };
    is_v31(case) && case.bytes[0] >> 4 != 3 && case.bytes[0] & 0x0F != right
}

fn is_v31_connect(case: &Case) -> bool {
    is_v31(case) && matches!(case.packet, Packet::Connect(_))
}

fn is_bridge(case: &Case) -> bool {
    matches!(case.packet, Packet::Connect(connect) if connect.is_bridge)
}

fn has_no_client_id(case: &Case) -> bool {
    matches!(case.packet, Packet::Connect(connect) if connect.client_id.is_empty() && !connect.clean_start)
}

fn is_v3_failure(case: &Case) -> bool {
    case.version != ProtocolVersion::V5
        && matches!(case.packet, Packet::SubAck(suback) if suback.reasons.iter().any(mqtt::ReasonCode::is_failure))
}

/// The properties of a message, published now or later.
fn of_message<'a>(case: &Case<'a>) -> Properties<'a> {
    match case.packet {
        Packet::Publish(publish) => publish.properties,
        Packet::Connect(connect) => connect.will.map_or(Properties::EMPTY, |will| will.properties),
        _ => Properties::EMPTY,
    }
}

fn expires_at_once(case: &Case) -> bool {
    of_message(case).message_expiry_interval() == Some(0)
}

fn says_text(case: &Case) -> bool {
    of_message(case).payload_format_indicator() == Some(true)
}

fn says_not_text(case: &Case) -> bool {
    of_message(case).payload_format_indicator() == Some(false)
}

/// How a comparison came out.
enum Outcome {
    Agreed,
    Explained(&'static str, usize),
    Unexplained(String),
}

fn compare(other: Other, version: ProtocolVersion, bytes: &[u8]) -> Outcome {
    let read = ours(version, bytes);
    // CONNECT says its version itself: ask the codec of that version.
    let version = if let Ok(Packet::Connect(connect)) = read { connect.version } else { version };
    match (read, other.read(version, bytes)) {
        (Err(_), Err(_)) => Outcome::Agreed,
        (Err(fault), Ok(_)) => {
            let fault = format!("{fault:?}");
            match WE_REFUSE.iter().position(|row| row.0 == other && row.1 == fault) {
                Some(row) => Outcome::Explained("WE_REFUSE", row),
                None => Outcome::Unexplained(format!("{other:?} takes what we refuse with {fault}")),
            }
        }
        (Ok(packet), Err(fault)) => {
            let fits =
                |row: &Excuse| row.0 == other && fault.contains(row.1) && row.2(&Case { version, packet, bytes });
            match WE_TAKE.iter().position(fits) {
                Some(row) => Outcome::Explained("WE_TAKE", row),
                None => Outcome::Unexplained(format!("{other:?} refuses with {fault} what we take: {packet:?}")),
            }
        }
        (Ok(packet), Ok(theirs)) => {
            let theirs = ours(version, &theirs).map(|packet| meaning(&packet));
            if theirs.as_deref() == Ok(&meaning(&packet)) {
                return Outcome::Agreed;
            }
            let fits = |row: &Otherwise| row.0 == other && row.1(&Case { version, packet, bytes });
            match WE_READ_OTHERWISE.iter().position(fits) {
                Some(row) => Outcome::Explained("WE_READ_OTHERWISE", row),
                None => Outcome::Unexplained(format!("{other:?} reads {theirs:?}, we read {}", meaning(&packet))),
            }
        }
    }
}

/// Packets that chance brings too seldom.
const RARE: &[(ProtocolVersion, &[u8])] = &[
    (ProtocolVersion::V5, b"\xF0\x02\x18\0"),
    (ProtocolVersion::V5, b"\x10\x12\0\x04MQTT\x05\x02\0\0\x04\x16\0\x01d\0\x01c"),
    (ProtocolVersion::V5, b"\x10\x13\0\x04MQTT\x05\x02\0\0\x05\x27\0\0\0\0\0\x01c"),
    (ProtocolVersion::V5, b"\x82\x09\0\x01\x02\x0B\0\0\x01a\0"),
    (ProtocolVersion::V5, b"\x82\x10\0\x01\0\0\x0A$share/g/a\x04"),
    (ProtocolVersion::V5, b"\x82\x0F\0\x01\0\0\x09$share/ga\0"),
];

/// What has come out so far.
#[derive(Default)]
struct Tally {
    agreed: u32,
    explained: u32,
    needed: BTreeSet<(&'static str, usize)>,
    unexplained: BTreeMap<String, (u32, String)>,
}

impl Tally {
    fn count(&mut self, version: ProtocolVersion, bytes: &[u8]) {
        for other in [Rmqtt, MqttProto] {
            match compare(other, version, bytes) {
                Outcome::Agreed => self.agreed += 1,
                Outcome::Explained(list, row) => {
                    self.explained += 1;
                    self.needed.insert((list, row));
                }
                Outcome::Unexplained(how) => {
                    let kind: String = how.chars().take(70).collect();
                    let example = format!("{version:?}: {how}\n    {bytes:02x?}");
                    self.unexplained.entry(kind).or_insert((0, example)).0 += 1;
                }
            }
        }
    }
}

#[test]
fn every_disagreement_with_other_codecs_is_decided_by_a_clause() {
    std::panic::set_hook(Box::new(|_| {})); // a panic of another's codec is a refusal, and not worth a stack trace
    let mut tally = Tally::default();
    for &(version, bytes) in RARE {
        tally.count(version, bytes);
    }
    for seed in 0..40_000 {
        for version in [ProtocolVersion::V31, ProtocolVersion::V311, ProtocolVersion::V5] {
            let mut random = Random(seed);
            let right = with_packet(&mut random, version, |packet| {
                let mut bytes = Vec::new();
                packet.encode(version, &mut bytes).unwrap();
                bytes
            });
            tally.count(version, &right);
            tally.count(version, &mutate(&mut random, &right));
        }
    }
    let _ = std::panic::take_hook();
    let list: Vec<_> = tally.unexplained.values().map(|(count, example)| format!("{count} like {example}")).collect();
    assert!(list.is_empty(), "{} kinds of disagreement have no clause:\n{}", list.len(), list.join("\n"));
    println!("{} agreed, {} explained", tally.agreed, tally.explained);
    let rows =
        [("WE_REFUSE", WE_REFUSE.len()), ("WE_TAKE", WE_TAKE.len()), ("WE_READ_OTHERWISE", WE_READ_OTHERWISE.len())];
    let rows = rows.iter().flat_map(|&(list, len)| (0..len).map(move |row| (list, row)));
    let unneeded: Vec<_> = rows.filter(|row| !tally.needed.contains(row)).collect();
    assert!(unneeded.is_empty(), "these explain nothing: {unneeded:?}");
}
