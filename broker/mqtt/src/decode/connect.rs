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
