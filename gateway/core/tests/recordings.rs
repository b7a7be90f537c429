//! The recordings, read by us, by BlueZ's `btmon`, and as the guide prints what was in the air.
#![allow(clippy::unwrap_used, reason = "all of this file is tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use gateway_core::batch::{Batches, Limits, Message};
use gateway_core::btsnoop::{self, PacketKind};
use gateway_core::dialect_a::Encoder;
use gateway_core::duplicates::{DuplicateRule, Duplicates};
use gateway_core::filter::Filters;
use gateway_core::hci::{self, DataStatus};
use gateway_core::{AddressKind, Counts, Ear, Heard, Pipeline, Timestamp};

const DATA_TEST: &[u8] = include_bytes!("../../recordings/data-test.btsnoop");
const DATA_TEST_EXPECTED: &str = include_str!("../../recordings/data-test.expected");
const EXTENDED: &[u8] = include_bytes!("../../recordings/extended.btsnoop");
const EXTENDED_EXPECTED: &str = include_str!("../../recordings/extended.expected");

fn events(recording: &[u8]) -> impl Iterator<Item = (Timestamp, u16, &[u8])> {
    let records = btsnoop::records(recording).unwrap().map(Result::unwrap);
    records.filter(|record| record.kind == PacketKind::Event).map(|record| (record.at, record.adapter, record.data))
}

/// A report as `btmon` prints it: time of day, address, address type, event type, RSSI, bytes of data.
type Line = (u64, String, u8, u16, i8, usize);

fn seen_by_btmon(expected: &str) -> Vec<Line> {
    let hex = |text: &str| usize::from_str_radix(text, 16).unwrap();
    let line = |line: &str| {
        let [time, address, kind, event_type, rssi, bytes] = line.split(' ').collect::<Vec<_>>()[..] else {
            panic!("{line}")
        };
        let micros = time
            .split([':', '.'])
            .zip([3_600_000_000, 60_000_000, 1_000_000, 1])
            .map(|(n, unit)| n.parse::<u64>().unwrap() * unit);
        let bytes = bytes.strip_prefix("0x").map_or_else(|| bytes.parse().unwrap(), hex);
        (micros.sum(), address.to_owned(), hex(kind) as u8, hex(event_type) as u16, rssi.parse().unwrap(), bytes)
    };
    expected.lines().map(line).collect()
}

fn seen_by_us(recording: &[u8]) -> Vec<Line> {
    let mut lines = Vec::new();
    for (at, _, event) in events(recording) {
        for report in hci::advertising_reports(event).unwrap().into_iter().flatten().map(Result::unwrap) {
            let address = report.address.unwrap();
            let kind = u8::from(address.kind == AddressKind::Random);
            let event_type = match report.extended {
                Some(extended) => {
                    u16::from(extended.properties) | u16::from(report.status == DataStatus::MoreToCome) << 5
                }
                None => report.event_type.code().into(),
            };
            let time = at.as_micros() % 86_400_000_000;
            lines.push((time, address.mac.to_string(), kind, event_type, report.rssi_dbm.unwrap(), report.data.len()));
        }
    }
    lines
}

#[test]
fn we_see_in_the_legacy_recording_what_btmon_sees() {
    let ours = seen_by_us(DATA_TEST);
    assert_eq!(ours.len(), 562);
    assert_eq!(ours, seen_by_btmon(DATA_TEST_EXPECTED));
}

#[test]
fn we_see_in_the_extended_recording_what_btmon_sees() {
    let ours = seen_by_us(EXTENDED);
    let mut theirs = seen_by_btmon(EXTENDED_EXPECTED);
    for (.., event_type, _, _) in &mut theirs {
        // Legacy PDUs: we give HCI's legacy numbers [Core 5.4, Vol 4, Part E, §7.7.65.13].
        *event_type = match *event_type {
            0x13 => 0,
            0x12 => 2,
            0x10 => 3,
            0x1A | 0x1B => 4,
            other => other,
        };
    }
    assert_eq!(ours.len(), 529);
    assert_eq!(ours, theirs);
}

fn replayed(recording: &[u8], rule: DuplicateRule) -> (Vec<Message>, Heard, Counts) {
    let batches = Batches::new(Duration::ZERO, Limits::default(), Encoder::default());
    let mut pipeline = Pipeline::new(Filters::default(), Duplicates::new(rule), batches);
    let (mut ear, mut heard, mut out) = (Ear::default(), Vec::new(), Vec::new());
    for (at, adapter, event) in events(recording) {
        ear.hear(at, adapter, event, &mut heard).unwrap();
        heard.drain(..).for_each(|advertisement| pipeline.take(&advertisement, &mut out));
    }
    (out, ear.counts(), pipeline.counts())
}

/// The payload with its signal strength taken out: each packet has its own.
fn without_rssi(json: &str) -> String {
    let (before, after) = json.split_once("\"rssi\": ").unwrap();
    format!("{before}\"rssi\": …{}", after.trim_start_matches(|c: char| c == '-' || c.is_ascii_digit()))
}

fn kinds_of_payload(messages: Vec<Message>) -> BTreeMap<String, usize> {
    let mut kinds = BTreeMap::new();
    for message in messages {
        *kinds.entry(without_rssi(&String::from_utf8(message.payload).unwrap())).or_default() += 1;
    }
    kinds
}

