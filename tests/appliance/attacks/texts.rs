//! Texts that are none, in every field that has one; and data, which may be anything.

use super::siege::Siege;
use super::wire::{
    Connect, VERSIONS, Will, acknowledgement, packet, properties, puback, publish, suback, subscribe, text,
    unsubscribe, user_property,
};

/// [3.1.1 MQTT-1.5.3-1, MQTT-1.5.3-2; 5.0 MQTT-1.5.4-1, MQTT-1.5.4-2]; control characters and non-characters may be
/// refused [3.1.1 §1.5.3, 5.0 §1.5.4], as mosquitto does.
const NO_TEXTS: [(&[u8], &str); 12] = [
    (b"a\xFF", "a byte that never stands in UTF-8"),
    (b"\x80", "a continuation of nothing"),
    (b"\xC3\x28", "half a character"),
    (b"a\xE2\x82", "a character cut off"),
    (b"\xC0\x80", "U+0000 in two bytes"),
    (b"\xE0\x80\xAF", "a slash in three bytes"),
    (b"\xED\xA0\x80", "a high surrogate"),
    (b"\xED\xBF\xBF", "a low surrogate"),
    (b"\xED\xA0\xBD\xED\xB8\x80", "a pair of surrogates"),
    (b"\xF4\x90\x80\x80", "beyond Unicode"),
    (b"a\0b", "U+0000"),
    (b"a\x01", "a control character"),
];

/// A property that is a text.
fn property(id: u8, value: &[u8]) -> Vec<u8> {
    [&[id], &text(value)[..]].concat()
}

/// Every CONNECT in which `bytes` are one of the texts.
fn connects(version: u8, bytes: &[u8]) -> Vec<(&'static str, Connect)> {
    let plain = Connect::new(version, "attacker");
    let with_will = |will: Will| Connect { will: Some(will), ..plain.clone() };
    let mut all = vec![
        ("Client Identifier", Connect::new(version, bytes)),
        ("User Name", Connect { username: Some(bytes.to_vec()), ..plain.clone() }),
        ("Will Topic", with_will(Will::new(bytes))),
    ];
    if version == 5 {
        let of_the_will = |properties| with_will(Will { properties, ..Will::new("w") });
        all.extend([
            ("name of a User Property", Connect { properties: user_property(bytes, "v"), ..plain.clone() }),
            ("value of a User Property", Connect { properties: user_property("n", bytes), ..plain.clone() }),
            ("Authentication Method", Connect { properties: property(0x15, bytes), ..plain.clone() }),
            ("Content Type of the will", of_the_will(property(0x03, bytes))),
            ("Response Topic of the will", of_the_will(property(0x08, bytes))),
            ("User Property of the will", of_the_will(user_property(bytes, "v"))),
            ("User Property of the will", of_the_will(user_property("n", bytes))),
        ]);
    }
    all
}

/// Every other packet in which `bytes` are one of the texts.
fn packets(version: u8, bytes: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let mut all = vec![
        ("Topic Name", publish(version, bytes, &[])),
        ("Topic Filter of SUBSCRIBE", subscribe(version, &[(bytes, 0)], &[])),
        ("a second Topic Filter", subscribe(version, &[(b"t", 0), (bytes, 0)], &[])),
        ("Topic Filter of UNSUBSCRIBE", unsubscribe(version, &[bytes], &[])),
    ];
    if version == 5 {
        all.extend([
            ("Content Type", publish(5, "t", &property(0x03, bytes))),
            ("Response Topic", publish(5, "t", &property(0x08, bytes))),
            ("Reason String of DISCONNECT", packet(0xE0, &[&[0], &properties(5, &property(0x1F, bytes))])),
            ("Server Reference of DISCONNECT", packet(0xE0, &[&[0], &properties(5, &property(0x1C, bytes))])),
            ("Authentication Method of AUTH", packet(0xF0, &[&[0x18], &properties(5, &property(0x15, bytes))])),
        ]);
        for pair in [user_property(bytes, "v"), user_property("n", bytes)] {
            all.extend([
                ("User Property of PUBLISH", publish(5, "t", &pair)),
                ("User Property of SUBSCRIBE", subscribe(5, &[(b"t", 0)], &pair)),
                ("User Property of UNSUBSCRIBE", unsubscribe(5, &[b"t"], &pair)),
                ("User Property of DISCONNECT", packet(0xE0, &[&[0], &properties(5, &pair)])),
            ]);
        }
        for (first, name) in [(0x40, "PUBACK"), (0x50, "PUBREC"), (0x62, "PUBREL"), (0x70, "PUBCOMP")] {
            all.push((name, acknowledgement(first, &property(0x1F, bytes))));
            all.push((name, acknowledgement(first, &user_property(bytes, "v"))));
        }
    }
    all
}

#[test]
fn a_text_that_is_none_is_malformed_in_every_field() {
    let mut siege = Siege::begin();
    for version in VERSIONS {
        for (bytes, fault) in NO_TEXTS {
            for (field, connect) in connects(version, bytes) {
                siege.ends_a_stranger(&connect.bytes(), &format!("{version}: {fault} in {field}"));
            }
            for (field, packet) in packets(version, bytes) {
                siege.ends_a_client(version, &packet, 0x81, &format!("{version}: {fault} in {field}"));
            }
        }
    }
}

#[test]
fn data_may_be_any_bytes() {
    let mut siege = Siege::begin();
    for version in VERSIONS {
        for (bytes, kind) in NO_TEXTS {
            let connect = Connect::new(version, "attacker");
            let will = Will { payload: bytes.to_vec(), ..Will::new("w") };
            let (username, password) = (Some(b"user".to_vec()), Some(bytes.to_vec()));
            drop(siege.client_who(&Connect { will: Some(will), username, password, ..connect }));
            siege.nobody_noticed(&format!("{version}: {kind} in Password and Will Payload"));
            let mut message = publish(version, "t", if version == 5 { &[0x09, 0, 1, 0xFF] } else { &[] });
            let end = message.len() - 2;
            message[end..].copy_from_slice(&bytes.repeat(2)[..2]);
            let answer = puback(version, 0x10);
            siege.is_answered(version, &message, &answer, &format!("{version}: {kind} in a payload"));
        }
        // A byte order mark is a character like another [3.1.1 MQTT-1.5.3-3, 5.0 MQTT-1.5.4-3].
        let asked = subscribe(version, &[(b"\xEF\xBB\xBFa", 0)], &[]);
        siege.is_answered(version, &asked, &suback(version, &[0]), "U+FEFF");
    }
}
