//! Tests of the table and the lines.

use super::*;
use crate::gateway::hearing::{Heard, Hearing};
use crate::gateway::plain::columns;
use gateway_core::MacAddress;

const DATA_TEST: &[u8] = include_bytes!("../../gateway/recordings/data-test.btsnoop");

fn recording() -> (Devices, Timestamp) {
    let (mut hearing, mut out, mut devices) = (Hearing::default(), Vec::new(), Devices::default());
    hearing.take(DATA_TEST, &mut out).expect("a sound recording");
    for heard in out {
        let Heard::Packet(advertisement) = heard else { continue };
        devices.hear(&advertisement);
    }
    (devices, hearing.now())
}

fn frame() -> Frame {
    Frame { source: "data-test.btsnoop".to_owned(), ..Frame::default() }
}

fn stranger(data: &[u8]) -> Advertisement {
    Advertisement {
        received_at: Timestamp::from_micros(1_700_000_000_000_001),
        address: DeviceAddress { mac: MacAddress([0x40, 1, 2, 3, 4, 5]), kind: AddressKind::Random },
        event_type: EventType::AdvInd,
        rssi_dbm: None,
        data: data.to_vec(),
        extended: None,
        chip: 0,
    }
}

#[test]
fn the_devices_of_the_recording_stand_in_the_table() {
    let (devices, now) = recording();
    let lines = table(&devices, &frame(), now, Size { columns: 120, rows: 40 });
    // Nine devices, of which one was there for some seconds at the beginning.
    assert_eq!(lines.len(), 2 + 9, "{lines:#?}");
    assert!(lines[0].starts_with("9 devices, "), "{}", lines[0]);
    assert!(lines[0].contains(", 562 packets · data-test.btsnoop · "), "{}", lines[0]);
    let row = |address: &str| lines.iter().find(|line| line.starts_with(address)).expect("a row");
    let beacon = row("98:04:ED:D6:50:A3");
    assert!(
        beacon.contains("  public  ") && beacon.contains("  iBeacon 74278bda-b644-4520-8f0c-720eaf05993"),
        "{beacon}"
    );
    assert!(row("E9:67:22:00:1C:EC").contains("  public  HSE96722001CEC  "), "{lines:#?}");
    // The name is in the scan response; it is wide.
    assert!(row("DC:0D:30:00:00:05").contains("  public  温度-1            "), "{lines:#?}");
    assert!(row("C4:11:22:33:44:55").contains("  static  "), "{lines:#?}");
}

#[test]
fn the_table_is_never_larger_than_the_terminal() {
    let (devices, now) = recording();
    let frame = Frame { note: Some("hci0 went away".to_owned()), ..frame() };
    for rows in 0..14 {
        for width in [0, 1, 2, 10, 40, 60, 80, 200] {
            let lines = table(&devices, &frame, now, Size { columns: width, rows });
            assert!(lines.len() <= rows, "{rows}: {lines:#?}");
            assert!(lines.iter().all(|line| columns(line) <= width), "{width}: {lines:#?}");
        }
    }
    let lines = table(&devices, &frame, now, Size { columns: 80, rows: 8 });
    assert_eq!((lines.len(), &*lines[6], &*lines[7]), (8, "… and 5 more", "hci0 went away"), "{lines:#?}");
    // Just enough room: no line about what is missing.
    let lines = table(&devices, &frame, now, Size { columns: 80, rows: 12 });
    assert!(!lines.iter().any(|line| line.starts_with('…')), "{lines:#?}");
}

#[test]
fn a_name_that_is_an_escape_sequence_is_only_text() {
    let evil = b"\x0B\x09\x1b[2J\x1b]0;x\x07\x06\x16\x0F\x18\x1b[m";
    let advertisement = stranger(evil);
    let mut devices = Devices::default();
    devices.hear(&advertisement);
    let mut lines = table(&devices, &frame(), advertisement.received_at, Size { columns: 100, rows: 10 });
    lines.push(packet(&advertisement));
    for line in &lines {
        assert!(!line.chars().any(char::is_control), "{line:?}");
    }
    assert!(lines[2].contains("\u{FFFD}[2J\u{FFFD}]0;x\u{FFFD}"), "{lines:#?}");
}

#[test]
fn a_packet_is_a_line_with_everything_that_it_says() {
    let named = stranger(b"\x02\x01\x06\x06\x09TH-07");
    assert_eq!(
        packet(&named),
        "22:13:20.000001  40:01:02:03:04:05  resolv  ADV_IND         ?  TH-07  flags general, LE only"
    );
    let quiet = Advertisement { rssi_dbm: Some(-60), event_type: EventType::ScanRsp, ..stranger(&[]) };
    assert_eq!(packet(&quiet), "22:13:20.000001  40:01:02:03:04:05  resolv  SCAN_RSP      -60");
}
