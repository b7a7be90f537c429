//! The opening handshake [RFC 6455 §4.2]: whether a request may go on as MQTT over WebSocket, and what it is answered.

use std::fmt::Write as _;
use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use sha1::{Digest as _, Sha1};

use crate::head::{Head, shown};

/// What the key is hashed with [RFC 6455 §1.3].
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The names of MQTT; the second is that of its draft days, which old pages still offer and mosquitto takes.
const SUBPROTOCOLS: [&str; 2] = ["mqtt", "mqttv3.1"];

/// A request that may go on.
#[derive(Debug, PartialEq, Eq)]
pub struct Accepted {
    /// What is sent before the first frame.
    pub answer: Vec<u8>,
    /// The last address in X-Forwarded-For: the one that the proxy which connects to us vouches for. Anybody can write
    /// this field: who heeds it must know that it is a proxy who speaks.
    pub forwarded_for: Option<IpAddr>,
}

/// Why a request may not go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It is another method than GET; this one.
    Method(String),
    /// It does not ask for an upgrade to WebSocket; it asks for this path.
    NoUpgrade(String),
    /// It asks for another version than 13.
    Version,
    /// Its Sec-WebSocket-Key is missing or is not one.
    Key,
    /// It offers no subprotocol `mqtt`, but these.
    Subprotocol(String),
    /// It comes from a page of this origin, which is not among those allowed.
    Origin(String),
    /// It is no HTTP.
    Malformed,
    /// It is longer than it may be.
    TooLong,
}

impl Refused {
    /// What the client is told before its connection is closed.
    pub fn answer(&self) -> Vec<u8> {
        let (status, fields, words) = match self {
            Self::Method(_) => ("405 Method Not Allowed", "Allow: GET\r\n", "Only GET is understood here."),
            Self::NoUpgrade(_) => {
                ("426 Upgrade Required", "Upgrade: websocket\r\n", "Only MQTT over WebSocket is spoken here.")
            }
            Self::Version => (
                "426 Upgrade Required",
                "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
                "Only version 13 of WebSocket is spoken here.",
            ),
            Self::Key => ("400 Bad Request", "", "Sec-WebSocket-Key must be 16 bytes in base64."),
            Self::Subprotocol(_) => ("400 Bad Request", "", "Only the subprotocol mqtt is spoken here."),
            Self::Origin(_) => ("403 Forbidden", "", "Pages of this origin may not connect here."),
            Self::Malformed => ("400 Bad Request", "", "This is not HTTP."),
            Self::TooLong => ("431 Request Header Fields Too Large", "", "The request is too long."),
        };
        format!(
            "HTTP/1.1 {status}\r\n{fields}Connection: close\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n{words}\n",
            words.len() + 1
        )
        .into_bytes()
    }
}

/// Judges a request head. `origins`: those whose pages may connect; none: all may. What is no page's (it has no Origin)
/// may always: whoever writes a client can write any origin.
///
/// # Errors
/// The first thing that is wrong.
pub fn accept(head: &Head<'_>, origins: &[String]) -> Result<Accepted, Refused> {
    if head.method != "GET" {
        return Err(Refused::Method(shown(head.method.as_bytes())));
    }
    if !head.is_1_1 || !head.has("Upgrade", "websocket") || !head.has("Connection", "Upgrade") {
        return Err(Refused::NoUpgrade(shown(head.target.as_bytes())));
    }
    if head.value("Sec-WebSocket-Version") != Some(b"13") {
        return Err(Refused::Version);
    }
    let key = head.value("Sec-WebSocket-Key").filter(|key| BASE64.decode(key).is_ok_and(|key| key.len() == 16));
    let Some(key) = key else { return Err(Refused::Key) };
    if !origins.is_empty() {
        let is_allowed = |origin: &&[u8]| !origins.iter().any(|allowed| allowed.as_bytes() == *origin);
        if let Some(other) = head.values("Origin").find(is_allowed) {
            return Err(Refused::Origin(shown(other)));
        }
    }
    let mut offered = head.list("Sec-WebSocket-Protocol");
    let chosen = offered.find_map(|offer| SUBPROTOCOLS.into_iter().find(|name| name.as_bytes() == offer));
    // The server names one that the client offered [3.1.1 MQTT-6.0.0-4, 5.0 MQTT-6.0.0-4].
    let Some(subprotocol) = chosen else {
        let offered: Vec<_> = head.values("Sec-WebSocket-Protocol").map(shown).collect();
        return Err(Refused::Subprotocol(offered.join(", ")));
    };
    let mut answer = String::from("HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n");
    let _ =
        write!(answer, "Sec-WebSocket-Accept: {}\r\nSec-WebSocket-Protocol: {subprotocol}\r\n\r\n", accept_key(key));
    Ok(Accepted { answer: answer.into_bytes(), forwarded_for: forwarded_for(head) })
}

fn accept_key(key: &[u8]) -> String {
    BASE64.encode(Sha1::new().chain_update(key).chain_update(GUID).finalize())
}

