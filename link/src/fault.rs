//! Why a connection failed or ended, in the words of the person who can put it right.

use std::io;
use std::time::Duration;

use mqtt::{DecodeFault, ProtocolVersion, ReasonCode};
use rustls::{AlertDescription, CertificateError};

use crate::LinkSettings;
use crate::dial::DialFault;

/// Why there is no connection (any more).
#[derive(Debug)]
pub(crate) enum Fault {
    /// The transport could not be opened.
    Dial(DialFault),
    /// No CONNACK within `connect_timeout`.
    ConnectTimeout(Duration),
    /// CONNACK with a failure.
    Refused { reason: ReasonCode, text: Option<String> },
    /// The server closed instead of answering CONNECT.
    ClosedBeforeConnAck,
    /// The server closed without a word.
    Closed,
    /// The server said DISCONNECT (5.0).
    Disconnected { reason: ReasonCode, text: Option<String> },
    /// A ping was not answered.
    Silent { keep_alive: Duration },
    /// The socket failed.
    Io(io::Error),
    /// The server sent what is not MQTT.
    Malformed(DecodeFault),
    /// The server sent a packet that a server may not send, or not then.
    Unexpected { packet: &'static str, when: &'static str },
    /// The settings cannot be said in a CONNECT.
    Settings,
}

impl Fault {
    /// Equal for faults that are worth one line in the log a minute.
    pub(crate) fn kind(&self) -> (u8, u8) {
        match self {
            Self::Dial(DialFault::Tcp(error)) => (0, error.kind() as u8),
            Self::Dial(DialFault::Tls(_)) => (1, 0),
            Self::Dial(DialFault::Psk(_)) => (2, 0),
            Self::ConnectTimeout(_) => (3, 0),
            Self::Refused { reason, .. } => (4, reason.as_u8()),
            Self::ClosedBeforeConnAck => (5, 0),
            Self::Closed => (6, 0),
            Self::Disconnected { reason, .. } => (7, reason.as_u8()),
            Self::Silent { .. } => (8, 0),
            Self::Io(error) => (9, error.kind() as u8),
            Self::Malformed(_) => (10, 0),
            Self::Unexpected { .. } => (11, 0),
            Self::Settings => (12, 0),
        }
    }

    /// The cause and the mend. Options are named as in the router's form.
    pub(crate) fn explain(&self, settings: &LinkSettings) -> String {
        let to = &settings.transport;
        match self {
            Self::Dial(DialFault::Tcp(error)) => format!("{to}: {}", tcp_words(error)),
            Self::Dial(DialFault::Tls(error)) => format!("{to}: {}", tls_words(error)),
            Self::Dial(DialFault::Psk(error)) => format!("{to}: {}", psk_words(&error.to_string())),
            Self::ConnectTimeout(after) => format!(
                "{to}: no answer within {} s: check Host and Port, and that no firewall drops the packets",
                after.as_secs()
            ),
            Self::Refused { reason, text } => {
                format!("{to}: {}{}", refused_words(*reason, settings), said(text.as_ref()))
            }
            Self::ClosedBeforeConnAck => {
                format!("{to}: closed before it answered CONNECT: check that Encryption Mode is what this port expects")
            }
            Self::Closed => format!("{to}: the server closed the connection"),
            Self::Disconnected { reason, text } => {
                format!("{to}: {}{}", disconnected_words(*reason), said(text.as_ref()))
            }
            Self::Silent { keep_alive } => {
                format!(
                    "{to}: no answer to a ping within {} s: the server or the way to it is gone",
                    keep_alive.as_secs()
                )
            }
            Self::Io(error) => format!("{to}: {}", io_words(error)),
            Self::Malformed(fault) => format!("{to}: the server sent what is not MQTT: {fault}"),
            Self::Unexpected { packet, when } => format!("{to}: the server broke the protocol: {packet} {when}"),
            Self::Settings => format!(
                "{to}: client id, User Name and Password must each be at most 65535 bytes, and a Password needs a User Name"
            ),
        }
    }
}

/// A server's own words, cut and made harmless.
fn said(text: Option<&String>) -> String {
    text.map_or_else(String::new, |text| {
        let cut: String = text.chars().take(200).collect();
        format!(" (the server says {cut:?})")
    })
}

