//! Clients that say nothing, or never come to an end.

use std::io::Read as _;
use std::time::{Duration, Instant};

use super::siege::Siege;
use super::wire::{Connect, VERSIONS};
use crate::harness::PATIENCE;

#[test]
fn a_client_that_says_nothing_is_let_go_after_one_and_a_half_keep_alives() {
    // [3.1.1 MQTT-3.1.2-24, 5.0 MQTT-3.1.2-22]
    let mut siege = Siege::begin();
    let silent = VERSIONS.map(|version| {
        siege.client_who(&Connect { keep_alive_s: 1, ..Connect::new(version, format!("silent{version}")) })
    });
    for mut client in silent {
        let what = format!("{}: silent for one and a half keep-alives", client.version);
        client.is_cut_off(0x8D, &what);
        siege.nobody_noticed(&what);
    }
}

#[test]
fn a_packet_in_drops_does_not_keep_a_client_alive() {
    // Keep Alive is counted from one packet to the next [3.1.1 §3.1.2.10, 5.0 §3.1.2.10].
    let mut siege = Siege::begin();
    for version in VERSIONS {
        let what = format!("{version}: a packet a byte at a time");
        let mut client = siege.client_who(&Connect { keep_alive_s: 1, ..Connect::new(version, "attacker") });
        // A second of patience between two bytes would keep anyone: the pace is that of these reads.
        client.stream.set_read_timeout(Some(Duration::from_millis(100))).expect("a time limit");
        client.says(b"\x30\x90\x4E\x00\x01t");
        let mut heard = Vec::new();
        let end = Instant::now() + PATIENCE;
        loop {
            assert!(Instant::now() < end, "{what}");
            client.says(b"x");
            let mut bytes = [0; 64];
            match client.stream.read(&mut bytes) {
                Ok(0) => break,
                Ok(count) => heard.extend_from_slice(&bytes[..count]),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => siege.nobody_noticed(&what),
                Err(error) => {
                    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{what}");
                    break;
                }
            }
        }
        let wanted: &[u8] = if version == 5 { &[0xE0, 1, 0x8D] } else { &[] };
        assert_eq!(heard, wanted, "{what}");
        siege.nobody_noticed(&what);
    }
}