/// The reports in the guide's six lines, each once and as an array of its own.
const GUIDE: [&str; 5] = [
    r#"[{"name": "(unknown)", "evtType": 0, "rssi": -67, "adData": "0201061AFF4C00021574278BDAB64445208F0C720EAF0599350100ED66C5", "bdaddrs": [{"bdaddr": "98:04:ED:D6:50:A3", "bdaddrType": "public"}]}]"#,
    r#"[{"name": "(unknown)", "evtType": 0, "rssi": -79, "adData": "02011A0AFF4C0010050318BF4AB1", "bdaddrs": [{"bdaddr": "5C:32:2A:B4:0C:EC", "bdaddrType": "random"}]}]"#,
    r#"[{"name": "HSE96722001CEC", "evtType": 0, "rssi": -72, "adData": "0201060F094853453936373232303031434543020AFE", "bdaddrs": [{"bdaddr": "E9:67:22:00:1C:EC", "bdaddrType": "public"}]}]"#,
    r#"[{"name": "HSE967220019BC", "evtType": 0, "rssi": -74, "adData": "0201060F094853453936373232303031394243020AFE", "bdaddrs": [{"bdaddr": "E9:67:22:00:19:BC", "bdaddrType": "public"}]}]"#,
    r#"[{"name": "(unknown)", "scanData": "", "evtType": 4, "rssi": -80, "bdaddrs": [{"bdaddr": "5C:32:2A:B4:0C:EC", "bdaddrType": "random"}]}]"#,
];

#[test]
fn the_devices_of_the_guide_are_told_as_the_guide_prints_them() {
    let (messages, heard, counts) = replayed(DATA_TEST, DuplicateRule::Off);
    assert_eq!((heard.reports, heard.advertisements, counts.reported, heard.faults), (562, 562, 562, 0));
    let kinds = kinds_of_payload(messages);
    // Seen by btmon, in the order of GUIDE.
    for (line, times) in GUIDE.iter().zip([95, 54, 39, 38, 29]) {
        assert_eq!(kinds.get(&without_rssi(line)), Some(&times), "{line}");
    }
    // And nothing else is told of these devices.
    let devices = ["98:04:ED:D6:50:A3", "5C:32:2A:B4:0C:EC", "E9:67:22:00:1C:EC", "E9:67:22:00:19:BC"];
    let theirs: BTreeSet<_> = kinds.keys().filter(|json| devices.iter().any(|device| json.contains(device))).collect();
    assert_eq!(theirs.len(), GUIDE.len());
    let named = r#"[{"name": "温度-1", "scanData": "0909E6B8A9E5BAA62D31", "evtType": 4, "rssi": …, "bdaddrs": [{"bdaddr": "DC:0D:30:00:00:05", "bdaddrType": "public"}]}]"#;
    assert_eq!(kinds.get(named), Some(&24));
}

#[test]
fn each_device_of_the_recording_is_told_once_when_so_asked() {
    let (messages, _, counts) = replayed(DATA_TEST, DuplicateRule::OncePerDevice);
    assert_eq!((messages.len(), counts.duplicates), (9, 553));
}

#[test]
fn fragments_in_the_recording_are_told_as_one_advertisement() {
    let (messages, heard, _) = replayed(EXTENDED, DuplicateRule::Off);
    let fragments = 43 + 50;
    assert_eq!((heard.reports, heard.advertisements, heard.incomplete), (529, 529 - fragments, 0));
    let kinds = kinds_of_payload(messages);
    let of = |mac: &str| {
        kinds.iter().filter(|(json, _)| json.contains(mac)).map(|(json, n)| (json.as_str(), *n)).collect::<Vec<_>>()
    };
    let [(two, 43)] = of("E0:11:22:33:44:10")[..] else { panic!("{kinds:?}") };
    let [(three, 25)] = of("E0:11:22:33:44:14")[..] else { panic!("{kinds:?}") };
    // What the scenario of the recording says that they send.
    let scenario = include_str!("../../recordings/extended.json");
    for (json, name, bytes) in [(two, "Long extended adv 1", 279), (three, "Three fragments 22", 511)] {
        let data = json.split_once("\"adData\": \"").and_then(|(_, data)| data.split_once('"')).unwrap().0;
        assert_eq!(data.len(), 2 * bytes);
        assert!(scenario.contains(&format!("\"{data}\"")), "{data}");
        assert!(json.starts_with(&format!(r#"[{{"name": "{name}", "evtType": 3, "#)), "{json}");
    }
}

#[test]
fn a_recording_damaged_anywhere_never_makes_us_panic() {
    let file = &EXTENDED[..20_000];
    for at in (0..file.len()).step_by(17) {
        let mut damaged = file.to_vec();
        damaged[at] ^= 0xFF;
        let Ok(records) = btsnoop::records(&damaged) else { continue };
        let records = records.map_while(Result::ok).skip_while(|record| record.offset + 2000 < at).take(40);
        let batches = Batches::new(Duration::ZERO, Limits::default(), Encoder::default());
        let mut pipeline = Pipeline::new(Filters::default(), Duplicates::new(DuplicateRule::OncePerDevice), batches);
        let (mut ear, mut heard) = (Ear::default(), Vec::new());
        for record in records.filter(|record| record.kind == PacketKind::Event) {
            let _ = ear.hear(record.at, record.adapter, record.data, &mut heard);
        }
        for advertisement in &heard {
            pipeline.take(advertisement, &mut Vec::new());
        }
    }
}
