//! Clients behind a proxy that speaks the PROXY protocol: real sockets, headers whole and in pieces, inline and with I/O
//! threads.

use std::io::Write as _;

use broker::proxy_header::{HEADER_BYTES_MAX, Version};
use broker::{Protection, ProxyRules};

use crate::client::{Running, connect, start_behind};
use crate::log::Log;
use crate::websocket::{self, Web};

const V1: &[u8] = b"PROXY TCP4 192.0.2.5 127.0.0.1 6275 1883\r\n";

/// A header of version 2 from 192.0.2.5:6275, with these facts.
fn v2(command: u8, facts: &[u8]) -> Vec<u8> {
    let addresses = [192, 0, 2, 5, 127, 0, 0, 1, 0x18, 0x83, 7, 0x5B];
    let length = (addresses.len() + facts.len()) as u16;
    [b"\r\n\r\n\0\r\nQUIT\n", &[command, 0x11][..], &length.to_be_bytes(), &addresses, facts].concat()
}

/// The TLS facts of a client with the certificate of "router 1".
fn tls(verified: u8) -> Vec<u8> {
    let facts =
        [&[0x07, 0, 0, 0, verified][..], &[0x21, 0, 7], b"TLSv1.3", &[0x22, 0, 8], b"router 1", &[0x23, 0, 4], b"AES0"];
    let facts = facts.concat();
    [&[0x20][..], &(facts.len() as u16).to_be_bytes(), &facts].concat()
}

fn behind(version: Version, requires: [bool; 2]) -> Running {
    let [requires_tls, requires_certificate] = requires;
    let proxy = Some(ProxyRules { version, requires_tls, requires_certificate });
    let names = requires_certificate.then_some(certs::NameFrom::Identity);
    start_behind(Protection { proxy, names, ..Protection::default() }, |appliance| {
        appliance.connection_messages = true;
        appliance.settings.listeners[0].names_by_door = requires_certificate;
    })
}

#[test]
fn the_client_of_a_proxy_comes_in_with_its_own_address_whichever_pieces_the_header_comes_in() {
    for (version, header) in [(Version::V1, V1.to_vec()), (Version::V2, v2(0x21, &[]))] {
        let log = Log::begin();
        let broker = behind(version, [false; 2]);
        for cut in [0, 1, 5, 13, header.len() - 1, header.len()] {
            let mut client = broker.knock();
            let all = [&header[..], &connect("c", 0)].concat();
            client.say(&all[..cut]);
            broker.settle();
            client.say(&all[cut..]);
            client.expect(&[0x20, 2, 0, 0]);
        }
        log.wait_for("New client connected from 192.0.2.5:6275 as c (p4, c1, k0).");
    }
}

#[test]
fn a_client_of_a_proxy_that_comes_by_websocket_has_its_own_address() {
    let log = Log::begin();
    let proxy = Some(ProxyRules { version: Version::V1, requires_tls: false, requires_certificate: false });
    let websocket = Some(websocket::rules(&[]));
    let broker = start_behind(Protection { proxy, websocket, ..Protection::default() }, |appliance| {
        appliance.connection_messages = true;
    });
    for cut in [1, V1.len()] {
        let mut client = broker.knock();
        client.say(&V1[..cut]);
        broker.settle();
        client.say(&V1[cut..]);
        let mut web = Web::open(client.stream);
        web.stream.write_all(&websocket::frame(0x82, &connect("web", 0))).expect("the broker takes it");
        assert_eq!(web.frame(), (0x82, vec![0x20, 2, 0, 0]));
    }
    log.wait_for("New client connected from 192.0.2.5:6275 as web (p4, c1, k0).");
}

#[test]
fn a_proxy_that_speaks_for_itself_or_does_not_know_keeps_its_address() {
    for (version, header) in [(Version::V1, b"PROXY UNKNOWN\r\n".to_vec()), (Version::V2, v2(0x20, &[]))] {
        let log = Log::begin();
        let broker = behind(version, [false; 2]);
        let mut client = broker.knock();
        client.say(&[&header[..], &connect("c", 0)].concat());
        client.expect(&[0x20, 2, 0, 0]);
        log.wait_for("New client connected from 127.0.0.1:");
    }
}

#[test]
fn a_certificate_that_the_proxy_found_good_gives_the_user_name() {
    let log = Log::begin();
    let broker = behind(Version::V2, [true, true]);
    let mut client = broker.knock();
    client.say(&[&v2(0x21, &tls(0))[..], &connect("c", 0)].concat());
    client.expect(&[0x20, 2, 0, 0]);
    log.wait_for("Connection from 192.0.2.5:6275 negotiated TLSv1.3 cipher AES0");
    log.wait_for("New client connected from 192.0.2.5:6275 as c (p4, c1, k0, u'router 1').");
}

#[test]
fn who_is_behind_a_proxy_in_a_way_that_is_not_wanted_is_closed_with_mosquittos_line() {
    let rows: [(Version, [bool; 2], Vec<u8>, &str); 6] = [
        (Version::V1, [false; 2], connect("c", 0), "Connection rejected, corrupt PROXY header."),
        (Version::V2, [false; 2], connect("c", 0), "Connection rejected, corrupt PROXY header."),
        (Version::V1, [false; 2], vec![b'P'; HEADER_BYTES_MAX], "Connection rejected, corrupt PROXY header."),
        (
            Version::V2,
            [false; 2],
            v2(0x21, &[0x20, 0]),
            "Connection from 192.0.2.5:6275 rejected, corrupt PROXY header.",
        ),
        (
            Version::V2,
            [true, false],
            v2(0x21, &[]),
            "Connection from 192.0.2.5:6275 rejected, client did not connect using TLS.",
        ),
        (
            Version::V2,
            [false, true],
            v2(0x21, &tls(1)),
            "Connection from 192.0.2.5:6275 rejected, client did not provide a certificate.",
        ),
    ];
    for (version, requires, said, line) in rows {
        let log = Log::begin();
        let broker = behind(version, requires);
        let mut client = broker.knock();
        client.say(&said);
        client.expect_end();
        log.wait_for(line);
    }
}
