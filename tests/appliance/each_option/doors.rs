//! Where clients come in, and what stands before them.

use std::net::TcpStream;

use mqtt::Packet;

use super::raw::Raw;
use super::{Debian, NEW, Row, check};
use crate::clients::publish;
use crate::folder::Folder;
use crate::side::Side;

/// Whether a client comes in that a proxy announces with `header`; and whom the log names.
fn announced(side: &Side, header: &[u8]) -> String {
    let mut raw = Raw::open(side.port);
    raw.say_bytes(header);
    raw.greet(&[]);
    match raw.next(|packet| matches!(packet, Packet::ConnAck(_))) {
        Some(true) => {
            let line = side.log().wait_for("New client connected from");
            let address = line.split("connected from ").nth(1).and_then(|rest| rest.split(':').next());
            address.unwrap_or_default().to_owned()
        }
        _ => "closed".to_owned(),
    }
}

/// PROXY 2, TCP over IPv4 from 10.1.2.3:1000, and nothing of TLS.
const PROXY_2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\x0a\x01\x02\x03\x0a\x09\x09\x09\x03\xe8\x07\xd0";

/// The status of the answer to a request for WebSocket with a large head.
fn upgraded(side: &Side) -> String {
    let mut raw = Raw::open(side.port);
    let cookie = "c".repeat(1000);
    raw.say_bytes(
        format!(
            "GET /mqtt HTTP/1.1\r\nHost: here\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nCookie: {cookie}\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Protocol: mqtt\r\n\r\n"
        )
        .as_bytes(),
    );
    raw.rest().split(' ').nth(1).unwrap_or("closed").to_owned()
}

/// Two authorities, `certs` and `foreign`, of which the first stands in a folder `cas` as OpenSSL wants it.
fn authorities(folder: &Folder) {
    folder.certificates();
    folder.client_certificate("client", std::time::SystemTime::now(), 30);
    folder.foreign_certificates("foreign", "stranger");
    folder.write("cas/ca.pem", folder.read("certs/ca.crt"));
    let made = std::process::Command::new("openssl").args(["rehash", &folder.at("cas")]).status();
    assert!(made.expect("openssl runs").success());
}

/// Whether a client with a certificate of `certs` comes in.
fn certified(side: &Side) -> String {
    let at = |name: &str| side.folder().at(&format!("certs/{name}"));
    let (ca, certificate, key) = (at("ca.crt"), at("client.crt"), at("client.key"));
    let files = ["--cafile", &ca, "--cert", &certificate, "--key", &key];
    let outcome = publish(side.port, &[&files[..], &["-h", "localhost", "-q", "1", "-t", "t", "-m", "x"]].concat());
    if outcome.status == Some(0) { "comes in" } else { "refused" }.to_owned()
}

#[test]
fn options_say_where_and_behind_what_clients_come_in() {
    check(&[
        Row::new(
            "bind_address",
            "port PORT\nallow_anonymous true\nbind_address 127.0.0.2\n",
            |s| if TcpStream::connect(("127.0.0.1", s.port)).is_ok() { "open" } else { "closed" }.to_owned(),
            "closed",
            "open",
        ),
        Row::new(
            "enable_proxy_protocol",
            "enable_proxy_protocol 1",
            |s| announced(s, b"PROXY TCP4 10.1.2.3 10.9.9.9 1000 2000\r\n"),
            "10.1.2.3",
            "closed",
        )
        .debian(NEW),
        Row::new(
            "proxy_protocol_v2_require_tls",
            "enable_proxy_protocol 2\nproxy_protocol_v2_require_tls true",
            |s| announced(s, PROXY_2),
            "closed",
            "10.1.2.3",
        )
        .debian(NEW),
        Row::new("packet_buffer_size", "protocol websockets\npacket_buffer_size 500", upgraded, "431", "101")
            .debian(NEW),
        Row::new("websockets_headers_size", "protocol websockets\nwebsockets_headers_size 500", upgraded, "431", "101")
            .debian(Debian::Unlike("its library has a least size of its own")),
        Row::new(
            "capath",
            "cafile DIR/foreign/ca.crt\ncapath DIR/cas\ncertfile DIR/certs/server.crt\nkeyfile DIR/certs/server.key\n\
             require_certificate true",
            certified,
            "comes in",
            "refused",
        )
        .files(authorities),
    ]);
}
