//! Packets at the wrong time, from the wrong side, or with flags that are reserved.

use super::siege::Siege;
use super::wire::{Connect, VERSIONS, packet, properties, publish, subscribe, text, unsubscribe};

#[test]
fn a_second_connect_ends_the_connection() {
    // [3.1.1 MQTT-3.1.0-2, 5.0 MQTT-3.1.0-2], also of another version or of none
    let mut siege = Siege::begin();
    for version in VERSIONS {
        for (second, what) in [(3, "3.1"), (4, "3.1.1"), (5, "5.0"), (9, "no version")] {
            let second = Connect::new(second, "attacker").bytes();
            siege.ends_a_client(version, &second, 0x82, &format!("{version}: then CONNECT of {what}"));
        }
        let mut stranger = siege.stranger(version);
        let connect = Connect::new(version, "twice").bytes();
        stranger.says(&[&connect[..], &connect].concat());
        assert_eq!(stranger.packet("CONNACK for the first of two").0, 0x20);
        stranger.is_cut_off(0x82, "two CONNECTs at once");
        siege.nobody_noticed("two CONNECTs at once");
    }
}

#[test]
fn whoever_begins_with_anything_but_connect_is_closed_without_a_word() {
    // [3.1.1 MQTT-3.1.0-1, 5.0 MQTT-3.1.0-1]
    let mut siege = Siege::begin();
    for version in VERSIONS {
        let firsts = [
            packet(0x20, &[&[0, 0], &properties(version, &[])]),
            publish(version, "t", &[]),
            packet(0x30, &[&text("t"), &properties(version, &[])]),
            vec![0x40, 2, 0, 7],
            vec![0x50, 2, 0, 7],
            vec![0x62, 2, 0, 7],
            vec![0x70, 2, 0, 7],
            subscribe(version, &[(b"t", 0)], &[]),
            packet(0x90, &[&[0, 7], &properties(version, &[]), &[0]]),
            unsubscribe(version, &[b"t"], &[]),
            packet(0xB0, &[&[0, 7], &properties(version, &[])]),
            vec![0xC0, 0],
            vec![0xD0, 0],
            vec![0xE0, 0],
            vec![0xF0, 0],
            vec![0x00, 0],
        ];
        for first in firsts {
            siege.ends_a_stranger(&first, &format!("{first:02x?} first"));
        }
    }
}

#[test]
fn what_only_a_broker_says_is_a_protocol_error() {
    let mut siege = Siege::begin();
    for version in VERSIONS {
        let none = properties(version, &[]);
        for (bytes, what) in [
            (packet(0x20, &[&[0, 0], &none]), "CONNACK"),
            (packet(0x90, &[&[0, 7], &none, &[0]]), "SUBACK"),
            (packet(0xB0, &[&[0, 7], &none, if version == 5 { &[0] } else { &[] }]), "UNSUBACK"),
            (vec![0xD0, 0], "PINGRESP"),
            // Nobody who did not begin with a method may say it [5.0 MQTT-4.12.0-7].
            (vec![0xF0, 0], "AUTH"),
        ] {
            siege.ends_a_client(version, &bytes, 0x82, &format!("{version}: {what} from a client"));
        }
    }
}

#[test]
fn reserved_flags_are_malformed_on_every_packet_type() {
    // [3.1.1 MQTT-2.2.2-2, 5.0 MQTT-2.1.3-1]; 3.1 does not use them [3.1 §2.1].
    let mut siege = Siege::begin();
    for version in [4, 5] {
        let none = properties(version, &[]);
        let connect = Connect::new(version, "attacker").bytes();
        let right = [
            packet(0x20, &[&[0, 0], &none]),
            vec![0x40, 2, 0, 7],
            vec![0x50, 2, 0, 7],
            vec![0x62, 2, 0, 7],
            vec![0x70, 2, 0, 7],
            subscribe(version, &[(b"t", 0)], &[]),
            packet(0x90, &[&[0, 7], &none, &[0]]),
            unsubscribe(version, &[b"t"], &[]),
            packet(0xB0, &[&[0, 7], &none, if version == 5 { &[0] } else { &[] }]),
            vec![0xC0, 0],
            vec![0xD0, 0],
            vec![0xE0, 0],
            vec![0xF0, 0],
        ];
        for flags in 1..16 {
            let bytes = [&[connect[0] | flags], &connect[1..]].concat();
            siege.ends_a_stranger(&bytes, &format!("{version}: CONNECT with flags {flags:#x}"));
            // PUBLISH has flags of its own; all that is forbidden of them is QoS 3, and DUP with QoS 0.
            if flags & 0b0110 == 0b0110 || flags & 0b1110 == 0b1000 {
                let mut bytes = publish(version, "t", &[]);
                bytes[0] = 0x30 | flags;
                siege.ends_a_client(version, &bytes, 0x81, &format!("{version}: PUBLISH with flags {flags:#x}"));
            }
            for bytes in &right {
                let bytes = [&[bytes[0] ^ flags], &bytes[1..]].concat();
                siege.ends_a_client(version, &bytes, 0x81, &format!("{version}: {bytes:02x?}"));
            }
        }
    }
    for version in VERSIONS {
        siege.ends_a_client(version, &[0x00, 0], 0x81, "packet type 0");
        siege.ends_a_client(version, &[0x0F, 0], 0x81, "packet type 0 with flags");
    }
    for (bytes, answer) in [
        (vec![0x6A, 2, 0, 7], vec![0x70, 2, 0, 7]),
        (vec![0x8A, 6, 0, 7, 0, 1, b't', 0], vec![0x90, 3, 0, 7, 0]),
        (vec![0xAA, 5, 0, 7, 0, 1, b't'], vec![0xB0, 2, 0, 7]),
        (vec![0xCF, 0], vec![0xD0, 0]),
    ] {
        siege.is_answered(3, &bytes, &answer, "3.1 does not use these flags, but to repeat");
    }
}
