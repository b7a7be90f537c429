//! The door: which language does a stranger speak, and is it the one of this port? Nothing is taken from the socket
//! before that is known; what does not fit is said in the operator's words, with what to change in the router's form.

use std::io::Read as _;

use certs::{PskFault, Sniffed, TlsFault, describe_psk_failure, describe_tls_failure, psk_outcome, sniff};

use crate::listener::{Protection, ProxyRules};
use crate::peer::Peer;
use crate::proxy_header::{self, HEADER_BYTES_MAX, Origin, Parsed};
use crate::transport::{Psk, Tls, Transport, Trouble};
use crate::websocket;

/// What to do with a stranger, from the first bytes.
enum Opening {
    /// Not enough was said.
    Wait,
    /// Shake hands with certificates.
    Certificates,
    /// Shake hands with a pre-shared key.
    Psk,
    /// Send away; the kind for the log's memory, and the complaint without the address.
    Refuse(&'static str, String),
}

/// Decides at a port with TLS.
fn decide(first_bytes: &[u8], protection: &Protection, port: u16) -> Opening {
    let mode = protection.encryption_mode();
    match sniff(first_bytes) {
        Sniffed::NeedMore => Opening::Wait,
        Sniffed::TlsHello(hello) => match (&protection.psk, &protection.certificates) {
            // Only a client that has a key offers PSK suites; many of them offer the others too.
            (Some(_), _) if hello.offers_psk => Opening::Psk,
            (_, Some(_)) if hello.offers_certificate => Opening::Certificates,
            (_, Some(_)) => Opening::Refuse(
                "mode",
                format!(
                    "has a pre-shared key, but the port {port} has none: set the router's Encryption Mode to Certificate, \
                     or give psk_file to this listener"
                ),
            ),
            _ => Opening::Refuse(
                "mode",
                format!(
                    "offers no pre-shared key to the PSK port {port}: set the router's Encryption Mode to PSK, with PSK \
                     and PSK Identity from the PSK file, or give certfile and keyfile to this listener"
                ),
            ),
        },
        // Its suites cannot be seen: whichever stack there is finds out.
        Sniffed::TlsHelloUnreadable if protection.certificates.is_some() => Opening::Certificates,
        Sniffed::TlsHelloUnreadable => Opening::Psk,
        Sniffed::MqttConnect if protection.websocket.is_some() => Opening::Refuse(
            "plain",
            format!(
                "speaks plain MQTT to the port {port}, which is for WebSocket over TLS: let it use wss://, or another port"
            ),
        ),
        Sniffed::MqttConnect => Opening::Refuse(
            "plain",
            format!("speaks plain MQTT to the TLS port {port}: set the router's Encryption Mode to {mode}"),
        ),
        Sniffed::Http if protection.websocket.is_some() => Opening::Refuse(
            "http",
            format!("speaks HTTP without TLS to the WebSocket port {port}: let it use wss:// instead of ws://"),
        ),
        Sniffed::Http => Opening::Refuse(
            "http",
            format!("speaks HTTP to the TLS port {port}, which is for MQTT: point it to another port"),
        ),
        Sniffed::ProxyProtocol { version } => Opening::Refuse("proxy", proxy_complaint(version, port)),
        Sniffed::TlsBroken | Sniffed::Ssl2 => Opening::Refuse(
            "tls",
            format!("sends a TLS greeting to port {port} that is broken or older than TLS 1.2: update the client"),
        ),
        Sniffed::Other => Opening::Refuse(
            "other",
            format!("speaks neither TLS nor MQTT to the TLS port {port}: check what is behind this address"),
        ),
    }
}

/// What became of a stranger at a door with TLS, or behind a proxy.
pub(crate) enum Knock {
    /// The proxy has said whom it speaks for.
    Announced(Box<Origin>),
    /// What the proxy says is not taken: mosquitto's line for the log.
    Rejected(Box<str>),
    /// Not enough was said.
    Wait,
    /// The handshake may begin.
    Open,
    /// It went away.
    Gone,
    /// To be sent away; the kind for the log's memory, and the complaint without the address.
    Refuse(&'static str, String),
}

/// Takes a proxy's header from the socket once it is there whole.
pub(crate) fn announce(transport: &mut Transport, rules: ProxyRules, is_ending: bool) -> Knock {
    if let Transport::Web(web) = transport {
        return announce(web.inner_mut(), rules, is_ending);
    }
    let mut first = [0; HEADER_BYTES_MAX];
    let Transport::Plain(stream) = transport else { return Knock::Gone };
    let count = match stream.peek(&mut first) {
        Ok(0) => return Knock::Gone,
        Ok(count) => count,
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return Knock::Wait,
        Err(_) => return Knock::Gone,
    };
    let (length, origin) = match proxy_header::parse(rules.version, &first[..count]) {
        Parsed::Wait if is_ending => return Knock::Gone,
        Parsed::Wait => return Knock::Wait,
        Parsed::Corrupt(from) => {
            return Knock::Rejected(rejection(from.map(Peer::from).as_ref(), "corrupt PROXY header"));
        }
        Parsed::Header(length, origin) => (length, origin),
    };
    // What was peeked at is there.
    if !matches!(stream.read(&mut first[..length]), Ok(read) if read == length) {
        return Knock::Gone;
    }
    let from = origin.client.clone().map(Peer::from);
    if rules.requires_tls && origin.tls.is_none() {
        return Knock::Rejected(rejection(from.as_ref(), "client did not connect using TLS"));
    }
    if rules.requires_certificate && !origin.tls.as_ref().is_some_and(|tls| tls.has_certificate) {
        return Knock::Rejected(rejection(from.as_ref(), "client did not provide a certificate"));
    }
    Knock::Announced(Box::new(origin))
}

fn rejection(from: Option<&Peer>, why: &str) -> Box<str> {
    match from {
        Some(from) => format!("Connection from {from} rejected, {why}."),
        None => format!("Connection rejected, {why}."),
    }
    .into()
}

/// Looks at the first bytes, which stay in the socket, and puts TLS onto it if that is what they ask for. `is_ending`: there
/// will be no more of them.
pub(crate) fn knock(transport: &mut Transport, protection: &Protection, port: u16, is_ending: bool) -> Knock {
    if let Transport::Web(web) = transport {
        return knock(web.inner_mut(), protection, port, is_ending);
    }
    let mut first = [0; certs::SNIFF_BYTES_MAX];
    let Transport::Plain(stream) = &*transport else { return Knock::Open };
    let count = match stream.peek(&mut first) {
        Ok(0) => return Knock::Gone,
        Ok(count) => count,
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return Knock::Wait,
        Err(_) => return Knock::Gone,
    };
    let opened = match decide(&first[..count], protection, port) {
        Opening::Wait if is_ending => return Knock::Gone, // it went away in the middle of its greeting
        Opening::Wait => return Knock::Wait,
        Opening::Certificates => with_certificates as fn(_, &_) -> _,
        Opening::Psk => with_psk as fn(_, &_) -> _,
        Opening::Refuse(kind, what) => return Knock::Refuse(kind, what),
    };
    // The transport is taken out and put back with TLS on it; the socket stays the registered one.
    match opened(std::mem::replace(transport, Transport::Taken), protection) {
        Ok(with_tls) => {
            *transport = with_tls;
            Knock::Open
        }
        Err(error) => {
            tracing::error!(target: "error", "Error: Unable to begin TLS: {error}.");
            Knock::Gone
        }
    }
}

/// What a plain port's stranger speaks, if not MQTT; `None` if it may be MQTT.
pub(crate) fn wrong_at_plain(first_bytes: &[u8], port: u16) -> Option<(&'static str, String)> {
    match first_bytes.first() {
        None | Some(0x10) => return None,
        _ => {}
    }
    Some(match sniff(first_bytes) {
        Sniffed::Http if asks_for_websocket(first_bytes) => (
            "websocket",
            format!(
                "speaks WebSocket to the MQTT port {port}: point it to a listener with 'protocol websockets', or let it use \
                 mqtt:// instead of ws://"
            ),
        ),
        Sniffed::Http => {
            ("http", format!("speaks HTTP to the MQTT port {port}, which is not a web page: point it to another port"))
        }
        Sniffed::ProxyProtocol { version } => ("proxy", proxy_complaint(version, port)),
        Sniffed::MqttConnect => return None,
        _ if first_bytes.first() == Some(&0x16) || matches!(sniff(first_bytes), Sniffed::Ssl2) => (
            "tls",
            format!(
                "speaks TLS to the plain port {port}: set the router's Encryption Mode to None, or give certificates or \
                 a PSK file to this listener"
            ),
        ),
        _ => ("other", format!("does not speak MQTT to port {port}: check what is behind this address")),
    })
}

/// Whether it is a request for WebSocket, as far as it has come.
fn asks_for_websocket(request: &[u8]) -> bool {
    request.windows(10).any(|part| part.eq_ignore_ascii_case(b" websocket"))
}

fn proxy_complaint(version: u8, port: u16) -> String {
    format!(
        "sends a PROXY protocol header (version {version}) to port {port}, which does not expect one: turn it off in \
         the proxy"
    )
}

/// A handshake or a stream that failed, for the log: kind and complaint. `None` where nobody is to blame.
pub(crate) fn complaint(transport: &Transport, trouble: &Trouble) -> Option<(&'static str, String)> {
    match (trouble, transport) {
        (Trouble::Web(fault), Transport::Web(web)) => Some(websocket::complaint(fault, web.port())),
        (Trouble::Gone | Trouble::Web(_), _) => None,
        (_, Transport::Web(web)) => complaint(web.inner(), trouble),
        (Trouble::Tls(error), _) => {
            let fault = describe_tls_failure(error);
            Some((tls_kind(&fault), fault.to_string()))
        }
        (Trouble::Psk(error), Transport::Psk(psk)) => {
            let fault = describe_psk_failure(error, psk_outcome(psk.stream.ssl()));
            Some((psk_kind(&fault), fault.to_string()))
        }
        (Trouble::Psk(error), _) => Some(("psk", error.to_string())),
    }
}

/// What the log remembers: an operator who mends one fault and meets the next must be told of it at once.
const fn tls_kind(fault: &TlsFault) -> &'static str {
    match fault {
        TlsFault::ClientRejectedOurCertificate(_) => "our certificate",
        TlsFault::ClientRejectedOurName => "our name",
        TlsFault::ClientCertificateMissing => "certificate missing",
        TlsFault::ClientCertificateUnknownCa => "certificate unknown",
        TlsFault::ClientCertificateExpired => "certificate expired",
        TlsFault::ClientCertificateNotYetValid => "certificate early",
        TlsFault::ClientCertificateBad(_) => "certificate bad",
        _ => "tls",
    }
}

/// See [`tls_kind`].
const fn psk_kind(fault: &PskFault) -> &'static str {
    match fault {
        PskFault::UnknownIdentity(_) => "psk identity",
        PskFault::WrongKey(_) | PskFault::KeyUnusable(_) => "psk key",
        _ => "psk",
    }
}

/// Puts TLS onto a plain transport. `Err` gives it back with what went wrong on our side.
fn with_certificates(plain: Transport, protection: &Protection) -> Result<Transport, String> {
    let (Transport::Plain(stream), Some(config)) = (plain, &protection.certificates) else {
        return Err("no certificates at this listener".to_owned());
    };
    let mut session = rustls::ServerConnection::new(config.clone()).map_err(|error| error.to_string())?;
    // What waits is counted in our own queue; rustls' holds one write at most.
    session.set_buffer_limit(Some(128 * 1024));
    Ok(Transport::Tls(Box::new(Tls { stream, session, clients: None })))
}

/// Puts TLS-PSK onto a plain transport.
fn with_psk(plain: Transport, protection: &Protection) -> Result<Transport, String> {
    let (Transport::Plain(stream), Some(context)) = (plain, &protection.psk) else {
        return Err("no PSK file at this listener".to_owned());
    };
    let ssl = openssl::ssl::Ssl::new(context).map_err(|error| error.to_string())?;
    let stream = openssl::ssl::SslStream::new(ssl, stream).map_err(|error| error.to_string())?;
    Ok(Transport::Psk(Box::new(Psk { stream, is_open: false, keys: None })))
}