fn forwarded_for(head: &Head<'_>) -> Option<IpAddr> {
    let last = head.list("X-Forwarded-For").last()?;
    std::str::from_utf8(last).ok()?.trim_matches(['[', ']', '"']).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "GET /mqtt HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n";

    fn judged(text: &str, origins: &[&str]) -> Result<String, Refused> {
        let origins: Vec<_> = origins.iter().map(|origin| (*origin).to_owned()).collect();
        let head = Head::parse(text.as_bytes()).expect("a head");
        accept(&head, &origins).map(|accepted| String::from_utf8(accepted.answer).expect("ASCII"))
    }

    #[test]
    fn the_key_of_the_standard_has_the_answer_of_the_standard() {
        // RFC 6455 §1.3
        let answer = judged(GOOD, &[]).expect("good");
        assert!(answer.starts_with("HTTP/1.1 101 Switching Protocols\r\n"), "{answer}");
        assert!(answer.contains("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"), "{answer}");
        assert!(answer.contains("Upgrade: WebSocket\r\nConnection: Upgrade\r\n"), "{answer}");
    }

    #[test]
    fn the_first_name_of_mqtt_that_is_offered_is_chosen() {
        // 3.1.1 MQTT-6.0.0-4 and 5.0 MQTT-6.0.0-4
        let rows = [
            ("mqtt", Some("mqtt")),
            ("mqttv3.1", Some("mqttv3.1")),
            ("chat, mqtt", Some("mqtt")),
            ("mqttv3.1 , mqtt", Some("mqttv3.1")),
            ("chat\r\nSec-WebSocket-Protocol: mqtt", Some("mqtt")),
            ("MQTT", None),
            ("mqtt5", None),
            ("", None),
        ];
        for (offered, wanted) in rows {
            let head = GOOD.replace("Protocol: mqtt", &format!("Protocol: {offered}"));
            match (judged(&head, &[]), wanted) {
                (Ok(answer), Some(name)) => {
                    assert!(
                        answer.contains(&format!("\r\nSec-WebSocket-Protocol: {name}\r\n\r\n")),
                        "{offered}: {answer}"
                    );
                }
                (Err(Refused::Subprotocol(said)), None) => assert_eq!(said, offered),
                (found, _) => panic!("{offered}: {found:?}"),
            }
        }
    }

    #[test]
    fn what_is_not_as_it_must_be_is_refused_with_its_status() {
        let long = format!("/{}", "x".repeat(200));
        let rows: &[(&str, String, &[&str], Refused, &str)] = &[
            ("RFC 6455 §4.1", GOOD.replace("GET", "POST"), &[], Refused::Method("POST".into()), "405"),
            ("RFC 6455 §4.1", GOOD.replace("1.1", "1.0"), &[], Refused::NoUpgrade("/mqtt".into()), "426"),
            ("RFC 6455 §4.2.1", GOOD.replace("websocket", "h2c"), &[], Refused::NoUpgrade("/mqtt".into()), "426"),
            ("RFC 6455 §4.2.1", GOOD.replace(": Upgrade", ": close"), &[], Refused::NoUpgrade("/mqtt".into()), "426"),
            (
                "a long path",
                GOOD.replace("websocket", "h2c").replace("/mqtt", &long),
                &[],
                Refused::NoUpgrade(format!("{}…", &long[..100])),
                "426",
            ),
            ("RFC 6455 §4.4", GOOD.replace("13", "8"), &[], Refused::Version, "426"),
            ("RFC 6455 §4.2.1", GOOD.replace("dGhlIHNhbXBsZSBub25jZQ==", "dGhl"), &[], Refused::Key, "400"),
            ("RFC 6455 §4.2.1", GOOD.replace("dGhlIHNhbXBsZSBub25jZQ==", "?"), &[], Refused::Key, "400"),
            ("RFC 6455 §4.2.1", GOOD.replace("-Key", "-Lock"), &[], Refused::Key, "400"),
            (
                "RFC 6455 §10.2",
                GOOD.replace("Host: h", "Origin: http://evil"),
                &["http://good"],
                Refused::Origin("http://evil".into()),
                "403",
            ),
            (
                "an origin that is the beginning of one that may",
                GOOD.replace("Host: h", "Origin: http://goo"),
                &["http://good"],
                Refused::Origin("http://goo".into()),
                "403",
            ),
            (
                "one good origin and one other",
                GOOD.replace("Host: h", "Origin: http://good\r\nOrigin: http://evil"),
                &["http://good"],
                Refused::Origin("http://evil".into()),
                "403",
            ),
        ];
        for (source, text, origins, refused, status) in rows {
            assert_eq!(judged(text, origins), Err(refused.clone()), "{source}: {text}");
            let answer = String::from_utf8(refused.answer()).expect("ASCII");
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{source}: {answer}");
            let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
            assert!(head.ends_with(&format!("Content-Length: {}", body.len())), "{source}: {answer}");
        }
    }

    #[test]
    fn pages_of_the_origins_that_are_named_may_connect_and_so_may_what_is_no_page() {
        let from = |origin: &str| GOOD.replace("Host: h", &format!("Origin: {origin}"));
        assert!(judged(&from("http://b"), &["http://a", "http://b"]).is_ok());
        assert!(judged(&from("http://evil"), &[]).is_ok(), "none is named: all may");
        assert!(judged(GOOD, &["http://a"]).is_ok());
    }

    #[test]
    fn the_address_that_the_nearest_proxy_saw_is_the_last_one() {
        let rows = [
            ("192.0.2.7", Some("192.0.2.7")),
            ("203.0.113.9, 192.0.2.7", Some("192.0.2.7")),
            ("203.0.113.9\r\nX-Forwarded-For: 2001:db8::1", Some("2001:db8::1")),
            ("[2001:db8::1]", Some("2001:db8::1")),
            ("unknown", None),
            ("192.0.2.7, evil\u{1b}", None),
        ];
        for (value, wanted) in rows {
            let text = GOOD.replace("Host: h", &format!("X-Forwarded-For: {value}"));
            let Ok(head) = Head::parse(text.as_bytes()) else {
                assert_eq!(wanted, None, "{value}");
                continue;
            };
            let found = accept(&head, &[]).expect("good").forwarded_for;
            assert_eq!(found, wanted.map(|address| address.parse().expect("an address")), "{value}");
        }
    }
}
