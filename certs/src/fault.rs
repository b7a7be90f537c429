//! Why a client could not come in by TLS, in the operator's words.
//!
//! Each `Display` goes on after the client's address ("192.0.2.7:50112 …") and ends with what to
//! change, in the names of the router's form: Encryption Mode, CA Certificate, Require Client
//! Certificate, PSK, PSK Identity.

use crate::psk::PskOutcome;
use rustls::{AlertDescription, CertificateError, PeerIncompatible};
use std::fmt;

/// Why a client could not come in with certificates.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum TlsFault {
    /// The client broke off because of our certificate; the alert is named as in RFC 8446 §6.
    ClientRejectedOurCertificate(&'static str),
    /// The client broke off as libmosquitto does when the name that it dialled is not in our certificate: OpenSSL has
    /// no alert for what a program's own check finds.
    ClientRejectedOurName,
    /// The client sent no certificate though one is required.
    ClientCertificateMissing,
    /// The client's certificate was not issued by a CA that is trusted here.
    ClientCertificateUnknownCa,
    /// The client's certificate has expired.
    ClientCertificateExpired,
    /// The client's certificate is not valid yet.
    ClientCertificateNotYetValid,
    /// The client's certificate has another fault.
    ClientCertificateBad(String),
    /// No version of TLS in common.
    NoCommonVersion,
    /// No cipher suite (or key exchange, or signature) in common.
    NoCommonSuite,
    /// What came is not TLS.
    NotTls,
    /// Something else.
    Other(String),
}

/// Names the fault behind an error of a rustls server connection.
pub fn describe_tls_failure(error: &rustls::Error) -> TlsFault {
    use rustls::Error as E;
    match error {
        E::AlertReceived(alert) => alert_fault(*alert),
        E::NoCertificatesPresented => TlsFault::ClientCertificateMissing,
        E::InvalidCertificate(cause) => certificate_fault(cause),
        E::PeerIncompatible(cause) => incompatible_fault(cause),
        E::InvalidMessage(_) => TlsFault::NotTls,
        other => TlsFault::Other(other.to_string()),
    }
}

/// Why the certificate of a client that came in before is no longer good, to go on after "is no longer accepted: ".
pub fn no_longer_good(error: &rustls::Error) -> String {
    match (error, describe_tls_failure(error)) {
        (rustls::Error::InvalidCertificate(CertificateError::Revoked), _) => "it is in crlfile".to_owned(),
        (_, TlsFault::ClientCertificateUnknownCa) => "it was not issued by a CA that is in cafile or capath".to_owned(),
        (_, TlsFault::ClientCertificateExpired) => "it has expired".to_owned(),
        (_, TlsFault::ClientCertificateNotYetValid) => "it is not valid yet".to_owned(),
        (_, TlsFault::ClientCertificateBad(cause)) => cause,
        _ => error.to_string(),
    }
}

fn alert_fault(alert: AlertDescription) -> TlsFault {
    use AlertDescription as A;
    match certificate_alert(alert) {
        Some(name) => TlsFault::ClientRejectedOurCertificate(name),
        None => match alert {
            A::InternalError => TlsFault::ClientRejectedOurName,
            A::ProtocolVersion => TlsFault::NoCommonVersion,
            A::HandshakeFailure | A::InsufficientSecurity => TlsFault::NoCommonSuite,
            other => TlsFault::Other(format!("ended the handshake with the alert {other:?}")),
        },
    }
}

/// The alerts by which a peer refuses a certificate (RFC 8446 §6.2).
pub(crate) fn certificate_alert(alert: AlertDescription) -> Option<&'static str> {
    use AlertDescription as A;
    Some(match alert {
        A::UnknownCA => "unknown_ca",
        A::BadCertificate => "bad_certificate",
        A::CertificateExpired => "certificate_expired",
        A::CertificateUnknown => "certificate_unknown",
        A::UnsupportedCertificate => "unsupported_certificate",
        A::CertificateRevoked => "certificate_revoked",
        // The signature on the certificate is wrong: its CA was made anew, with the same name and another key.
        A::DecryptError => "decrypt_error",
        _ => return None,
    })
}

fn certificate_fault(cause: &CertificateError) -> TlsFault {
    use CertificateError as C;
    match cause {
        C::Expired | C::ExpiredContext { .. } => TlsFault::ClientCertificateExpired,
        C::NotValidYet | C::NotValidYetContext { .. } => TlsFault::ClientCertificateNotYetValid,
        // Another CA with the same name made it.
        C::UnknownIssuer | C::BadSignature => TlsFault::ClientCertificateUnknownCa,
        other => TlsFault::ClientCertificateBad(other.to_string()),
    }
}

