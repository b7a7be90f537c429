//! What breaks the protocol ends its connection, on a real socket: what is said before the end, and that it comes.

use crate::client::{Client, Running, connect, connect_v5, packet, start, text};

/// A client that was let in, of 5.0 or of 3.1.1.
fn let_in(broker: &Running, is_v5: bool) -> Client {
    let mut client = broker.knock();
    client.say(&if is_v5 { connect_v5("c") } else { connect("c", 0) });
    let (first, body) = client.packet();
    assert_eq!((first, body[1]), (0x20, 0));
    client
}

#[test]
fn a_packet_that_breaks_the_protocol_ends_the_connection() {
    // [3.1.1 MQTT-4.8.0-1]
    let rows: &[(&str, Vec<u8>)] = &[
        ("3.1.1 MQTT-3.1.0-2", connect("c", 0)),
        ("3.1.1 §2.2.1, for clients only", vec![0xD0, 0]),
        ("3.1.1 MQTT-2.2.2-2", vec![0xC1, 0]),
        ("3.1.1 MQTT-3.14.1-1", vec![0xE1, 0]),
        ("3.1.1 MQTT-3.6.1-1", vec![0x60, 2, 0, 1]),
        ("3.1.1 MQTT-3.8.1-1", packet(0x80, &[&[0, 1][..], &text("t"), &[0]].concat())),
        ("3.1.1 MQTT-3.10.1-1", packet(0xA0, &[&[0, 1][..], &text("t")].concat())),
        ("3.1.1 MQTT-1.5.3-1", packet(0x30, &[0, 1, 0xFF])),
        ("3.1.1 MQTT-1.5.3-2", packet(0x30, &[0, 1, 0])),
        ("3.1.1 MQTT-3.3.1-4", packet(0x36, &[&text("t")[..], &[0, 1]].concat())),
        ("3.1.1 MQTT-3.8.3-3", packet(0x82, &[0, 1])),
        ("3.1.1 MQTT-3-8.3-4", packet(0x82, &[&[0, 1][..], &text("t"), &[3]].concat())),
        ("3.1.1 MQTT-3-8.3-4", packet(0x82, &[&[0, 1][..], &text("t"), &[0x80]].concat())),
        ("3.1.1 MQTT-3.10.3-2", packet(0xA2, &[0, 1])),
    ];
    let broker = start();
    let mut other = broker.client("other");
    for (source, bytes) in rows {
        let mut client = let_in(&broker, false);
        client.say(bytes);
        println!("{source}");
        client.expect_end();
        other.ping();
    }
}

#[test]
fn a_5_0_client_is_told_the_reason_and_then_closed() {
    // [5.0 MQTT-4.13.1-1, MQTT-4.13.2-1, MQTT-3.14.4-2]
    let rows: &[(&str, u8, Vec<u8>)] = &[
        ("5.0 MQTT-3.1.0-2", 0x82, connect_v5("c")),
        ("5.0 §4.13, for clients only", 0x82, vec![0xD0, 0]),
        ("5.0 MQTT-2.1.3-1", 0x81, vec![0xC1, 0]),
        ("5.0 MQTT-3.14.1-1", 0x81, vec![0xE1, 0]),
        ("5.0 MQTT-3.6.1-1", 0x81, vec![0x60, 2, 0, 1]),
        ("5.0 MQTT-3.8.1-1", 0x81, packet(0x80, &[&[0, 1, 0][..], &text("t"), &[0]].concat())),
        ("5.0 MQTT-3.10.1-1", 0x81, packet(0xA0, &[&[0, 1, 0][..], &text("t")].concat())),
        ("5.0 MQTT-3.15.1-1", 0x81, vec![0xF1, 0]),
        ("5.0 MQTT-1.5.4-1", 0x81, packet(0x30, &[0, 1, 0xFF, 0])),
        ("5.0 MQTT-1.5.4-2", 0x81, packet(0x30, &[0, 1, 0, 0])),
        ("5.0 MQTT-3.3.1-4", 0x81, packet(0x36, &[&text("t")[..], &[0, 1, 0]].concat())),
        ("5.0 MQTT-3.8.3-2", 0x82, packet(0x82, &[0, 1, 0])),
        ("5.0 MQTT-3.8.3-5", 0x81, packet(0x82, &[&[0, 1, 0][..], &text("t"), &[0x40]].concat())),
        ("5.0 MQTT-3.10.3-2", 0x82, packet(0xA2, &[0, 1, 0])),
    ];
    let broker = start();
    let mut other = broker.client("other");
    for (source, code, bytes) in rows {
        let mut client = let_in(&broker, true);
        client.say(bytes);
        println!("{source}");
        client.expect(&[0xE0, 1, *code]);
        client.expect_end();
        other.ping();
    }
}

#[test]
fn a_connect_that_is_not_one_ends_the_connection_without_a_connack() {
    // [3.1.1 MQTT-3.1.4-1, 5.0 MQTT-3.1.4-1]
    let of = |level: u8, flags: u8, rest: &[u8]| {
        let body = [text("MQTT"), vec![level, flags, 0, 0], rest.to_vec()].concat();
        packet(0x10, &body)
    };
    let rows: &[(&str, Vec<u8>)] = &[
        ("3.1.1 MQTT-3.1.2-3", of(4, 3, &text("c"))),
        ("5.0 MQTT-3.1.2-3", of(5, 3, &[&[0][..], &text("c")].concat())),
        ("3.1.1 MQTT-3.1.2-14", of(4, 0x1E, &[text("c"), text("w"), text("x")].concat())),
        ("5.0 MQTT-3.1.2-12", of(5, 0x1E, &[&[0][..], &text("c"), &[0], &text("w"), &text("x")].concat())),
        ("3.1.1 MQTT-3.1.2-22", of(4, 0x42, &[text("c"), text("p")].concat())),
        ("3.1.1 MQTT-3.1.3-4", of(4, 2, &[0, 1, 0xFF])),
        ("5.0 MQTT-3.1.3-4", of(5, 2, &[0, 0, 1, 0xFF])),
        ("3.1.1 MQTT-3.1.2-1", packet(0x10, &[text("mqtt"), vec![4, 2, 0, 0], text("c")].concat())),
        ("5.0 MQTT-3.1.2-1", packet(0x10, &[text("mqtt"), vec![5, 2, 0, 0, 0], text("c")].concat())),
        ("3.1.1 MQTT-2.2.2-2", [&[0x11][..], &connect("c", 0)[1..]].concat()),
        ("5.0 MQTT-2.1.3-1", [&[0x11][..], &connect_v5("c")[1..]].concat()),
        ("3.1.1 MQTT-3.1.0-1", vec![0xC0, 0]),
        ("5.0 MQTT-3.1.0-1", packet(0x30, &text("t"))),
    ];
    let broker = start();
    let mut other = broker.client("other");
    for (source, bytes) in rows {
        let mut client = broker.knock();
        client.say(bytes);
        println!("{source}");
        client.expect_end();
        other.ping();
    }
}

#[test]
fn a_version_that_is_not_spoken_is_told_so_and_closed() {
    // [3.1.1 MQTT-3.1.2-2, MQTT-3.2.2-5; 5.0 MQTT-3.1.2-2, MQTT-3.2.2-7]: in the words of 3.1.1, which all may know.
    let broker = start();
    for level in [0, 2, 3, 6, 9, 0x7F] {
        let mut client = broker.knock();
        client.say(&packet(0x10, &[text("MQTT"), vec![level, 2, 0, 0], text("c")].concat()));
        client.expect(&[0x20, 2, 0, 1]);
        client.expect_end();
    }
}
