//! Reads CONNECT and its answer.

use super::{check_length, properties, reason};
use crate::property::Place;
use crate::reader::Reader;
use crate::{ConnAck, Connect, DecodeFault, Frame, PacketType, ProtocolVersion, QoS, ReasonCode, TopicName, Will};

/// CONNECT [3.1 §3.1, 3.1.1 §3.1, 5.0 §3.1].
pub(super) fn decode(frame: Frame<'_>) -> Result<Connect<'_>, DecodeFault> {
    let mut reader = Reader::new(frame.body);
    let (version, is_bridge) = version(&mut reader)?;
    if frame.flags() != 0 && version != ProtocolVersion::V31 {
        return Err(DecodeFault::ReservedFlags);
    }
    check_length(version, frame)?;
    let flags = Flags::read(version, reader.u8()?)?;
    let keep_alive_s = reader.u16()?;
    let properties = properties(version, &mut reader, Place::Connect)?;
    if properties.authentication_data().is_some() && properties.authentication_method().is_none() {
        return Err(DecodeFault::AuthenticationDataWithoutMethod);
    }
    let client_id = reader.string()?;
    let will = if flags.will { Some(will(version, &flags, &mut reader)?) } else { None };
    let username = if flags.says_username(version, &reader) { Some(reader.string()?) } else { None };
    let password = if flags.says_password(version, &reader) { Some(reader.binary()?) } else { None };
    reader.end()?;
    let clean_start = flags.clean_start;
    Ok(Connect { version, is_bridge, clean_start, keep_alive_s, client_id, will, username, password, properties })
}

/// Protocol Name and Protocol Level. mosquitto's bridges set the highest bit of the level, before 5.0.
fn version(reader: &mut Reader<'_>) -> Result<(ProtocolVersion, bool), DecodeFault> {
    let name = reader.binary()?;
    if name != b"MQTT" && name != b"MQIsdp" {
        return Err(DecodeFault::WrongProtocolName);
    }
    match (name, reader.u8()?) {
        (b"MQIsdp", 3) => Ok((ProtocolVersion::V31, false)),
        (b"MQIsdp", 0x83) => Ok((ProtocolVersion::V31, true)),
        (b"MQTT", 4) => Ok((ProtocolVersion::V311, false)),
        (b"MQTT", 0x84) => Ok((ProtocolVersion::V311, true)),
        (b"MQTT", 5) => Ok((ProtocolVersion::V5, false)),
        _ => Err(DecodeFault::UnsupportedProtocolVersion),
    }
}

/// The Connect Flags [3.1.1 §3.1.2.3, 5.0 §3.1.2.3].
struct Flags {
    clean_start: bool,
    will: bool,
    will_qos: QoS,
    will_retain: bool,
    username: bool,
    password: bool,
}

impl Flags {
    /// 3.1 does not use the lowest bit, nor the will's bits where there is no will [3.1 §3.1].
    fn read(version: ProtocolVersion, byte: u8) -> Result<Self, DecodeFault> {
        let flag = |bit: u8| byte >> bit & 1 != 0;
        let will_qos_bits = byte >> 3 & 0b11;
        if version != ProtocolVersion::V31 {
            if flag(0) {
                return Err(DecodeFault::ReservedConnectFlag);
            }
            if !flag(2) && (will_qos_bits != 0 || flag(5)) {
                return Err(DecodeFault::WillFlagsWithoutWill);
            }
        }
        if flag(6) && !flag(7) && !version.is_v5() {
            return Err(DecodeFault::PasswordWithoutUserName);
        }
        let will_qos = match QoS::from_u8(will_qos_bits) {
            Some(qos) => qos,
            None if flag(2) => return Err(DecodeFault::InvalidWillQoS),
            None => QoS::AtMostOnce,
        };
        let (will_retain, password, username) = (flag(5), flag(6), flag(7));
        Ok(Self { clean_start: flag(1), will: flag(2), will_qos, will_retain, username, password })
    }

    /// 3.1 lets a user name be announced and then not be there, for the clients of the version before it: the
    /// packet's length goes before the flags [3.1 §3.1, "User name and password flags"].
    fn says_username(&self, version: ProtocolVersion, reader: &Reader<'_>) -> bool {
        self.username && !(version == ProtocolVersion::V31 && reader.is_empty())
    }

    /// As the user name.
    fn says_password(&self, version: ProtocolVersion, reader: &Reader<'_>) -> bool {
        self.password && !(version == ProtocolVersion::V31 && reader.is_empty())
    }
}

/// [3.1.1 §3.1.3.2, §3.1.3.3; 5.0 §3.1.3.2 to §3.1.3.4]
fn will<'a>(version: ProtocolVersion, flags: &Flags, reader: &mut Reader<'a>) -> Result<Will<'a>, DecodeFault> {
    let properties = properties(version, reader, Place::Will)?;
    let topic = TopicName::new(reader.utf8()?)?;
    let payload = reader.binary()?;
    Ok(Will { topic, payload, qos: flags.will_qos, retain: flags.will_retain, properties })
}