fn incompatible_fault(cause: &PeerIncompatible) -> TlsFault {
    use PeerIncompatible as P;
    match cause {
        P::Tls12NotOffered
        | P::Tls12NotOfferedOrEnabled
        | P::ServerDoesNotSupportTls12Or13
        | P::ServerTlsVersionIsDisabledByOurConfig
        | P::SupportedVersionsExtensionRequired
        // Clients of TLS 1.0 and 1.1 have no such extension, and rustls looks for it before it looks at the version.
        | P::SignatureAlgorithmsExtensionRequired => TlsFault::NoCommonVersion,
        P::NoCipherSuitesInCommon
        | P::NoKxGroupsInCommon
        | P::NamedGroupsExtensionRequired
        | P::NoSignatureSchemesInCommon
        | P::NoCertificateRequestSignatureSchemesInCommon
        | P::NoEcPointFormatsInCommon => TlsFault::NoCommonSuite,
        other => TlsFault::Other(rustls::Error::PeerIncompatible(other.clone()).to_string()),
    }
}

impl fmt::Display for TlsFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ClientRejectedOurCertificate("certificate_expired") => f.write_str(
                "says that this server's certificate has expired (alert certificate_expired): \
                 issue a new one (nightjar certs server), and look at the router's clock",
            ),
            Self::ClientRejectedOurCertificate(alert) => write!(
                f,
                "refuses this server's certificate (alert {alert}): paste the certificate of the CA that issued it \
                 into the router's CA Certificate, and let Host be a name or an address that is in the certificate"
            ),
            Self::ClientRejectedOurName => f.write_str(
                "broke off (alert internal_error), as libmosquitto does when the router's Host is not in this server's \
                 certificate: let Host be a name or an address that is in it, or issue one for that Host \
                 (nightjar certs server --name HOST)",
            ),
            Self::ClientCertificateMissing => f.write_str(
                "sent no certificate, and this port requires one: set the router's Require Client Certificate to Yes \
                 and upload its certificate and key, or set require_certificate false",
            ),
            Self::ClientCertificateUnknownCa => f.write_str(
                "sent a certificate of an unknown CA: issue the router's certificate with the CA that is in cafile, \
                 or add its CA to cafile",
            ),
            Self::ClientCertificateExpired => {
                f.write_str("sent a certificate that has expired: issue a new client certificate for the router")
            }
            Self::ClientCertificateNotYetValid => f.write_str(
                "sent a certificate that is not valid yet: look at this server's clock, or at the certificate's dates",
            ),
            Self::ClientCertificateBad(cause) => {
                write!(f, "sent a certificate that cannot be accepted ({cause}): issue another one for the router")
            }
            Self::NoCommonVersion => f.write_str(
                "speaks only TLS older than is allowed here (TLS 1.2 and 1.3): update the router's firmware",
            ),
            Self::NoCommonSuite => f.write_str(
                "has no cipher suite in common with this port, which takes certificates: \
                 set the router's Encryption Mode to Certificate",
            ),
            Self::NotTls => f.write_str(
                "does not speak TLS, and this port takes nothing else: \
                 set the router's Encryption Mode to Certificate, or use the port without encryption",
            ),
            Self::Other(cause) => write!(f, "could not come in by TLS: {cause}"),
        }
    }
}

/// Why a client could not come in with a pre-shared key.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PskFault {
    /// No such identity in the PSK file.
    UnknownIdentity(String),
    /// The identity is in the PSK file, with another key.
    WrongKey(String),
    /// The identity is in the PSK file, with a key that cannot be used.
    KeyUnusable(String),
    /// No cipher suite in common: the client has no pre-shared key, or none of its suites is allowed.
    NoSharedCipher,
    /// No version of TLS in common.
    NoCommonVersion,
    /// What came is not TLS.
    NotTls,
    /// The client broke off with this alert, named as OpenSSL names it.
    ClientBrokeOff(String),
    /// The client went away in the middle of the handshake.
    ClientLeft,
    /// Something else.
    Other(String),
}

