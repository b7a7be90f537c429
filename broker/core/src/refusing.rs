//! A refusal in the words of CONNACK. Why somebody is refused is decided elsewhere.

use mqtt::{ProtocolVersion, ReasonCode};

use crate::Refusal;

/// The 5.0 reason of a refusal; 3.1 and 3.1.1 get the return code that it maps to. `None`: the connection is closed
/// without a word, as mosquitto does where 3.1 and 3.1.1 have none for it.
pub(crate) const fn reason(why: Refusal, version: ProtocolVersion) -> Option<ReasonCode> {
    Some(match why {
        // mosquitto answers both with "not authorised", which tells a guesser nothing.
        Refusal::Anonymous
        | Refusal::Password
        | Refusal::NoUsername
        | Refusal::AuthenticationData(_)
        | Refusal::Prefix => ReasonCode::NotAuthorized,
        Refusal::Identity => ReasonCode::BadUserNameOrPassword,
        Refusal::Exchange(fault) => fault.reason(),
        Refusal::Busy => ReasonCode::ServerUnavailable,
        Refusal::StoreFull | Refusal::MemoryFull if !version.is_v5() => ReasonCode::ServerUnavailable,
        Refusal::StoreFull | Refusal::MemoryFull => ReasonCode::QuotaExceeded,
        Refusal::Version => ReasonCode::UnsupportedProtocolVersion,
        Refusal::ClientId | Refusal::KeepAlive => ReasonCode::ClientIdentifierNotValid,
        Refusal::Full | Refusal::WillQoS | Refusal::WillRetain if !version.is_v5() => return None,
        Refusal::Full => ReasonCode::ServerBusy,
        Refusal::WillQoS => ReasonCode::QoSNotSupported,
        Refusal::WillRetain => ReasonCode::RetainNotSupported,
        Refusal::WillSize if !version.is_v5() => ReasonCode::NotAuthorized,
        Refusal::WillSize => ReasonCode::PacketTooLarge,
        Refusal::Method => ReasonCode::BadAuthenticationMethod,
        // A client that takes no CONNACK is sent none [5.0 MQTT-3.1.2-24]; nor is one that was too slow, of whatever kind.
        Refusal::AnswerSize | Refusal::Slow => return None,
    })
}