fn tcp_words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => {
            "nothing listens there: check Host and Port, and that the server runs".to_owned()
        }
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
            format!("there is no way to it: check Host, and this machine's network ({error})")
        }
        _ if error.to_string().starts_with("failed to lookup address") => {
            format!("the name is not known: check Host, and this machine's DNS ({error})")
        }
        _ => error.to_string(),
    }
}

fn rustls_error(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

fn tls_words(error: &io::Error) -> String {
    if let Some(error) = rustls_error(error) {
        return certificate_words(error);
    }
    match error.kind() {
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => {
            "closed during the TLS handshake: check that this is the server's port for certificates, \
             or set Encryption Mode to None"
                .to_owned()
        }
        _ => format!("TLS: {error}"),
    }
}

fn certificate_words(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
            "the server's certificate is not signed by the CA Certificate given here: give the CA that signed it"
                .to_owned()
        }
        rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => format!("the server's certificate is for another name: set Host to a name in it ({error})"),
        rustls::Error::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => {
            format!(
                "the server's certificate has expired: renew it on the server, or set this machine's clock ({error})"
            )
        }
        rustls::Error::InvalidCertificate(
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. },
        ) => format!("the server's certificate is not valid yet: set this machine's clock ({error})"),
        rustls::Error::AlertReceived(alert) => alert_words(*alert),
        rustls::Error::InvalidMessage(_) => {
            "this port does not speak TLS: set Port to the server's TLS port, or Encryption Mode to None".to_owned()
        }
        other => format!("TLS: {other}"),
    }
}

fn alert_words(alert: AlertDescription) -> String {
    match alert {
        AlertDescription::CertificateRequired => {
            "the server wants a client certificate: give one, with its key".to_owned()
        }
        AlertDescription::UnknownCA | AlertDescription::BadCertificate | AlertDescription::CertificateUnknown => {
            format!("the server does not trust our client certificate: have it signed by the server's CA ({alert:?})")
        }
        AlertDescription::CertificateExpired => "our client certificate has expired: renew it".to_owned(),
        AlertDescription::HandshakeFailure => {
            "the server accepts none of our ciphers: it may want PSK or a client certificate".to_owned()
        }
        other => format!("the server ended TLS with the alert {other:?}"),
    }
}

/// OpenSSL tells its reasons as text.
fn psk_words(error: &str) -> String {
    let lower = error.to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    if says(&["unknown psk identity", "unknown_psk_identity"]) {
        "the server does not know this PSK Identity: set it to an entry of the server's PSK file".to_owned()
    } else if says(&["bad record mac", "bad_record_mac", "decrypt error", "decrypt_error", "decryption failed"]) {
        "the PSK is not the one that the server has for this PSK Identity: set PSK to the server's".to_owned()
    } else if says(&["handshake failure", "handshake_failure", "no shared cipher", "insufficient security"]) {
        "the server accepts none of our PSK ciphers: check that this is its port for PSK".to_owned()
    } else if says(&["wrong version number", "packet length too long", "unexpected eof", "eof", "connection reset"]) {
        "this port does not speak TLS-PSK: set Port to the server's PSK port, or Encryption Mode to None".to_owned()
    } else {
        format!("TLS-PSK: {error}")
    }
}

/// With TLS 1.3 a server can refuse our certificate after the handshake: then it is found while reading.
fn io_words(error: &io::Error) -> String {
    rustls_error(error).map_or_else(|| format!("the connection broke: {error}"), certificate_words)
}

fn refused_words(reason: ReasonCode, settings: &LinkSettings) -> String {
    let who =
        settings.username.as_ref().map_or_else(|| "without a user name".to_owned(), |name| format!("as {name:?}"));
    match reason {
        ReasonCode::BadUserNameOrPassword => {
            format!(
                "bad user name or password ({who}): set User Name and Password to an entry of the server's password file"
            )
        }
        ReasonCode::NotAuthorized => format!(
            "not authorized ({who}): set User Name and Password to an entry of the server's password file, \
             or let this client in there"
        ),
        ReasonCode::UnsupportedProtocolVersion => format!(
            "the server does not speak MQTT {}: set another protocol version",
            match settings.protocol {
                ProtocolVersion::V31 => "3.1",
                ProtocolVersion::V311 => "3.1.1",
                ProtocolVersion::V5 => "5.0",
            }
        ),
        ReasonCode::ClientIdentifierNotValid => {
            format!("the server does not accept the client id {:?}: set another", settings.client_id)
        }
        ReasonCode::ServerUnavailable | ReasonCode::ServerBusy => "the server is too busy; trying again".to_owned(),
        ReasonCode::Banned => "the server has banned this client: ask its operator".to_owned(),
        other => format!("the server refused the connection: {other:?}"),
    }
}

