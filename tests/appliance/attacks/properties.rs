//! Properties of 5.0: thousands of them, twice the same, in the wrong place.

use super::siege::Siege;
use super::wire::{
    Connect, Will, acknowledgement, packet, properties, puback, publish, suback, subscribe, text, unsuback,
    unsubscribe, user_property,
};

#[test]
fn thousands_of_user_properties_are_carried_and_kept_no_longer_than_needed() {
    let mut siege = Siege::begin();
    let many = user_property("name", "value").repeat(5_000);
    let carried = subscribe(5, &[(b"carried", 0)], &[]);
    let mut reader = siege.client_who(&Connect::new(5, "reader"));
    reader.is_answered(&carried, &suback(5, &[0]), "the reader");
    let before = siege.appliance.resident_kib();
    for round in 0..10 {
        let what = format!("5,000 user properties, round {round}");
        let connect = Connect {
            properties: many.clone(),
            will: Some(Will { properties: many.clone(), ..Will::new("w") }),
            ..Connect::new(5, "attacker")
        };
        let mut client = siege.client_who(&connect);
        client.is_answered(&subscribe(5, &[(b"t", 0)], &many), &suback(5, &[0]), &what);
        client.is_answered(&unsubscribe(5, &[b"t"], &many), &unsuback(5, &[0]), &what);
        client.is_answered(&publish(5, "carried", &many), &puback(5, 0), &what);
        client.is_answered(&acknowledgement(0x40, &many), &[], &what);
        client.is_answered(&acknowledgement(0x50, &many), &[0x62, 2, 0, 7], &what);
        client.is_answered(&acknowledgement(0x62, &many), &[0x70, 2, 0, 7], &what);
        client.is_answered(&acknowledgement(0x70, &many), &[], &what);
        client.says(&packet(0xE0, &[&[0], &properties(5, &many)]));
        client.is_closed(&what);
        // In their order, and all of them [5.0 MQTT-3.3.2-17, MQTT-3.3.2-18].
        let message = packet(0x30, &[&text("carried"), &properties(5, &many), b"payload"]);
        reader.is_answered(&[], &message, &what);
        siege.nobody_noticed(&what);
    }
    let grown = siege.appliance.resident_kib().saturating_sub(before);
    assert!(grown < 8 * 1024, "{grown} KiB are left of 10 clients with 5,000 user properties in each packet");
}

/// Each with the place where it may stand: `c` CONNECT, `w` will, `p` PUBLISH, `s` SUBSCRIBE, `a` an acknowledgement,
/// `d` DISCONNECT [5.0 §2.2.2.2, table 2-4].
const ONCE: [(&str, &[u8]); 22] = [
    ("c", &[0x11, 0, 0, 0, 1]),
    ("c", &[0x15, 0, 1, b'm']),
    ("c", &[0x16, 0, 1, b'm']),
    ("c", &[0x17, 1]),
    ("c", &[0x19, 1]),
    ("c", &[0x21, 0, 1]),
    ("c", &[0x22, 0, 1]),
    ("c", &[0x27, 0, 0, 1, 0]),
    ("w", &[0x18, 0, 0, 0, 1]),
    ("w", &[0x01, 1]),
    ("w", &[0x02, 0, 0, 0, 1]),
    ("w", &[0x03, 0, 1, b'c']),
    ("w", &[0x08, 0, 1, b'r']),
    ("w", &[0x09, 0, 1, b'd']),
    ("p", &[0x01, 1]),
    ("p", &[0x02, 0, 0, 0, 1]),
    ("p", &[0x03, 0, 1, b'c']),
    ("p", &[0x08, 0, 1, b'r']),
    ("p", &[0x09, 0, 1, b'd']),
    ("p", &[0x23, 0, 1]),
    ("s", &[0x0B, 1]),
    ("ad", &[0x1F, 0, 1, b'r']),
];

/// Every packet with `bytes` as properties, of the places that are asked for: strangers' and clients'.
fn with(bytes: &[u8], places: &str) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
    let (mut strangers, mut clients) = (Vec::new(), Vec::new());
    let plain = Connect::new(5, "attacker");
    for place in places.chars() {
        match place {
            'c' => strangers.push(Connect { properties: bytes.to_vec(), ..plain.clone() }.bytes()),
            'w' => {
                let will = Some(Will { properties: bytes.to_vec(), ..Will::new("w") });
                strangers.push(Connect { will, ..plain.clone() }.bytes());
            }
            'p' => clients.push(publish(5, "t", bytes)),
            's' => clients.push(subscribe(5, &[(b"t", 0)], bytes)),
            'u' => clients.push(unsubscribe(5, &[b"t"], bytes)),
            'a' => clients.extend([0x40, 0x50, 0x62, 0x70].map(|first| acknowledgement(first, bytes))),
            _ => clients.push(packet(0xE0, &[&[0], &properties(5, bytes)])),
        }
    }
    (strangers, clients)
}

#[test]
fn a_property_that_stands_twice_is_a_protocol_error() {
    let mut siege = Siege::begin();
    for (places, property) in ONCE {
        let (strangers, clients) = with(&property.repeat(2), places);
        for bytes in strangers {
            siege.ends_a_stranger(&bytes, &format!("{property:02x?} twice in {places}"));
        }
        for bytes in clients {
            siege.ends_a_client(5, &bytes, 0x82, &format!("{property:02x?} twice in {places}"));
        }
    }
}

#[test]
fn a_property_of_another_packet_is_malformed() {
    let mut siege = Siege::begin();
    // A client's Subscription Identifier in PUBLISH is read, and a Protocol Error [5.0 MQTT-3.3.4-6].
    siege.ends_a_client(5, &publish(5, "t", &[0x0B, 1]), 0x82, "a subscription identifier from a client");
    for (property, places) in [
        (&[0x23, 0, 1][..], "cwsuad"),
        (&[0x0B, 1], "cwuad"),
        (&[0x11, 0, 0, 0, 1], "wpsua"),
        (&[0x18, 0, 0, 0, 1], "cpsuad"),
        (&[0x21, 0, 1], "wpsuad"),
        (&[0x12, 0, 1, b'i'], "cwpsuad"),
        (&[0x24, 1], "cwpsuad"),
        (&[0x1F, 0, 1, b'r'], "cwpsu"),
        (&[0x04, 0], "cwpsuad"),
        (&[0x7F, 0], "cwpsuad"),
    ] {
        let (strangers, clients) = with(property, places);
        for bytes in strangers {
            siege.ends_a_stranger(&bytes, &format!("{property:02x?} among {places}"));
        }
        for bytes in clients {
            siege.ends_a_client(5, &bytes, 0x81, &format!("{property:02x?} among {places}"));
        }
    }
}