/// Reason codes of OpenSSL's libssl (`sslerr.h`); the same in 1.1.1 and all of 3.
pub(crate) mod reason {
    pub(crate) const DIGEST_CHECK_FAILED: i32 = 149;
    pub(crate) const BAD_RECORD_MAC: [i32; 2] = [281, 147]; // decryption failed or bad record mac; decryption failed
    pub(crate) const NO_SHARED_CIPHER: i32 = 193;
    pub(crate) const NO_CIPHERS: [i32; 2] = [183, 181]; // no ciphers specified; no ciphers available
    pub(crate) const VERSION: [i32; 3] = [258, 259, 396]; // unsupported protocol; unsupported ssl version; version too low
    pub(crate) const NOT_TLS: [i32; 4] = [155, 156, 267, 252]; // https proxy; http; wrong version number; unknown protocol
    pub(crate) const PSK_IDENTITY_NOT_FOUND: i32 = 223;
    /// An alert of the peer is its number (RFC 8446 §6) plus this.
    pub(crate) const ALERT: i32 = 1000;
    pub(crate) const ALERT_BAD_RECORD_MAC: i32 = 20;
    pub(crate) const ALERT_HANDSHAKE_FAILURE: i32 = 40;
    pub(crate) const ALERT_DECRYPT_ERROR: i32 = 51;
    pub(crate) const ALERT_PROTOCOL_VERSION: i32 = 70;
    pub(crate) const ALERT_INSUFFICIENT_SECURITY: i32 = 71;
    pub(crate) const ALERT_UNKNOWN_PSK_IDENTITY: i32 = 115;
    /// OpenSSL 3: the connection was closed without a close_notify.
    pub(crate) const UNEXPECTED_EOF: i32 = 294;
}

/// Names the fault behind an error of a PSK handshake; `outcome` is [`crate::psk_outcome`] of the connection.
pub fn describe_psk_failure(error: &openssl::ssl::Error, outcome: Option<&PskOutcome>) -> PskFault {
    match outcome {
        Some(PskOutcome::Unknown(identity)) => return PskFault::UnknownIdentity(identity.clone()),
        Some(PskOutcome::KeyUnusable(identity)) => return PskFault::KeyUnusable(identity.clone()),
        _ => {}
    }
    let Some(stack) = error.ssl_error() else { return PskFault::ClientLeft };
    for cause in stack.errors() {
        let code = cause.reason_code();
        let wrong_key = code == reason::DIGEST_CHECK_FAILED || reason::BAD_RECORD_MAC.contains(&code);
        match outcome {
            Some(PskOutcome::Known(identity)) if wrong_key => return PskFault::WrongKey(identity.clone()),
            _ => {}
        }
        if code == reason::NO_SHARED_CIPHER || reason::NO_CIPHERS.contains(&code) {
            return PskFault::NoSharedCipher;
        }
        if code == reason::PSK_IDENTITY_NOT_FOUND {
            return PskFault::UnknownIdentity(String::new());
        }
        if reason::VERSION.contains(&code) {
            return PskFault::NoCommonVersion;
        }
        if reason::NOT_TLS.contains(&code) {
            return PskFault::NotTls;
        }
        if code == reason::UNEXPECTED_EOF {
            return PskFault::ClientLeft;
        }
        if (reason::ALERT..reason::ALERT + 256).contains(&code) {
            return PskFault::ClientBrokeOff(cause.reason().unwrap_or("unknown").to_owned());
        }
    }
    PskFault::Other(stack.to_string())
}

impl fmt::Display for PskFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownIdentity(identity) => write!(
                f,
                "offers the PSK identity {identity:?}, which is not in the PSK file: \
                 correct the router's PSK Identity, or add the identity and its key to the file"
            ),
            Self::WrongKey(identity) => write!(
                f,
                "offers the PSK identity {identity:?} with the wrong key: \
                 set the router's PSK to the hex key that follows {identity:?} in the PSK file"
            ),
            Self::KeyUnusable(identity) => write!(
                f,
                "offers the PSK identity {identity:?}, whose key in the PSK file is empty or too long: \
                 give it a key of 2 to 512 hex digits"
            ),
            Self::NoSharedCipher => f.write_str(
                "has no cipher suite in common with this port, which takes pre-shared keys: \
                 set the router's Encryption Mode to PSK",
            ),
            Self::NoCommonVersion => {
                f.write_str("does not offer TLS 1.2, which a pre-shared key needs: update the router's firmware")
            }
            Self::NotTls => f.write_str(
                "does not speak TLS, and this port takes nothing else: \
                 set the router's Encryption Mode to PSK, or use the port without encryption",
            ),
            Self::ClientBrokeOff(alert) => write!(
                f,
                "broke off the handshake ({alert}): compare the router's PSK and PSK Identity with the PSK file"
            ),
            Self::ClientLeft => f.write_str("went away before the handshake was complete"),
            Self::Other(cause) => write!(f, "could not come in with a pre-shared key: {cause}"),
        }
    }
}
