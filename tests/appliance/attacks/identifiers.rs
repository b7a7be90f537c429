//! Packet Identifiers: zero, unknown, and used again and again.

use super::siege::Siege;
use super::wire::{Connect, VERSIONS, packet, properties, suback, subscribe, text};

#[test]
fn packet_identifier_0_is_a_protocol_error() {
    // [3.1.1 MQTT-2.3.1-1, 5.0 MQTT-2.2.1-3]
    let mut siege = Siege::begin();
    for version in VERSIONS {
        let none = properties(version, &[]);
        for (bytes, what) in [
            (packet(0x32, &[&text("t"), &[0, 0], &none, b"payload"]), "PUBLISH at QoS 1"),
            (packet(0x34, &[&text("t"), &[0, 0], &none, b"payload"]), "PUBLISH at QoS 2"),
            (packet(0x82, &[&[0, 0], &none, &text("t"), &[0]]), "SUBSCRIBE"),
            (packet(0xA2, &[&[0, 0], &none, &text("t")]), "UNSUBSCRIBE"),
            (vec![0x40, 2, 0, 0], "PUBACK"),
            (vec![0x50, 2, 0, 0], "PUBREC"),
            (vec![0x62, 2, 0, 0], "PUBREL"),
            (vec![0x70, 2, 0, 0], "PUBCOMP"),
        ] {
            siege.ends_a_client(version, &bytes, 0x82, &format!("{version}: {what} with identifier 0"));
        }
    }
}

#[test]
fn acknowledgements_of_nothing_are_answered_or_passed_over() {
    // As mosquitto: the other side may only have forgotten less than we [5.0 §4.3.3].
    let mut siege = Siege::begin();
    for version in VERSIONS {
        let mut client = siege.client(version);
        for id in [1, 7, 255] {
            for (first, answer) in
                [(0x40, vec![]), (0x50, vec![0x62, 2, 0, id]), (0x62, vec![0x70, 2, 0, id]), (0x70, vec![])]
            {
                let what = format!("{version}: {first:#x} for {id}, which nobody knows");
                client.is_answered(&[first, 2, 0, id], &answer, &what);
                siege.nobody_noticed(&what);
            }
        }
        // A hundred and thirty thousand of them leave nothing.
        let before = siege.appliance.resident_kib();
        let all: Vec<u8> = (1..=u16::MAX)
            .flat_map(|id| {
                let [high, low] = id.to_be_bytes();
                [0x40, 2, high, low, 0x70, 2, high, low]
            })
            .collect();
        client.is_answered(&all, &[], "65,535 PUBACKs and PUBCOMPs");
        let grown = siege.appliance.resident_kib().saturating_sub(before);
        assert!(grown < 4 * 1024, "{grown} KiB for acknowledgements of nothing");
    }
}

#[test]
fn a_qos2_message_sent_a_thousand_times_is_one_message() {
    // [3.1.1 MQTT-4.3.3-2, 5.0 MQTT-4.3.3-10]
    let mut siege = Siege::begin();
    for version in VERSIONS {
        let mut reader = siege.client_who(&Connect::new(version, "reader"));
        reader.is_answered(&subscribe(version, &[(b"once", 0)], &[]), &suback(version, &[0]), "the reader");
        let mut client = siege.client(version);
        let none = properties(version, &[]);
        let body = [&text("once")[..], &[0, 7], &none, b"payload"];
        let first = [packet(0x34, &body), packet(0x3C, &body).repeat(999)].concat();
        client.says(&first);
        client.hears(&[0x50, 2, 0, 7].repeat(1_000), "one message, 1,000 times");
        let message = packet(0x30, &[&text("once"), &none, b"payload"]);
        reader.is_answered(&[], &[], &format!("{version}: it goes on when it is released"));
        client.is_answered(&[0x62, 2, 0, 7].repeat(3), &[0x70, 2, 0, 7].repeat(3), "PUBREL");
        reader.is_answered(&[], &message, &format!("{version}: once, however often it is sent"));
        // After PUBREL the identifier is free for another message.
        client.is_answered(&packet(0x34, &body), &[0x50, 2, 0, 7], "the same identifier, another message");
        client.is_answered(&[0x62, 2, 0, 7], &[0x70, 2, 0, 7], "PUBREL of the other");
        reader.is_answered(&[], &message, "the other message");
        drop((client, reader));
        siege.nobody_noticed("1,000 times the same QoS 2 message");
    }
}

#[test]
fn qos2_messages_that_are_never_released_are_bounded() {
    let mut siege = Siege::begin();
    let message =
        |version, id: u16| packet(0x34, &[&text("t"), &id.to_be_bytes(), &properties(version, &[]), &[b'x'; 300]]);
    // 5.0 was told a Receive Maximum of 20 [5.0 §3.3.4].
    let mut client = siege.client(5);
    for id in 1..=20_u16 {
        client.is_answered(&message(5, id), &[0x50, 2, 0, id as u8], "within Receive Maximum");
    }
    client.says(&message(5, 21));
    client.is_cut_off(0x93, "beyond Receive Maximum");
    siege.nobody_noticed("beyond Receive Maximum");
    // The earlier versions know no such bound: what is kept has one by its memory, 64 MiB.
    let large =
        |version, id: u16| packet(0x34, &[&text("t"), &id.to_be_bytes(), &properties(version, &[]), &[b'x'; 1 << 20]]);
    for version in [3, 4] {
        let mut client = siege.client(version);
        let before = siege.appliance.resident_kib();
        for id in 1..=63_u16 {
            client.says(&large(version, id));
            client.hears(&[0x50, 2, 0, id as u8], "a PUBREC for each that is kept");
        }
        client.says(&large(version, 64));
        client.is_cut_off(0x97, "more than is kept");
        let grown = siege.appliance.resident_kib().saturating_sub(before);
        assert!(grown < 80 * 1024, "{grown} KiB for messages that were not released");
        siege.nobody_noticed("messages that were not released");
    }
}
