//! WebSocket and HTTP in raw bytes: lengths, fragments, masks, control frames and heads as they may not be.

use super::siege::{Attacker, Siege};
use super::wire::Connect;
use crate::folder::Folder;

const LISTENER: &str = "listener PORT 127.0.0.2\nprotocol websockets\n";
const REQUEST: &str = "GET /mqtt HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n";

fn siege() -> Siege {
    Siege::with(LISTENER, Folder::new())
}

/// A connection at the WebSocket port that has said nothing.
fn stranger(siege: &Siege) -> Attacker {
    siege.stranger_at("127.0.0.2")
}

/// One whose handshake is over.
fn upgraded(siege: &Siege) -> Attacker {
    let mut attacker = stranger(siege);
    attacker.says(REQUEST.as_bytes());
    let head = attacker.head("the handshake");
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    attacker
}

/// One that was let in.
fn client(siege: &Siege) -> Attacker {
    let mut attacker = upgraded(siege);
    attacker.says(&frame(0x82, &Connect::new(4, "attacker").bytes()));
    attacker.hears(b"\x82\x04\x20\x02\x00\x00", "it is let in");
    attacker
}

/// A frame with a mask of zeros.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    assert!(payload.len() < 126, "a short one");
    [&[first, 0x80 | u8::try_from(payload.len()).expect("short"), 0, 0, 0, 0], payload].concat()
}

#[test]
fn a_frame_that_may_not_be_ends_its_connection_with_its_status() {
    // [3.1.1 MQTT-6.0.0-1, 5.0 MQTT-6.0.0-1]
    let mut siege = siege();
    let rows: &[(&str, Vec<u8>, u16)] = &[
        ("text", frame(0x81, b"hello"), 1003),
        ("text in fragments", frame(0x01, b"hello"), 1003),
        ("unmasked", vec![0x82, 2, 0xC0, 0], 1002),
        ("RSV1", frame(0xC2, &[0xC0, 0]), 1002),
        ("RSV2", frame(0xA2, &[0xC0, 0]), 1002),
        ("RSV3", frame(0x92, &[0xC0, 0]), 1002),
        ("type 3", frame(0x83, b""), 1002),
        ("type 15", frame(0x8F, b""), 1002),
        ("a continuation of nothing", frame(0x80, &[0xC0, 0]), 1002),
        ("a message in a message", [frame(0x02, &[0xC0]), frame(0x82, &[0])].concat(), 1002),
        ("a ping in fragments", frame(0x09, b""), 1002),
        ("a ping of 126 bytes", vec![0x89, 0xFE, 0, 126, 0, 0, 0, 0], 1002),
        ("a close of one byte", frame(0x88, &[3]), 1002),
        ("a close with a status that may not be sent", frame(0x88, &1006_u16.to_be_bytes()), 1002),
        ("a close with a reason that is no text", frame(0x88, &[3, 0xE8, 0xFF]), 1007),
        ("a length with a byte too many", vec![0x82, 0xFE, 0, 2, 0, 0, 0, 0, 0xC0, 0], 1002),
        ("a length of 64 bits that needs 16", vec![0x82, 0xFF, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0], 1002),
        ("a length below zero", vec![0x82, 0xFF, 0xFF, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], 1002),
    ];
    for (what, bytes, status) in rows {
        for mut attacker in [upgraded(&siege), client(&siege)] {
            attacker.says(bytes);
            attacker.hears(&[&[0x88, 2][..], &status.to_be_bytes()].concat(), what);
            attacker.is_closed(what);
            siege.nobody_noticed(what);
        }
    }
}

#[test]
fn a_length_that_is_only_announced_costs_nothing() {
    let mut siege = siege();
    let before = siege.appliance.virtual_kib();
    let announced =
        [&[0x82, 0xFF, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0][..], &[0xC0, 0]].concat();
    let attackers: Vec<_> = (0..50)
        .map(|_| {
            let mut attacker = client(&siege);
            attacker.says(&announced);
            attacker.hears(b"\x82\x02\xD0\x00", "what came of it is heard");
            attacker
        })
        .collect();
    let grown = siege.appliance.virtual_kib().saturating_sub(before);
    assert!(grown <= 20_000, "virtual memory grew by {grown} KiB");
    drop(attackers);
    siege.nobody_noticed("eight exabytes announced, fifty times");
}