/// CONNACK [3.1 §3.2, 3.1.1 §3.2, 5.0 §3.2].
pub(super) fn answer(version: ProtocolVersion, mut reader: Reader<'_>) -> Result<ConnAck<'_>, DecodeFault> {
    let (flags, code) = (reader.u8()?, reader.u8()?);
    let reason = if version.is_v5() {
        reason(code, PacketType::ConnAck)?
    } else {
        ReasonCode::from_v3_return_code(code).ok_or(DecodeFault::InvalidReasonCode(code))?
    };
    let properties = properties(version, &mut reader, Place::ConnAck)?;
    reader.end()?;
    // 3.1 does not use the first byte.
    let session_present = match flags {
        _ if version == ProtocolVersion::V31 => false,
        0 => false,
        1 if reason == ReasonCode::Success => true,
        1 => return Err(DecodeFault::SessionPresentWithRefusal),
        _ => return Err(DecodeFault::ReservedConnAckFlags),
    };
    Ok(ConnAck { session_present, reason, properties })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{check_refused, check_taken, decoded};
    use super::*;
    use crate::Packet;
    use ProtocolVersion::{V5, V31, V311};

    #[test]
    fn a_connect_is_read_field_by_field() {
        // [5.0 §3.1.2, figure 3-6, MQTT-3.1.3-1]
        let bytes = b"\x10\x2C\0\x04MQTT\x05\xEE\0\x0A\x05\x11\0\0\0\x0A\0\x01c\x05\x18\0\0\0\x07\0\x01w\0\x02by\0\x04user\0\x04pass";
        let Ok(Packet::Connect(connect)) = decoded(V311, bytes) else { panic!("{:?}", decoded(V311, bytes)) };
        assert_eq!((connect.version, connect.is_bridge, connect.clean_start), (V5, false, true));
        assert_eq!((connect.keep_alive_s, connect.client_id), (10, "c"));
        assert_eq!(connect.properties.session_expiry_interval(), Some(10));
        assert_eq!((connect.username, connect.password), (Some("user"), Some(&b"pass"[..])));
        let will = connect.will.unwrap();
        assert_eq!((will.topic.as_str(), will.payload), ("w", &b"by"[..]));
        assert_eq!((will.qos, will.retain, will.properties.will_delay_interval()), (QoS::AtLeastOnce, true, Some(7)));
        // [3.1.1 §3.1.2, figure 3.6, MQTT-3.1.3-1]
        let bytes = b"\x10\x20\0\x04MQTT\x04\xEE\0\x0A\0\x01c\0\x01w\0\x02by\0\x04user\0\x04pass";
        let Ok(Packet::Connect(connect)) = decoded(V311, bytes) else { panic!("{:?}", decoded(V311, bytes)) };
        assert_eq!((connect.version, connect.client_id, connect.keep_alive_s), (V311, "c", 10));
        assert_eq!((connect.username, connect.password), (Some("user"), Some(&b"pass"[..])));
        let will = connect.will.unwrap();
        assert_eq!((will.topic.as_str(), will.payload), ("w", &b"by"[..]));
        assert_eq!((will.qos, will.retain), (QoS::AtLeastOnce, true));
    }

    #[test]
    fn the_version_comes_from_name_and_level() {
        type Row = (&'static str, &'static [u8], Result<(ProtocolVersion, bool), DecodeFault>);
        let rows: &[Row] = &[
            ("3.1 §3.1", b"\0\x06MQIsdp\x03", Ok((V31, false))),
            ("3.1.1 §3.1.2.1, §3.1.2.2", b"\0\x04MQTT\x04", Ok((V311, false))),
            ("5.0 §3.1.2.1, §3.1.2.2", b"\0\x04MQTT\x05", Ok((V5, false))),
            ("mosquitto's bridge bit", b"\0\x06MQIsdp\x83", Ok((V31, true))),
            ("mosquitto's bridge bit", b"\0\x04MQTT\x84", Ok((V311, true))),
            ("not in 5.0", b"\0\x04MQTT\x85", Err(DecodeFault::UnsupportedProtocolVersion)),
            ("5.0 MQTT-3.1.2-2", b"\0\x04MQTT\x06", Err(DecodeFault::UnsupportedProtocolVersion)),
            ("5.0 MQTT-3.1.2-2", b"\0\x04MQTT\x03", Err(DecodeFault::UnsupportedProtocolVersion)),
            ("3.1.1 MQTT-3.1.2-2", b"\0\x06MQIsdp\x04", Err(DecodeFault::UnsupportedProtocolVersion)),
            ("3.1.1 MQTT-3.1.2-1", b"\0\x04mqtt\x04", Err(DecodeFault::WrongProtocolName)),
            ("5.0 MQTT-3.1.2-1", b"\0\x04mqtt\x05", Err(DecodeFault::WrongProtocolName)),
            ("5.0 MQTT-3.1.2-1", b"\0\x06MQIsdp\x05", Err(DecodeFault::UnsupportedProtocolVersion)),
            ("3.1.1 MQTT-3.1.2-1", b"\0\0\x04", Err(DecodeFault::WrongProtocolName)),
        ];
        for (source, bytes, wanted) in rows {
            assert_eq!(version(&mut Reader::new(bytes)), *wanted, "{source}: {bytes:02x?}");
        }
    }

    #[test]
    fn a_connect_is_refused_where_the_standards_say() {
        use DecodeFault as F;
        check_refused(&[
            ("3.1.1 MQTT-3.1.2-3", V311, b"\x10\x0D\0\x04MQTT\x04\x03\0\0\0\x01c", F::ReservedConnectFlag),
            ("5.0 MQTT-3.1.2-3", V5, b"\x10\x0E\0\x04MQTT\x05\x03\0\0\0\0\x01c", F::ReservedConnectFlag),
            ("3.1.1 MQTT-3.1.2-13", V311, b"\x10\x0D\0\x04MQTT\x04\x0A\0\0\0\x01c", F::WillFlagsWithoutWill),
            ("3.1.1 MQTT-3.1.2-15", V311, b"\x10\x0D\0\x04MQTT\x04\x22\0\0\0\x01c", F::WillFlagsWithoutWill),
            ("5.0 MQTT-3.1.2-11", V5, b"\x10\x0E\0\x04MQTT\x05\x12\0\0\0\0\x01c", F::WillFlagsWithoutWill),
            ("5.0 MQTT-3.1.2-13", V5, b"\x10\x0E\0\x04MQTT\x05\x22\0\0\0\0\x01c", F::WillFlagsWithoutWill),
            ("3.1.1 MQTT-3.1.2-14", V311, b"\x10\x12\0\x04MQTT\x04\x1E\0\0\0\x01c\0\x01w\0\0", F::InvalidWillQoS),
            ("5.0 MQTT-3.1.2-12", V5, b"\x10\x14\0\x04MQTT\x05\x1E\0\0\0\0\x01c\0\0\x01w\0\0", F::InvalidWillQoS),
            ("3.1.1 §4.7.3", V311, b"\x10\x11\0\x04MQTT\x04\x06\0\0\0\x01c\0\0\0\0", F::InvalidTopicName),
            ("3.1.1 §4.7.1", V311, b"\x10\x12\0\x04MQTT\x04\x06\0\0\0\x01c\0\x01#\0\0", F::InvalidTopicName),
            ("3.1.1 MQTT-3.1.2-22", V311, b"\x10\x10\0\x04MQTT\x04\x42\0\0\0\x01c\0\x01p", F::PasswordWithoutUserName),
            ("3.1 §3.1", V31, b"\x10\x12\0\x06MQIsdp\x03\x42\0\0\0\x01c\0\x01p", F::PasswordWithoutUserName),
            ("3.1.1 MQTT-3.1.2-9", V311, b"\x10\x0D\0\x04MQTT\x04\x06\0\0\0\x01c", F::Truncated),
            ("3.1.1 MQTT-3.1.2-9", V311, b"\x10\x10\0\x04MQTT\x04\x06\0\0\0\x01c\0\x01w", F::Truncated),
            ("5.0 MQTT-3.1.2-9", V5, b"\x10\x0E\0\x04MQTT\x05\x06\0\0\0\0\x01c", F::Truncated),
            ("5.0 MQTT-3.1.2-9", V5, b"\x10\x0F\0\x04MQTT\x05\x06\0\0\0\0\x01c\0", F::Truncated),
            ("5.0 MQTT-3.1.2-9", V5, b"\x10\x12\0\x04MQTT\x05\x06\0\0\0\0\x01c\0\0\x01w", F::Truncated),
            ("3.1.1 MQTT-3.1.2-11", V311, b"\x10\x12\0\x04MQTT\x04\x02\0\0\0\x01c\0\x01w\0\0", F::TrailingBytes),
            ("3.1.1 MQTT-3.1.2-11", V311, b"\x10\x12\0\x04MQTT\x04\x2A\0\0\0\x01c\0\x01w\0\0", F::WillFlagsWithoutWill),
            ("3.1.1 MQTT-3.1.2-19", V311, b"\x10\x0D\0\x04MQTT\x04\x82\0\0\0\x01c", F::Truncated),
            ("3.1.1 MQTT-3.1.2-18", V311, b"\x10\x10\0\x04MQTT\x04\x02\0\0\0\x01c\0\x01u", F::TrailingBytes),
            ("5.0 MQTT-3.1.2-16", V5, b"\x10\x11\0\x04MQTT\x05\x02\0\0\0\0\x01c\0\x01u", F::TrailingBytes),
            ("5.0 MQTT-3.1.2-17", V5, b"\x10\x0E\0\x04MQTT\x05\x82\0\0\0\0\x01c", F::Truncated),
            ("3.1.1 MQTT-3.1.2-20", V311, b"\x10\x13\0\x04MQTT\x04\x82\0\0\0\x01c\0\x01u\0\x01p", F::TrailingBytes),
            ("5.0 MQTT-3.1.2-18", V5, b"\x10\x14\0\x04MQTT\x05\x82\0\0\0\0\x01c\0\x01u\0\x01p", F::TrailingBytes),
            ("3.1.1 MQTT-3.1.2-21", V311, b"\x10\x10\0\x04MQTT\x04\xC2\0\0\0\x01c\0\x01u", F::Truncated),
            ("5.0 MQTT-3.1.2-19", V5, b"\x10\x11\0\x04MQTT\x05\xC2\0\0\0\0\x01c\0\x01u", F::Truncated),
            ("3.1.1 MQTT-3.1.3-3", V311, b"\x10\x0A\0\x04MQTT\x04\x02\0\0", F::Truncated),
            ("5.0 MQTT-3.1.3-3", V5, b"\x10\x0B\0\x04MQTT\x05\x02\0\0\0", F::Truncated),
            ("3.1.1 MQTT-3.1.3-4", V311, b"\x10\x0D\0\x04MQTT\x04\x02\0\0\0\x01\xFF", F::InvalidUtf8),
            ("5.0 MQTT-3.1.3-4", V5, b"\x10\x0E\0\x04MQTT\x05\x02\0\0\0\0\x01\xFF", F::InvalidUtf8),
            ("3.1.1 MQTT-3.1.3-10", V311, b"\x10\x12\0\x04MQTT\x04\x06\0\0\0\x01c\0\x01\xFF\0\0", F::InvalidUtf8),
            ("5.0 MQTT-3.1.3-11", V5, b"\x10\x14\0\x04MQTT\x05\x06\0\0\0\0\x01c\0\0\x01\xFF\0\0", F::InvalidUtf8),
            ("3.1.1 MQTT-3.1.3-11", V311, b"\x10\x10\0\x04MQTT\x04\x82\0\0\0\x01c\0\x01\xFF", F::InvalidUtf8),
            ("5.0 MQTT-3.1.3-12", V5, b"\x10\x11\0\x04MQTT\x05\x82\0\0\0\0\x01c\0\x01\xFF", F::InvalidUtf8),
            (
                "5.0 §3.1.2.11.10",
                V5,
                b"\x10\x12\0\x04MQTT\x05\x02\0\0\x04\x16\0\x01d\0\x01c",
                F::AuthenticationDataWithoutMethod,
            ),
            (
                "5.0 §3.1.2.11.3",
                V5,
                b"\x10\x11\0\x04MQTT\x05\x02\0\0\x03\x21\0\0\0\x01c",
                F::InvalidPropertyValue(0x21),
            ),
            ("5.0 §2.2.2.2", V5, b"\x10\x10\0\x04MQTT\x05\x02\0\0\x02\x25\0\0\x01c", F::PropertyNotAllowed(0x25)),
            ("5.0 MQTT-1.5.5-1", V5, b"\x10\x8E\0\0\x04MQTT\x05\x02\0\0\0\0\x01c", F::IntegerNotMinimal),
            ("3.1.1 MQTT-2.2.2-2", V311, b"\x12\x0D\0\x04MQTT\x04\x02\0\0\0\x01c", F::ReservedFlags),
        ]);
    }

    #[test]
    fn a_connect_is_taken_where_its_version_does_not_forbid() {
        check_taken(&[
            ("5.0 §3.1.2.9", V5, b"\x10\x11\0\x04MQTT\x05\x42\0\0\0\0\x01c\0\x01p"),
            ("3.1 §3.1, bit 0 is not used", V31, b"\x10\x0F\0\x06MQIsdp\x03\x03\0\0\0\x01c"),
            ("3.1 §3.1, no will", V31, b"\x10\x0F\0\x06MQIsdp\x03\x3A\0\0\0\x01c"),
            ("3.1 §3.1, flags without the fields", V31, b"\x10\x0F\0\x06MQIsdp\x03\xC2\0\0\0\x01c"),
            ("3.1 §3.1, flag without the password", V31, b"\x10\x12\0\x06MQIsdp\x03\xC2\0\0\0\x01c\0\x01u"),
            ("3.1.1 MQTT-3.1.3-6, an empty identifier", V311, b"\x10\x0C\0\x04MQTT\x04\x02\0\0\0\0"),
            ("the version of the connection is not asked", V31, b"\x10\x0D\0\x04MQTT\x05\x02\0\0\0\0\0"),
        ]);
    }

    #[test]
    fn a_connack_says_what_the_standards_let_it_say() {
        use DecodeFault as F;
        check_taken(&[
            ("3.1.1 §3.2.2.2", V311, b"\x20\x02\x01\0"),
            ("3.1 §3.2, the first byte is not used", V31, b"\x20\x02\xFF\x05"),
            ("5.0 §3.2.2.3", V5, b"\x20\x09\0\0\x06\x22\0\x0A\x21\0\x14"),
        ]);
        check_refused(&[
            ("3.1.1 §3.2.2.1", V311, b"\x20\x02\x02\0", F::ReservedConnAckFlags),
            ("5.0 MQTT-3.2.2-1", V5, b"\x20\x03\x80\0\0", F::ReservedConnAckFlags),
            ("3.1.1 MQTT-3.2.2-4", V311, b"\x20\x02\x01\x05", F::SessionPresentWithRefusal),
            ("5.0 MQTT-3.2.2-6", V5, b"\x20\x03\x01\x87\0", F::SessionPresentWithRefusal),
            ("3.1.1 §3.2.2.3", V311, b"\x20\x02\0\x06", F::InvalidReasonCode(6)),
            ("5.0 MQTT-3.2.2-8", V5, b"\x20\x03\0\x8B\0", F::InvalidReasonCode(0x8B)),
            ("5.0 §3.2.2.3.4", V5, b"\x20\x05\0\0\x02\x24\x02", F::InvalidPropertyValue(0x24)),
            ("3.1.1 §3.2", V311, b"\x20\x03\0\0\0", F::TrailingBytes),
            ("5.0 §3.2.2.3.1", V5, b"\x20\x02\0\0", F::Truncated),
        ]);
    }
}
