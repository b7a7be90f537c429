//! What a client hears, in words: `PUBLISH a/b hello q1 id3 dup`, `PUBACK 7 0x10`, `CONNACK 0x00 present`, `CLOSED`.

use std::fmt::Write as _;

use mqtt::{Ack, Packet, Properties, Property, ProtocolVersion, QoS, ReasonCode, TopicName, next_frame};

/// A packet from the broker in words: what is usual is left out.
pub(crate) fn words(version: ProtocolVersion, bytes: &[u8]) -> String {
    let frame = next_frame(bytes, u32::MAX).unwrap().unwrap_or_else(|| panic!("half a packet: {bytes:?}"));
    assert_eq!(frame.len, bytes.len(), "one packet at a time");
    let packet = Packet::decode(version, frame).unwrap_or_else(|fault| panic!("{fault}: {bytes:?}"));
    match packet {
        Packet::ConnAck(p) => {
            let present = if p.session_present { " present" } else { "" };
            let code = if version.is_v5() { p.reason.as_u8() } else { p.reason.v3_return_code() };
            format!("CONNACK {code:#04x}{present}{}{}", authentication(p.properties), reason_words(p.properties))
        }
        Packet::Publish(p) => {
            let topic = p.topic.map_or("", TopicName::as_str);
            let mut words = format!("PUBLISH {topic} {}", String::from_utf8_lossy(p.payload));
            if p.qos > QoS::AtMostOnce {
                let _ = write!(words, " q{}", p.qos.as_u8());
            }
            p.packet_id.map(|id| write!(words, " id{id}"));
            p.dup.then(|| words += " dup");
            p.retain.then(|| words += " retain");
            for property in p.properties {
                let _ = match property {
                    Property::MessageExpiryInterval(s) => write!(words, " expiry={s}"),
                    Property::SubscriptionIdentifier(n) => write!(words, " sub={n}"),
                    Property::TopicAlias(n) => write!(words, " alias={n}"),
                    other => write!(words, " {other:?}"),
                };
            }
            words
        }
        Packet::PubAck(p) => ack_words("PUBACK", p),
        Packet::PubRec(p) => ack_words("PUBREC", p),
        Packet::PubRel(p) => ack_words("PUBREL", p),
        Packet::PubComp(p) => ack_words("PUBCOMP", p),
        Packet::SubAck(p) => format!("SUBACK {} {}{}", p.packet_id, codes(p.reasons), reason_words(p.properties)),
        Packet::UnsubAck(p) => format!("UNSUBACK {} {}", p.packet_id, codes(p.reasons)),
        Packet::PingResp => "PINGRESP".to_owned(),
        Packet::Disconnect(p) => format!("DISCONNECT {:#04x}{}", p.reason.as_u8(), reason_words(p.properties)),
        Packet::Auth(p) => {
            let others = p.properties.iter().filter(|property| {
                !matches!(property, Property::AuthenticationMethod(_) | Property::AuthenticationData(_))
            });
            let mut words = format!("AUTH {:#04x}{}", p.reason.as_u8(), authentication(p.properties));
            for property in others {
                let _ = write!(words, " {property:?}");
            }
            words
        }
        other => format!("not a server's packet: {other:?}"),
    }
}

fn authentication(properties: Properties<'_>) -> String {
    let mut words = properties.authentication_method().map_or(String::new(), |method| format!(" {method}"));
    if let Some(data) = properties.authentication_data() {
        let _ = write!(words, ": {}", String::from_utf8_lossy(data));
    }
    words
}

fn ack_words(name: &str, ack: Ack<'_>) -> String {
    match ack.reason {
        ReasonCode::Success => format!("{name} {}", ack.packet_id),
        reason => format!("{name} {} {:#04x}{}", ack.packet_id, reason.as_u8(), reason_words(ack.properties)),
    }
}

fn reason_words(properties: Properties<'_>) -> String {
    properties.reason_string().map_or_else(String::new, |why| format!(" ({why})"))
}

fn codes(codes: mqtt::ReasonCodes<'_>) -> String {
    let codes: Vec<_> = codes.iter().map(|code| format!("{:02x}", code.as_u8())).collect();
    format!("[{}]", codes.join(" "))
}
