//! Lengths: announced and never sent, written in too many bytes, and not those of the fields.

use super::siege::Siege;
use super::wire::{Connect, VERSIONS, publish, subscribe};

#[test]
fn fourteen_oversized_first_packets_cost_nothing() {
    // As mosquitto 2.1.2: in a row they may not grow virtual memory by more than 20 MB.
    let mut siege = Siege::begin();
    let before = siege.appliance.virtual_kib();
    for number in 0..14 {
        // 256 MiB announced; what comes of it is not read to its end.
        let bytes = [&b"\x10\xFF\xFF\xFF\x7F\x00\x04MQTT\x04\x02\x00\x3C"[..], &[b'x'; 4096]].concat();
        siege.ends_a_stranger(&bytes, &format!("oversized first packet {number}"));
    }
    let grown = siege.appliance.virtual_kib().saturating_sub(before);
    assert!(grown <= 20_000, "virtual memory grew by {grown} KiB");
}

#[test]
fn a_length_of_five_bytes_is_refused_at_its_fourth() {
    // [3.1.1 §2.2.3, 5.0 §1.5.5]
    let mut siege = Siege::begin();
    for length in [&b"\xFF\xFF\xFF\xFF"[..], b"\x80\x80\x80\x80", b"\xFF\xFF\xFF\xFF\x7F", b"\x80\x80\x80\x80\x00"] {
        siege.ends_a_stranger(&[b"\x10", length].concat(), &format!("CONNECT of length {length:02x?}"));
        for version in VERSIONS {
            for first in [0x30, 0x82, 0xC0, 0xE0] {
                let bytes = [&[first], length].concat();
                siege.ends_a_client(version, &bytes, 0x81, &format!("{version}: {bytes:02x?}"));
            }
        }
    }
    // The longest that can be said is no fault of form: it is more than max_packet_size.
    for version in VERSIONS {
        let bytes = b"\x30\xFF\xFF\xFF\x7F";
        siege.ends_a_client(version, bytes, 0x95, &format!("{version}: 256 MiB announced"));
    }
}

#[test]
fn a_length_of_more_bytes_than_it_needs_is_for_the_old_versions_only() {
    // [5.0 MQTT-1.5.5-1]; 3.1.1 §2.2.3 says nothing of it, and mosquitto takes it.
    let mut siege = Siege::begin();
    for version in VERSIONS {
        for zeros in 1..=3 {
            let padded = |bytes: &[u8]| {
                assert!(bytes[1] < 0x80, "a short packet");
                let more = [&[0x80].repeat(zeros - 1)[..], &[0]].concat();
                [&[bytes[0], bytes[1] | 0x80], &more[..], &bytes[2..]].concat()
            };
            let what = format!("{version}: a length with {zeros} bytes too many");
            let connect = padded(&Connect::new(version, "attacker").bytes());
            let ping = padded(&[0xC0, 0]);
            let message = padded(&publish(version, "t", &[]));
            if version == 5 {
                siege.ends_a_stranger(&connect, &what);
                siege.ends_a_client(version, &ping, 0x81, &what);
                siege.ends_a_client(version, &message, 0x81, &what);
                continue;
            }
            let mut client = siege.stranger(version);
            client.says(&connect);
            assert_eq!(client.packet(&what), (0x20, vec![0, 0]));
            client.is_answered(&ping, &[0xD0, 0], &what);
            client.is_answered(&message, &[0x40, 2, 0, 7], &what);
            siege.nobody_noticed(&what);
        }
    }
}

#[test]
fn a_packet_shorter_or_longer_than_its_fields_is_malformed() {
    // [3.1.1 §2.2.3, 5.0 §2.1.4]
    let mut siege = Siege::begin();
    for version in VERSIONS {
        let connect = Connect::new(version, "attacker").bytes();
        for count in 0..connect.len() - 2 {
            let bytes = [&[0x10, u8::try_from(count).expect("short")], &connect[2..2 + count]].concat();
            siege.ends_a_stranger(&bytes, &format!("{version}: CONNECT cut to {count} bytes"));
        }
        let longer = [&[0x10, connect[1] + 1], &connect[2..], &[0]].concat();
        siege.ends_a_stranger(&longer, &format!("{version}: CONNECT with a byte too many"));
        let subscribe = subscribe(version, &[(b"topic", 0)], &[]);
        // Down to its identifier (and properties): an empty list is another fault, of another test.
        let least = if version == 5 { 4 } else { 3 };
        for count in least..subscribe.len() - 2 {
            let bytes = [&[0x82, u8::try_from(count).expect("short")], &subscribe[2..2 + count]].concat();
            siege.ends_a_client(version, &bytes, 0x81, &format!("{version}: SUBSCRIBE cut to {count} bytes"));
        }
        let longer = [&[0x82, subscribe[1] + 1], &subscribe[2..], &[0]].concat();
        siege.ends_a_client(version, &longer, 0x81, &format!("{version}: SUBSCRIBE with a byte too many"));
        for bytes in [vec![0xC0, 1, 0], vec![0x40, 1, 0], vec![0x40, 0], vec![0x62, 1, 0]] {
            siege.ends_a_client(version, &bytes, 0x81, &format!("{version}: {bytes:02x?}"));
        }
    }
}
