//! Why a broker that we dialled did not let us in by TLS, in the operator's words.
//!
//! The other side of [`crate::TlsFault`] and [`crate::PskFault`]: here we are the router. Each
//! `Display` goes on after the broker's address ("mqtt.example.org:8883 …").

use crate::fault::{certificate_alert, reason};
use rustls::{AlertDescription, CertificateError, PeerIncompatible};
use std::fmt;

/// Why an outgoing connection failed to be encrypted.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum BrokerFault {
    /// Its certificate was issued by a CA that we do not trust.
    UnknownCa,
    /// Its certificate has expired.
    Expired,
    /// Its certificate is not valid yet.
    NotYetValid,
    /// Its certificate is for other names, which are listed.
    WrongName(Vec<String>),
    /// Its certificate has another fault.
    BadCertificate(String),
    /// It requires a certificate of ours.
    ClientCertificateRequired,
    /// It refuses our certificate, with this alert.
    RejectedOurCertificate(&'static str),
    /// It does not know our PSK identity.
    UnknownIdentity,
    /// It knows our PSK identity with another key.
    WrongKey,
    /// No version of TLS in common.
    NoCommonVersion,
    /// No cipher suite in common.
    NoCommonSuite,
    /// What it answered is not TLS.
    NotTls,
    /// It closed the connection in the middle of the handshake.
    Closed,
    /// Something else.
    Other(String),
}

/// Names the fault behind an error of a rustls client connection.
pub fn describe_broker_tls_failure(error: &rustls::Error) -> BrokerFault {
    use rustls::Error as E;
    match error {
        E::InvalidCertificate(cause) => certificate_fault(cause),
        E::AlertReceived(alert) => match (certificate_alert(*alert), alert) {
            (Some(name), _) => BrokerFault::RejectedOurCertificate(name),
            (_, AlertDescription::CertificateRequired) => BrokerFault::ClientCertificateRequired,
            (_, AlertDescription::ProtocolVersion) => BrokerFault::NoCommonVersion,
            (_, AlertDescription::HandshakeFailure | AlertDescription::InsufficientSecurity) => {
                BrokerFault::NoCommonSuite
            }
            (_, other) => BrokerFault::Other(format!("it ended the handshake with the alert {other:?}")),
        },
        E::PeerIncompatible(
            PeerIncompatible::ServerDoesNotSupportTls12Or13 | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig,
        ) => BrokerFault::NoCommonVersion,
        E::InvalidMessage(_) => BrokerFault::NotTls,
        other => BrokerFault::Other(other.to_string()),
    }
}

fn certificate_fault(cause: &CertificateError) -> BrokerFault {
    use CertificateError as C;
    match cause {
        C::UnknownIssuer | C::BadSignature => BrokerFault::UnknownCa,
        C::Expired | C::ExpiredContext { .. } => BrokerFault::Expired,
        C::NotValidYet | C::NotValidYetContext { .. } => BrokerFault::NotYetValid,
        C::NotValidForName => BrokerFault::WrongName(Vec::new()),
        C::NotValidForNameContext { presented, .. } => BrokerFault::WrongName(presented.clone()),
        other => BrokerFault::BadCertificate(other.to_string()),
    }
}

/// Names the fault behind an error of a PSK handshake that we began.
pub fn describe_broker_psk_failure(error: &openssl::ssl::Error) -> BrokerFault {
    let Some(stack) = error.ssl_error() else { return BrokerFault::Closed };
    for cause in stack.errors() {
        let code = cause.reason_code();
        let named = match code - reason::ALERT {
            reason::ALERT_UNKNOWN_PSK_IDENTITY => BrokerFault::UnknownIdentity,
            reason::ALERT_BAD_RECORD_MAC | reason::ALERT_DECRYPT_ERROR => BrokerFault::WrongKey,
            reason::ALERT_HANDSHAKE_FAILURE | reason::ALERT_INSUFFICIENT_SECURITY => BrokerFault::NoCommonSuite,
            reason::ALERT_PROTOCOL_VERSION => BrokerFault::NoCommonVersion,
            0..=255 => BrokerFault::Other(format!("it ended the handshake: {}", cause.reason().unwrap_or("an alert"))),
            _ if reason::VERSION.contains(&code) => BrokerFault::NoCommonVersion,
            _ if reason::NOT_TLS.contains(&code) => BrokerFault::NotTls,
            _ if reason::UNEXPECTED_EOF == code => BrokerFault::Closed,
            _ => continue,
        };
        return named;
    }
    BrokerFault::Other(stack.to_string())
}

impl fmt::Display for BrokerFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownCa => f.write_str(
                "has a certificate of an unknown CA: name the certificate of the CA that issued it as the CA file",
            ),
            Self::Expired => f.write_str("has a certificate that has expired: it must be renewed there"),
            Self::NotYetValid => f.write_str("has a certificate that is not valid yet: is this machine's clock right?"),
            Self::WrongName(names) if names.is_empty() => {
                f.write_str("has a certificate for another name: dial it by the name in its certificate")
            }
            Self::WrongName(names) => write!(
                f,
                "has a certificate for other names ({}): dial it by one of them, or say which to expect",
                names.join(", ")
            ),
            Self::BadCertificate(cause) => write!(f, "has a certificate that cannot be accepted: {cause}"),
            Self::ClientCertificateRequired => {
                f.write_str("requires a client certificate: name one and its key, issued by a CA that it trusts")
            }
            Self::RejectedOurCertificate(alert) => write!(
                f,
                "refuses our client certificate (alert {alert}): it must be valid and issued by a CA that it trusts"
            ),
            Self::UnknownIdentity => {
                f.write_str("does not know our PSK identity: correct it, or add it to the broker's PSK file")
            }
            Self::WrongKey => f.write_str(
                "knows our PSK identity with another key: correct the PSK, here or in the broker's PSK file",
            ),
            Self::NoCommonVersion => f.write_str("has no version of TLS in common with us (1.2 and 1.3)"),
            Self::NoCommonSuite => f.write_str(
                "has no cipher suite in common with us: does that port take certificates or pre-shared keys? \
                 Some brokers say the same when they miss a client certificate",
            ),
            Self::NotTls => f.write_str("does not speak TLS on that port: switch encryption off, or use its TLS port"),
            Self::Closed => f.write_str("closed the connection before the handshake was complete"),
            Self::Other(cause) => write!(f, "could not be reached by TLS: {cause}"),
        }
    }
}