fn disconnected_words(reason: ReasonCode) -> String {
    match reason {
        ReasonCode::SessionTakenOver => "another client came with the same client id: give each its own".to_owned(),
        ReasonCode::ServerShuttingDown => "the server is shutting down".to_owned(),
        ReasonCode::NotAuthorized => "the server no longer lets this client in".to_owned(),
        ReasonCode::KeepAliveTimeout => "the server heard nothing from us for too long".to_owned(),
        other => format!("the server ended the connection: {other:?}"),
    }
}

/// What a packet is called.
pub(crate) const fn packet_name(packet: &mqtt::Packet) -> &'static str {
    match packet {
        mqtt::Packet::Connect(_) => "CONNECT",
        mqtt::Packet::ConnAck(_) => "CONNACK",
        mqtt::Packet::Publish(_) => "PUBLISH",
        mqtt::Packet::PubAck(_) => "PUBACK",
        mqtt::Packet::PubRec(_) => "PUBREC",
        mqtt::Packet::PubRel(_) => "PUBREL",
        mqtt::Packet::PubComp(_) => "PUBCOMP",
        mqtt::Packet::Subscribe(_) => "SUBSCRIBE",
        mqtt::Packet::SubAck(_) => "SUBACK",
        mqtt::Packet::Unsubscribe(_) => "UNSUBSCRIBE",
        mqtt::Packet::UnsubAck(_) => "UNSUBACK",
        mqtt::Packet::PingReq => "PINGREQ",
        mqtt::Packet::PingResp => "PINGRESP",
        mqtt::Packet::Disconnect(_) => "DISCONNECT",
        mqtt::Packet::Auth(_) => "AUTH",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Transport;

    #[test]
    fn every_explanation_names_the_place_and_the_mend() {
        let transport = Transport::Tcp { host: "2001:db8::1".to_owned(), port: 1883 };
        let mut settings = LinkSettings::new(transport, "c");
        settings.username = Some("router".to_owned());
        let refused = |reason| Fault::Refused { reason, text: None };
        let rows = [
            (refused(ReasonCode::BadUserNameOrPassword), "set User Name and Password"),
            (refused(ReasonCode::NotAuthorized), "as \"router\""),
            (refused(ReasonCode::UnsupportedProtocolVersion), "3.1.1"),
            (Fault::Dial(DialFault::Tcp(io::ErrorKind::ConnectionRefused.into())), "check Host and Port"),
            (Fault::Dial(DialFault::Tls(io::ErrorKind::UnexpectedEof.into())), "Encryption Mode to None"),
            (Fault::ConnectTimeout(Duration::from_secs(7)), "within 7 s"),
        ];
        for (fault, wanted) in rows {
            let words = fault.explain(&settings);
            assert!(words.starts_with("[2001:db8::1]:1883: ") && words.contains(wanted), "{fault:?}: {words}");
        }
    }

    #[test]
    fn a_servers_words_cannot_write_lines_of_their_own_into_the_log() {
        let text = Some(format!("no\n{}", "x".repeat(70_000)));
        let words = said(text.as_ref());
        assert!(words.len() < 300 && !words.contains('\n'), "{words}");
    }

    #[test]
    fn faults_of_one_kind_share_a_line_in_the_log() {
        let refused = |reason| Fault::Refused { reason, text: None }.kind();
        assert_eq!(refused(ReasonCode::Banned), refused(ReasonCode::Banned));
        assert_ne!(refused(ReasonCode::Banned), refused(ReasonCode::NotAuthorized));
        assert_ne!(Fault::Closed.kind(), Fault::ClosedBeforeConnAck.kind());
    }
}