#[test]
fn packets_are_bounded_whatever_frames_they_come_in() {
    let mut siege = siege();
    // 256 MiB announced by MQTT, by a stranger; each byte in a frame of its own.
    let mut attacker = upgraded(&siege);
    for byte in b"\x10\xFF\xFF\xFF\x7F" {
        attacker.says(&frame(0x82, &[*byte]));
    }
    attacker.hears(b"\x88\x02\x03\xE8", "a CONNECT of 256 MiB");
    attacker.is_closed("a CONNECT of 256 MiB");
    siege.nobody_noticed("a CONNECT of 256 MiB in frames");
}

#[test]
fn frames_of_nothing_do_not_keep_a_stranger() {
    let mut siege = siege();
    let mut attacker = upgraded(&siege);
    // Thousands of them, and of pongs that nobody asked for, in a fragmented message without an end.
    attacker.says(&frame(0x02, b""));
    for _ in 0..2_000 {
        attacker.says(&[frame(0x00, b""), frame(0x8A, b"x")].concat());
    }
    siege.nobody_noticed("four thousand frames of nothing");
    attacker.says(&frame(0x80, &Connect::new(4, "attacker").bytes()));
    attacker.hears(b"\x82\x04\x20\x02\x00\x00", "it is let in when it says CONNECT in the end");
}

#[test]
fn pings_without_end_cost_nothing() {
    let mut siege = siege();
    let mut attacker = client(&siege);
    attacker.stream.set_nonblocking(true).expect("a socket");
    let flood = frame(0x89, &[b'p'; 125]).repeat(1_000);
    let before = siege.appliance.resident_kib();
    // It never reads: in the end neither side takes more, or all of it was taken.
    for _ in 0..200 {
        attacker.says(&flood);
    }
    siege.nobody_noticed("a flood of pings");
    let grown = siege.appliance.resident_kib().saturating_sub(before);
    assert!(grown <= 4_000, "resident memory grew by {grown} KiB");
}

#[test]
fn a_head_without_end_is_cut_off() {
    let mut siege = siege();
    for head in ["GET /".to_owned() + &"x".repeat(5_000), format!("GET / HTTP/1.1\r\n{}", "a: b\r\n".repeat(1_000))] {
        let mut attacker = stranger(&siege);
        attacker.says(head.as_bytes());
        assert!(attacker.head("a long head").starts_with("HTTP/1.1 431 "));
        siege.nobody_noticed("a head without end");
    }
    let mut attacker = stranger(&siege);
    attacker.says(format!("GET / HTTP/1.1\r\n{}\r\n", "a:b\r\n".repeat(101)).as_bytes());
    assert!(attacker.head("many fields").starts_with("HTTP/1.1 431 "));
}

#[test]
fn what_is_no_request_is_answered_or_closed() {
    let mut siege = siege();
    let rows: &[(&str, &[u8], &str)] = &[
        ("HTTP/0.9", b"GET /\r\n\r\n", "400"),
        ("HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "400"),
        ("a field without a name", b"GET / HTTP/1.1\r\n: x\r\n\r\n", "400"),
        ("a space in a name", b"GET / HTTP/1.1\r\nHost : x\r\n\r\n", "400"),
        ("a folded field", b"GET / HTTP/1.1\r\nHost: x\r\n y\r\n\r\n", "400"),
        ("a zero byte", b"GET / HTTP/1.1\r\nHost: \0\r\n\r\n", "400"),
        ("two keys", REQUEST_WITH_TWO_KEYS, "400"),
        ("no upgrade", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "426"),
    ];
    for (what, bytes, status) in rows {
        let mut attacker = stranger(&siege);
        attacker.says(bytes);
        let head = attacker.head(what);
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{what}: {head}");
        siege.nobody_noticed(what);
    }
    for bytes in
        [&b"\x10\x0c\x00\x04MQTT"[..], b"\x16\x03\x01\x00\xc8", b"\x00", b"get / HTTP/1.1\r\n\r\n", b"\xff\xff"]
    {
        let mut attacker = stranger(&siege);
        attacker.says(bytes);
        attacker.is_closed(&format!("{bytes:02x?}"));
        siege.nobody_noticed(&format!("{bytes:02x?} to a WebSocket port"));
    }
}

const REQUEST_WITH_TWO_KEYS: &[u8] =
    b"GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Protocol: mqtt\r\n\r\n";
